//! One tensor in memory at a time, whatever has to be put together for it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the crate is tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use torch_checkpoint::{LoadOptions, Tensor};
use torch_checkpoint_safetensors::{Ties, Writer};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller's. The other methods
// of the trait call these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

/// The most that was in use at once during a call, besides what was in use before.
fn peak(work: impl FnOnce()) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

const TENSORS: usize = 16;
const SIDE: usize = 512; // f32: 1 MiB each
const BYTES: usize = SIDE * SIDE * 4;

/// A distributed checkpoint of the form that `save_distributed` writes: two files with half the rows of each tensor.
fn chunked(folder: &std::path::Path) {
    for rank in 0..2 {
        let names: Vec<String> = (0..TENSORS).map(|n| format!("w{n}")).collect();
        let data = vec![rank as u8; BYTES / 2];
        let view =
            || safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![SIDE / 2, SIDE], &data).unwrap();
        let offsets = format!("{{\"saved_offsets\": [{}, 0]}}", rank * SIDE / 2);
        let info: Vec<String> = names.iter().map(|name| format!("\"{name}\": {offsets}")).collect();
        let metadata = [
            ("format".to_owned(), "pt".to_owned()),
            ("DCP_VERSION".to_owned(), "1.0".to_owned()),
            ("DCP_SHARDING_INFO".to_owned(), format!("{{{}}}", info.join(", "))),
        ];
        let path = folder.join(format!("shard-0000{}-model-00001-of-00001.safetensors", rank + 1));
        safetensors::serialize_to_file(names.iter().map(|name| (name, view())), Some(metadata.into()), &path).unwrap();
    }
}

#[test]
fn one_tensor_is_in_memory_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("chunked"), folder.path().join("model.safetensors"));
    fs::create_dir(&from).unwrap();
    chunked(&from);
    let load = || LoadOptions::new().load_state_dict(&from).unwrap();
    assert_eq!((load().len(), load()["w3"].shape()), (TENSORS, &[SIDE, SIDE][..]));

    // The file's buffer is 1 MiB as well.
    let allowed = BYTES * 5 / 2;
    let put_together = peak(|| Writer::new().save(load(), &to).unwrap());
    assert!((BYTES..allowed).contains(&put_together), "{put_together} bytes for tensors of {BYTES}");

    let turn = |(name, tensor): (String, Tensor)| (name, tensor.transpose(0, 1).unwrap());
    let written = || LoadOptions::new().load_state_dict(&to).unwrap();
    let turned = peak(|| Writer::new().write(written().into_iter().map(turn), std::io::sink()).unwrap());
    assert!((BYTES..allowed).contains(&turned), "{turned} bytes for tensors of {BYTES}");

    let as_stored = peak(|| Writer::new().ties(Ties::Clone).write(written(), std::io::sink()).unwrap());
    assert!(as_stored < BYTES / 4, "{as_stored} bytes for tensors that lie in the file as they are written");
}
