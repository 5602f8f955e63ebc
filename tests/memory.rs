//! What a file may cost in memory, whatever it says: a constant and a multiple of its own size.
//!
//! Opening a file, listing its tensors and values and reading each tensor once, one after the other, or scanning it,
//! allocates at its peak at most `FACTOR * (the file and what it unpacks to) + CONSTANT` bytes besides the file's own:
//!
//! * `FACTOR`: the shortest opcodes are one byte, and the costliest of them make a node of 16 bytes and entries of up to
//!   three tables, held twice while a vector grows. [`programs`] has those that cost most, far from any honest pickle.
//! * `CONSTANT`: what does not depend on the file: an inflater's window and tables, an error's text, and one tensor that
//!   presents more elements than its storage has (`expand`), up to `Limits::materialised_bytes`.
//!
//! Compressed records unpack to no more than they declare, at most 1040 times their size (deflate's own bound), and
//! `Limits::decompressed_bytes` holds for each.
//!
//! What large parts of a mapped file are copied to is mapped memory on Linux, which the allocator does not see: it is never
//! more than the file, and is told by the system.
//!
//! The allocator counts for the whole process, so this test has a process of its own, and its tests take turns.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the crate is tests"
)]

#[path = "support/legacy_builder.rs"]
mod legacy_builder;
#[path = "support/pickle_builder.rs"]
mod pickle_builder;
#[path = "support/zip_builder.rs"]
mod zip_builder;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use torch_checkpoint::{Backing, Checkpoint, Error, Limits, LoadOptions, ScanOptions};

const FACTOR: usize = 128;
const CONSTANT: usize = 1 << 18;
const MATERIALISED: u64 = 1 << 17;
const DECOMPRESSED: u64 = 1 << 17;

/// The system's allocator, with a count of the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The tests of one process take turns.
static TURN: Mutex<()> = Mutex::new(());

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grown(bytes: usize) {
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // As if both were there at once, which they may be.
        grown(new_size);
        // SAFETY: the caller's promises are passed on.
        let moved = unsafe { System.realloc(place, layout, new_size) };
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        moved
    }
}

/// The most bytes that were in use at once during a call, more than before it.
fn peak_of(call: impl FnOnce()) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    call();
    PEAK.load(Ordering::Relaxed) - before
}

fn options() -> LoadOptions<'static> {
    let mut limits = Limits::default();
    limits.materialised_bytes = MATERIALISED;
    limits.decompressed_bytes = DECOMPRESSED;
    // A dozen names above and below one another can stand for any number of them.
    limits.names = 1_000;
    LoadOptions::new().limits(limits)
}

fn scanner() -> ScanOptions {
    let mut limits = Limits::default();
    limits.decompressed_bytes = DECOMPRESSED;
    ScanOptions::new().limits(limits)
}

/// Opens, lists and reads.
fn load(opened: Result<Checkpoint, Error>) {
    let Ok(checkpoint) = opened else { return };
    for entry in checkpoint.tensors().unwrap_or_default() {
        let _ = entry.tensor().bytes();
    }
    let _ = checkpoint.leaves("").map(|listing| listing.leaves.len());
    let _ = (checkpoint.state_dict().map(|weights| weights.len()), checkpoint.verify().len());
}

/// The worst of many files, as bytes of memory for each byte of the file that go beyond the constant.
#[derive(Default)]
struct Worst {
    files: usize,
    factor: usize,
    name: String,
}

impl Worst {
    fn check(&mut self, name: impl Fn() -> String, file_len: usize, unpacked: usize, peak: usize) {
        let size = file_len + unpacked;
        assert!(
            peak <= FACTOR * size + CONSTANT,
            "{}: {peak} bytes for a file of {file_len}, {unpacked} unpacked",
            name()
        );
        self.files += 1;
        let factor = peak.saturating_sub(CONSTANT) / size.max(1);
        if factor > self.factor {
            (self.factor, self.name) = (factor, name());
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The checkpoints among the fixtures: files, and folders with their answers beside them; smallest first.
fn checkpoints() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![fixtures()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() || Path::new(&format!("{}.oracle.json", path.display())).exists() {
                found.push(path);
            } else {
                folders.push(path);
            }
        }
    }
    found.retain(|path| !path.to_str().unwrap().ends_with(".json"));
    found.sort();
    found
}

fn size_of_folder(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| if path.is_dir() { size_of_folder(&path) } else { std::fs::read(path).unwrap().len() }).sum()
}

/// Each fixture whole, and damaged in so many places.
fn sweep(damages: usize) {
    let turn = TURN.lock().unwrap();
    let mut worst = Worst::default();
    for path in checkpoints() {
        let name = path.strip_prefix(fixtures()).unwrap().display().to_string();
        if path.is_dir() {
            let size = size_of_folder(&path);
            worst.check(|| name.clone(), size, 0, peak_of(|| load(options().open(&path))));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        // A mapped file's pages are not counted: those that are copied are.
        worst.check(
            || format!("{name}, mapped"),
            bytes.len(),
            unpacked(&bytes),
            peak_of(|| load(options().open(&path))),
        );
        let owned = || load(options().backing(Backing::Owned).open(&path));
        worst.check(|| format!("{name}, owned"), bytes.len(), unpacked(&bytes), peak_of(owned));
        for n in 0..damages.min(bytes.len()) {
            let place = (bytes.len() * n + n % 13) / damages.min(bytes.len());
            let place = place.min(bytes.len() - 1);
            for damage in [Damage::Set(0), Damage::Set(0xff), Damage::Flip(n % 8), Damage::Cut] {
                let copy = damage.done(&bytes, place);
                let (len, unpacked) = (copy.len(), unpacked(&copy));
                let peak = peak_of(|| load(options().open_bytes(copy)));
                worst.check(|| format!("{name}, {damage:?} at {place}"), len, unpacked, peak);
                let copy = damage.done(&bytes, place);
                let peak = peak_of(|| drop(scanner().scan_bytes(copy)));
                worst.check(|| format!("{name}, {damage:?} at {place}, scanned"), len, unpacked, peak);
            }
        }
    }
    println!("{} files; the worst beyond the constant: {} bytes for each of {}", worst.files, worst.factor, worst.name);
    drop(turn);
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Set(u8),
    Flip(usize),
    Cut,
}

impl Damage {
    fn done(self, bytes: &[u8], place: usize) -> Vec<u8> {
        let mut copy = bytes.to_vec();
        match self {
            Self::Set(byte) => copy[place] = byte,
            Self::Flip(bit) => copy[place] ^= 1 << bit,
            Self::Cut => copy.truncate(place),
        }
        copy
    }
}

/// What a file unpacks to at most: every local header of a zip archive with a deflated record, a gzip file.
fn unpacked(bytes: &[u8]) -> usize {
    let most = usize::try_from(DECOMPRESSED).unwrap();
    let deflated = bytes.windows(12).filter(|at| at.starts_with(b"PK\x01\x02") && at[10] == 8).count();
    most * (deflated + usize::from(bytes.starts_with(&[0x1f, 0x8b])))
}

#[test]
fn memory_is_bounded_by_the_file_for_every_fixture_and_its_damaged_forms() {
    sweep(2);
}

#[test]
#[ignore = "thorough: for a release build"]
fn memory_is_bounded_for_many_damaged_forms() {
    sweep(20);
}

/// Pickles in which every byte costs as much as a byte can.
fn programs() -> Vec<(String, Vec<u8>)> {
    // Vectors that double have just done so.
    const LEN: usize = (1 << 18) + (1 << 10);
    let mut programs = Vec::new();
    let mut add = |name: &str, start: &[u8], repeated: &[u8], end: &[u8]| {
        let count = LEN / repeated.len();
        programs.push((name.to_owned(), [start, &repeated.repeat(count), end].concat()));
    };
    // Every opcode of one byte, over a stack that it can work on.
    for opcode in b"()012NQRabdelostu]}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94" {
        add(&format!("{:#04x}", opcode), b"(]}", &[*opcode], b"t.");
        add(&format!("{:#04x} over None", opcode), b"(NNN", &[b'N', *opcode], b"t.");
        add(&format!("{:#04x} over a name", opcode), b"(cm\nn\nq\0", &[b'h', 0, b')', *opcode], b"t.");
        add(&format!("{:#04x} over a list", opcode), b"(]q\0", &[b'h', 0, *opcode], b"t.");
        add(&format!("{:#04x} over a marked item", opcode), b"(", &[b'(', b'N', *opcode], b"t.");
        add(&format!("{:#04x} over a marked pair", opcode), b"(", &[b'(', b'N', b'N', *opcode], b"t.");
    }
    add("lists in lists", b"", b"]", b".");
    add("a list in turns with another", b"]q\0]q\x01", b"h\0Nah\x01Na", b".");
    add("dicts with an entry", b"(", b"}NNs", b"t.");
    add("lists with an item", b"(", b"]Na", b"t.");
    add("sets with an item", b"(", b"\x8f(N\x90", b"t.");
    add("objects with a state", b"cm\nn\nq\x000(", b"h\0)R}b", b"t.");
    add("objects with an item", b"cm\nn\nq\x000(", b"h\0)RNa", b"t.");
    add("names", b"(", b"ca\n\n", b"t.");
    add("persistent ids", b"(", b"NQ", b"t.");
    add("tensors of nothing", b"ctorch._utils\n_rebuild_tensor_v2\nq\x000(", b"h\0)R", b"t.");
    add("sizes", b"ctorch\nSize\nq\x000(", b"h\0))\x85R", b"t.");
    add("memo far apart", b"N", b"r\0\0\0\x7f", b".");
    add("texts", b"(", b"\x8c\0", b"t.");
    add("numbers of 64 bits", b"(", b"\x8a\x05\0\0\0\0\x01", b"t.");
    add("wide numbers", b"(", b"\x8a\x09\0\0\0\0\0\0\0\0\x01", b"t.");
    programs
}

#[test]
fn memory_is_bounded_for_the_costliest_pickles() {
    let turn = TURN.lock().unwrap();
    let mut worst = Worst::default();
    for (name, pickle) in programs() {
        let len = pickle.len();
        let mut loaded = true;
        let peak = peak_of(|| {
            let opened = options().open_bytes(pickle);
            loaded = opened.is_ok();
            load(opened);
        });
        if std::env::var_os("TORCH_CHECKPOINT_SHOW").is_some() {
            println!("{:4} bytes for each of {name}{}", peak / len, if loaded { "" } else { " (refused)" });
        }
        worst.check(|| name.clone(), len, 0, peak);
    }
    for (name, pickle) in programs() {
        let len = pickle.len();
        let peak = peak_of(|| drop(scanner().scan_bytes(pickle)));
        if std::env::var_os("TORCH_CHECKPOINT_SHOW").is_some() {
            println!("{:4} bytes for each of {name}, scanned", peak / len);
        }
        worst.check(|| format!("{name}, scanned"), len, 0, peak);
    }
    println!("{} pickles; the worst: {} bytes for each of {}", worst.files, worst.factor, worst.name);
    drop(turn);
}

/// Metadata in which a few bytes stand for much: paths, sizes and offsets that all entries share.
#[test]
fn memory_is_bounded_for_metadata_that_share_their_parts() {
    use pickle_builder::{Code, dict, dict_of, get, global, int, memo, none, object, op, pickle, text, tuple};
    const MODULE: &str = "torch.distributed.checkpoint.metadata";
    let turn = TURN.lock().unwrap();
    let part = pickle(&none());
    let info = [("relative_path", text("data")), ("offset", int(0)), ("length", int(part.len() as i64))];
    let shared = [
        tuple(std::iter::repeat_n(text("x"), 900)),
        object(MODULE, "BytesStorageMetadata", dict([])),
        global(MODULE, "MetadataIndex"),
        text("fqn"),
        object(MODULE, "_StorageInfo", dict(info)),
    ];
    let (mut entries, mut paths, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..2_000 {
        // Everything but the name is there once.
        let [path, described, class, fqn, info] =
            [0, 1, 2, 3, 4].map(|slot| if n == 0 { memo(slot, shared[usize::from(slot)].clone()) } else { get(slot) });
        let name = || -> Code { text(&format!("{n}")) };
        entries.push((name(), described));
        paths.push((name(), path));
        let index = [class, vec![op::EMPTY_TUPLE, op::NEWOBJ], dict_of([(fqn, name())]), vec![op::BUILD]].concat();
        places.push((index, info));
    }
    let members = [
        ("state_dict_metadata", dict_of(entries)),
        ("planner_data", dict_of(paths)),
        ("storage_data", dict_of(places)),
    ];
    let metadata = pickle(&object(MODULE, "Metadata", dict(members)));
    let folder = std::env::temp_dir().join(format!("torch-checkpoint-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".metadata"), &metadata).unwrap();
    std::fs::write(folder.join("data"), &part).unwrap();
    let size = metadata.len() + part.len();
    let peak = peak_of(|| drop(options().open(&folder)));
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{} bytes for each of {size} bytes of metadata", peak / size);
    Worst::default().check(|| "shared paths".to_owned(), size, 0, peak);
    drop(turn);
}

const STORAGE: usize = 1 << 20;
const STORAGES: usize = 6;

/// Six tensors of a megabyte each, and all of them in one file.
fn large(deflated: bool) -> Vec<u8> {
    let keys: Vec<String> = (0..STORAGES).map(|n| n.to_string()).collect();
    let bytes: Vec<u8> = (0..STORAGE).map(|n| (n % 251) as u8).collect();
    let tensors = keys.iter().map(|key| (&**key, pickle_builder::f32_tensor(key, &[512, 512])));
    let root = pickle_builder::pickle(&pickle_builder::dict(tensors));
    let storages: Vec<(&str, &[u8])> = keys.iter().map(|key| (&**key, &*bytes)).collect();
    let mut builder = zip_builder::torch_builder("archive", &root, &storages);
    for key in keys.iter().filter(|_| deflated) {
        builder = builder.change(&format!("archive/data/{key}"), |record| *record = record.clone().deflated());
    }
    builder.build()
}

fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// A mapped file costs its metadata until it is read into memory, and then its tensors once.
#[test]
fn memory_holds_the_metadata_of_a_mapped_file_and_the_tensors_of_an_owned_one_once() {
    let _turn = TURN.lock();
    let path = std::env::temp_dir().join(format!("torch-checkpoint-memory-{}.pt", std::process::id()));
    std::fs::write(&path, large(false)).unwrap();
    let mut weights = None;
    let opening = peak_of(|| weights = Some(torch_checkpoint::load_state_dict(&path, "cpu").unwrap()));
    let weights = weights.unwrap();
    let borrowing = peak_of(|| weights.values().for_each(|tensor| assert_eq!(tensor.bytes().unwrap().len(), STORAGE)));
    let before = (in_use(), pages());
    // Without the mapping the file is in memory already.
    let (loaded, opened) = if cfg!(feature = "mmap") { (STORAGES * STORAGE, 0) } else { (0, STORAGES * STORAGE) };
    let mut most = 0;
    let loading = peak_of(|| weights.load_into_memory(|_| most = most.max(pages())).unwrap());
    let kept = in_use() - before.0;
    let most = most.saturating_sub(before.1);
    std::fs::remove_file(&path).unwrap();
    println!("opening {opening}, borrowing {borrowing}, loading {loading} and in pages {most}, kept {kept}");
    assert!(opening <= opened + (64 << 10), "{opening}");
    assert!(borrowing <= 1 << 10, "{borrowing}");
    if cfg!(all(feature = "mmap", target_os = "linux")) {
        // Pages of the system's own tables are not among them; a thread's stack is.
        assert!((loaded..=loaded + (1 << 20)).contains(&most), "{most}");
        assert!(loading <= 64 << 10, "{loading}");
        assert!(kept <= 4 << 10, "{kept}");
    } else {
        assert!((loaded..=loaded + (64 << 10)).contains(&loading), "{loading}");
        assert!((loaded..=loaded + (4 << 10)).contains(&kept), "{kept}");
    }
}

/// The bytes of memory that no file lies behind, by the system; 0 where it does not say.
fn pages() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let said = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix("kB"));
    said.map_or(0, |kilobytes| kilobytes.trim().parse::<usize>().unwrap() << 10)
}

/// Of a compressed file there is in memory what was read, as long as a handle on it lives.
#[test]
fn memory_of_unpacked_records_goes_with_their_last_handle() {
    let _turn = TURN.lock();
    let file = large(true);
    assert!(file.len() < STORAGES * STORAGE / 10);
    let weights = LoadOptions::new().open_bytes(file).unwrap().state_dict().unwrap();
    let before = in_use();
    let mut tensors: Vec<_> = weights.into_iter().collect();
    for (name, tensor) in &tensors {
        if name == "0" || name == "1" {
            assert_eq!(tensor.bytes().unwrap().len(), STORAGE);
        }
    }
    let two = in_use() as isize - before as isize;
    assert!((two - 2 * STORAGE as isize).abs() <= 64 << 10, "{two}");
    tensors.remove(0);
    let one = in_use() as isize - before as isize;
    assert!((one - STORAGE as isize).abs() <= 64 << 10, "{one}");
}
