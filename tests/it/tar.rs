//! The tar files of torch before 0.1.10 (case 4).

use torch_checkpoint::{Error, ErrorKind, Format, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{open, refusal, says, tensor};
use crate::tar_builder::{TarBuilder, place};

struct Parts {
    storages: Vec<u8>,
    tensors: Vec<u8>,
    pickle: Vec<u8>,
}

impl Parts {
    /// Storage 100 of six float32, a view of three of them as 101, a matrix 200 and a column 201 over them.
    fn new() -> Self {
        let class = global("torch.cuda", "FloatStorage");
        let storages = [
            pickle(&int(1)),
            pickle(&tuple([int(100), text("cuda:0"), class])),
            6_i64.to_le_bytes().to_vec(),
            f32s(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            pickle(&list([tuple([int(101), int(100), int(2), int(3)])])),
        ];
        let float_tensor = || global("torch.cuda", "FloatTensor");
        let tensors = [
            pickle(&int(2)),
            pickle(&tuple([int(200), int(100), float_tensor()])),
            place(&[2, 3], &[3, 1], 0),
            pickle(&tuple([int(201), int(101), float_tensor()])),
            place(&[2], &[1], 1),
        ];
        let root = dict([
            ("matrix", persistent(int(200))),
            ("column", persistent(text("201"))),
            ("storage", persistent(int(101))),
            ("again", persistent(text("200"))),
            ("class", persistent(tuple([global("net", "Net"), text("net.py"), text("class Net: pass")]))),
        ]);
        Self { storages: storages.concat(), tensors: tensors.concat(), pickle: pickle(&root) }
    }

    fn build(&self) -> Vec<u8> {
        let tar = TarBuilder::default().with("storages", &self.storages).with("tensors", &self.tensors);
        tar.with("pickle", &self.pickle).build()
    }
}

#[test]
fn case_004_tensors_and_storages_share_memory() {
    let checkpoint = open(Parts::new().build());
    assert_eq!(checkpoint.format(), Format::Tar);
    assert_eq!(checkpoint.writer(), Some("torch before 0.1.10"));
    let [matrix, column, again] = ["matrix", "column", "again"].map(|name| tensor(&checkpoint, name));
    assert_eq!(matrix.shape(), [2, 3]);
    assert_eq!(matrix.to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(column.to_vec::<f32>().unwrap(), [3.0, 4.0]);
    assert_eq!((matrix.location(), matrix.storage().key()), ("cuda:0", "100"));
    assert_eq!(matrix.storage(), again.storage());
    let storage = checkpoint.root().get("storage").unwrap();
    assert_eq!(storage.as_storage(), Some(column.storage()), "one namespace");
    let (whole, part) = (matrix.bytes().unwrap(), column.bytes().unwrap());
    assert_eq!(part.as_ptr() as usize - whole.as_ptr() as usize, 12, "one memory");
    assert_eq!(checkpoint.root().get("class").unwrap().to_string(), "<net.Net>");
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["matrix", "column", "again"]);
    let cpu = LoadOptions::new().map_location([("cuda:0", "cpu")]).open_bytes(Parts::new().build()).unwrap();
    assert_eq!(tensor(&cpu, "matrix").device().to_string(), "cpu");
}

#[test]
fn case_004_members_may_be_in_any_order() {
    let Parts { storages, tensors, pickle } = Parts::new();
    let tar = TarBuilder::default().with("./pickle", &pickle).with("./tensors", &tensors);
    let tar = tar.member("./", b'5', 0, b"").with("./storages", &storages).with("notes.txt", b"hello");
    assert_eq!(tensor(&open(tar.build()), "column").to_vec::<f32>().unwrap(), [3.0, 4.0]);
}

fn refused(change: impl FnOnce(&mut Parts)) -> Error {
    let mut parts = Parts::new();
    change(&mut parts);
    let error = refusal(parts.build());
    assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Limit), "{error}");
    error
}

#[test]
fn case_004_odd_members_are_refused() {
    let Parts { storages, tensors, pickle } = Parts::new();
    let rest = || TarBuilder::default().with("tensors", &tensors).with("pickle", &pickle);
    for (kind, word) in [(b'2', "symbolic link"), (b'1', "hard link"), (b'3', "device"), (b'6', "pipe")] {
        says(&refusal(rest().member("storages", kind, 0, b"").build()), &["`storages`", word]);
        says(&refusal(rest().with("storages", &storages).member("odd", kind, 0, b"").build()), &["`odd`", word]);
    }
    says(&refusal(rest().member("storages", b'S', 0, b"").build()), &["tar file", "sparse"]);
    says(&refusal(rest().with("../storages", &storages).build()), &["lacks `storages`"]);
    says(&refusal(rest().build()), &["lacks `storages`"]);
    says(&refusal(rest().with("storages", &storages).with("storages", &storages).build()), &["twice"]);
    says(&refusal(rest().member("storages", b'0', 1 << 32, &storages).build()), &["`storages`", "truncated"]);
    let other = refusal(TarBuilder::default().with("model/weights.bin", b"x").build());
    assert_eq!(other.kind(), ErrorKind::NotACheckpoint);
    says(&other, &["`model/weights.bin`", "unpack it"]);
}

#[test]
fn case_004_promises_that_the_storages_do_not_keep() {
    let tensors = |code: Code, numbers: Vec<u8>| [pickle(&int(1)), pickle(&code), numbers].concat();
    let refused = |change: &dyn Fn(&mut Parts)| {
        refused(|parts| {
            parts.pickle = pickle(&dict([("matrix", persistent(int(200)))]));
            change(parts);
        })
    };
    let one = |storage: i64| tuple([int(200), int(storage), global("torch", "FloatTensor")]);
    for (size, stride, offset, word) in [
        (7_i64, 1_i64, 0_i64, "does not fit"),
        (1, 1, 6, "does not fit"),
        (2, -1, 1, "negative"),
        (-1, 1, 0, "negative"),
        (1 << 62, 1 << 62, 0, ""),
    ] {
        let error = refused(&|parts| parts.tensors = tensors(one(100), place(&[size], &[stride], offset)));
        says(&error, &["tensor `matrix`", word]);
    }
    says(&refused(&|parts| parts.tensors = tensors(one(7), place(&[1], &[1], 0))), &["storage `7`", "not known"]);
    says(&refused(&|parts| parts.tensors = tensors(one(200), place(&[1], &[1], 0))), &["not known"]);
    let dimensions = |n: i32| tensors(one(100), [&n.to_le_bytes()[..], &[0; 12]].concat());
    says(&refused(&|parts| parts.tensors = dimensions(-1)), &["negative number of dimensions"]);
    says(&refused(&|parts| parts.tensors = dimensions(i32::MAX)), &["Limits::dimensions"]);
    says(&refused(&|parts| parts.tensors = dimensions(9)), &["truncated"]);
    says(&refused(&|parts| parts.tensors = pickle(&int(0))), &["`200`", "neither a storage nor a tensor"]);
    says(&refused(&|parts| parts.tensors = pickle(&text("1"))), &["number of tensors"]);
    says(&refused(&|parts| parts.tensors = pickle(&int(i64::MAX))), &["truncated"]);
}

#[test]
fn case_004_damaged_storages() {
    for len in 0..Parts::new().storages.len() {
        refused(|parts| parts.storages.truncate(len));
    }
    for len in 0..Parts::new().tensors.len() {
        refused(|parts| parts.tensors.truncate(len));
    }
    for len in 0..Parts::new().pickle.len() {
        refused(|parts| parts.pickle.truncate(len));
    }
    let view = |root: i64, offset: i64, numel: i64| {
        refused(|parts| {
            let end = parts.storages.len() - pickle(&list([tuple([int(101), int(100), int(2), int(3)])])).len();
            parts.storages.truncate(end);
            parts.storages.extend(pickle(&list([tuple([int(101), int(root), int(offset), int(numel)])])));
        })
    };
    says(&view(5, 0, 1), &["storage `5` is not known"]);
    for (offset, numel) in [(0, 7), (6, 1), (-1, 1), (0, -1), (i64::MAX, 1), (1, i64::MAX)] {
        view(100, offset, numel);
    }
    let storage = |count: i64, class: Code| {
        refused(|parts| {
            let id = pickle(&tuple([int(100), text("cpu"), class]));
            parts.storages =
                [pickle(&int(1)), id, count.to_le_bytes().to_vec(), f32s(&[1.0]), pickle(&list([none()]))].concat();
        })
    };
    says(&storage(100, global("torch", "FloatStorage")), &["truncated"]);
    says(&storage(-1, global("torch", "FloatStorage")), &["-1 elements"]);
    says(&storage(i64::MAX, global("torch", "FloatStorage")), &["elements"]);
    says(&storage(1, global("os", "system")), &["os.system", "not a storage class"]);
    says(&storage(1, global("torch", "FloatStorage")), &["list of views"]);
}
