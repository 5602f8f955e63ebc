//! Distributed checkpoints: metadata that tell the truth, and metadata that lie.

mod refused;

use torch_checkpoint::{Checkpoint, DType, Device, ErrorKind, Format, Limits, LoadOptions, Value};

use crate::pickle_builder::*;
use crate::support::{TempFolder, fixture, says, tensor};

const MODULE: &str = "torch.distributed.checkpoint.metadata";

fn size(sizes: &[i64]) -> Code {
    reduce(global("torch", "Size"), [ints(sizes)])
}

/// Of torch 2.15, or of 2.0.
fn properties(dtype: &str, old: bool) -> Code {
    let (module, encoding) = match old {
        true => ("torch.distributed._shard.sharded_tensor.metadata", "MEM_FORMAT_ENCODING"),
        false => (MODULE, "_MEM_FORMAT_ENCODING"),
    };
    let layout = reduce(global("torch.serialization", "_get_layout"), [text("torch.strided")]);
    let mut state =
        vec![global("torch", dtype), layout, bool(false), reduce(global(module, encoding), [int(0)]), bool(false)];
    if !old {
        state.push(ints(&[1]));
    }
    object(module, "TensorProperties", tuple(state))
}

fn chunk(offsets: &[i64], sizes: &[i64]) -> Code {
    object(MODULE, "ChunkStorageMetadata", dict([("offsets", size(offsets)), ("sizes", size(sizes))]))
}

fn tensor_of(dtype: &str, shape: &[i64], chunks: &[(&[i64], &[i64])]) -> Code {
    let chunks = list(chunks.iter().map(|(offsets, sizes)| chunk(offsets, sizes)));
    let state = dict([("properties", properties(dtype, false)), ("size", size(shape)), ("chunks", chunks)]);
    object(MODULE, "TensorStorageMetadata", state)
}

fn bytes_of() -> Code {
    [global(MODULE, "BytesStorageMetadata"), vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat()
}

fn key(name: &str, offset: Option<&[i64]>) -> Code {
    let mut state = vec![("fqn", text(name)), ("index", int(0))];
    if let Some(offset) = offset {
        state.push(("offset", size(offset)));
    }
    object(MODULE, "MetadataIndex", dict(state))
}

fn info(file: &str, start: i64, len: i64) -> Code {
    let state = [("relative_path", text(file)), ("offset", int(start)), ("length", int(len))];
    object("torch.distributed.checkpoint.filesystem", "_StorageInfo", dict(state))
}

/// A folder under construction: what is saved in it one behind the other, and what the metadata say of it.
struct Builder {
    folder: TempFolder,
    files: Vec<(String, Vec<u8>)>,
    declared: Vec<(Code, Code)>,
    storage: Vec<(Code, Code)>,
    paths: Option<Vec<(Code, Code)>>,
}

impl Builder {
    fn new(name: &str) -> Self {
        let folder = TempFolder::new(&format!("distributed-{name}"));
        Self { folder, files: Vec::new(), declared: Vec::new(), storage: Vec::new(), paths: None }
    }

    /// Adds bytes to a data file; gives where they are.
    fn slice(&mut self, file: &str, bytes: &[u8]) -> (i64, i64) {
        let place = self.files.iter().position(|(name, _)| name == file).unwrap_or_else(|| {
            self.files.push((file.into(), Vec::new()));
            self.files.len() - 1
        });
        let all = &mut self.files[place].1;
        let start = all.len() as i64;
        all.extend_from_slice(bytes);
        (start, bytes.len() as i64)
    }

    /// A tensor of numbers that count up, in chunks of a file each.
    fn tensor(mut self, name: &str, shape: &[i64], chunks: &[(&str, &[i64], &[i64])]) -> Self {
        for (file, offsets, sizes) in chunks {
            let (start, len) = self.slice(file, &saved_chunk(shape, offsets, sizes));
            self.storage.push((key(name, Some(offsets)), info(file, start, len)));
        }
        let extents: Vec<(&[i64], &[i64])> = chunks.iter().map(|&(_, offsets, sizes)| (offsets, sizes)).collect();
        self.declared.push((text(name), tensor_of("float32", shape, &extents)));
        self
    }

    fn object(mut self, name: &str, file: &str, code: Code) -> Self {
        let (start, len) = self.slice(file, &torch_file(&code, &[]));
        self.storage.push((key(name, None), info(file, start, len)));
        self.declared.push((text(name), bytes_of()));
        self
    }

    fn path(mut self, name: &str, path: impl IntoIterator<Item = Code>) -> Self {
        self.paths.get_or_insert_default().push((text(name), tuple(path)));
        self
    }

    fn metadata(&self) -> Code {
        let planner = self.paths.clone().map_or_else(none, dict_of);
        let state = [
            ("state_dict_metadata", dict_of(self.declared.clone())),
            ("planner_data", planner),
            ("storage_data", dict_of(self.storage.clone())),
            ("version", text("1.0.0")),
        ];
        object(MODULE, "Metadata", dict(state))
    }

    fn write(self) -> TempFolder {
        let metadata = self.metadata();
        self.write_with(metadata)
    }

    fn write_with(self, metadata: Code) -> TempFolder {
        let folder = self.files.iter().fold(self.folder, |folder, (name, bytes)| folder.with(name, bytes));
        folder.with(".metadata", &pickle(&metadata))
    }
}

/// The part of a tensor whose elements are their own numbers in row-major order.
fn part(shape: &[i64], offsets: &[i64], sizes: &[i64]) -> Vec<f32> {
    let mut places = vec![0_i64];
    for ((&whole, &offset), &size) in shape.iter().zip(offsets).zip(sizes) {
        places = places.iter().flat_map(|place| (0..size).map(move |n| place * whole + offset + n)).collect();
    }
    places.into_iter().map(|place| place as f32).collect()
}

fn saved_chunk(shape: &[i64], offsets: &[i64], sizes: &[i64]) -> Vec<u8> {
    torch_file(&f32_tensor("0", sizes), &[("0", &f32s(&part(shape, offsets, sizes)))])
}

fn numbers(n: i64) -> Vec<f32> {
    (0..n).map(|n| n as f32).collect()
}

const ONE: &str = "__0_0.distcp";
const TWO: &str = "__1_0.distcp";

/// `[5, 3]` by rows, `[2, 4]` by columns, a whole tensor and an object.
fn two_ranks(name: &str) -> Builder {
    Builder::new(name)
        .tensor("rows", &[5, 3], &[(ONE, &[0, 0], &[3, 3]), (TWO, &[3, 0], &[2, 3])])
        .object("epoch", ONE, int(7))
        .tensor("columns", &[2, 4], &[(ONE, &[0, 0], &[2, 2]), (TWO, &[0, 2], &[2, 2])])
        .tensor("whole", &[3], &[(TWO, &[0], &[3])])
}

#[test]
fn case_108_two_ranks_are_put_together() {
    let folder = two_ranks("two").write();
    let checkpoint = folder.open().unwrap();
    assert_eq!((checkpoint.format(), checkpoint.version()), (Format::Distributed, 1));
    let names: Vec<String> = checkpoint.leaves("").unwrap().leaves.iter().map(|leaf| leaf.path.join(".")).collect();
    assert_eq!(names, ["rows", "epoch", "columns", "whole"]);
    assert_eq!(checkpoint.get("epoch").unwrap().as_i64(), Some(7));
    assert_eq!(checkpoint.root().type_name(), "dict");
    let weights = checkpoint.state_dict().unwrap();
    let rows = &weights["rows"];
    assert_eq!((rows.shape(), rows.strides(), rows.dtype()), (&[5, 3][..], &[3, 1][..], DType::Float32));
    assert_eq!((rows.location(), rows.requires_grad()), ("cpu", false));
    assert_eq!(rows.to_vec::<f32>().unwrap(), numbers(15));
    assert_eq!(rows.narrow(0, 0, 2).unwrap().as_slice::<f32>().unwrap(), numbers(6));
    assert_eq!(rows.as_slice::<f32>().unwrap(), numbers(15));
    assert_eq!(weights["columns"].to_vec::<f32>().unwrap(), numbers(8));
    // One chunk is borrowed from its file, where nothing is aligned.
    assert!(matches!(weights["whole"].bytes().unwrap(), std::borrow::Cow::Borrowed(_)));
    assert_eq!(weights["whole"].to_vec::<f32>().unwrap(), numbers(3));
    assert!(weights.tied().is_empty());
    assert!(checkpoint.verify().is_empty());
    let listed = checkpoint.leaves("").unwrap();
    assert_eq!(listed.not_walked, 0, "chunks are no tensors of their own");
    assert_eq!(checkpoint.tensors().unwrap().len(), 3);
}

#[test]
fn case_108_what_a_view_does_not_need_is_not_read() {
    let mut builder = two_ranks("part");
    // The second rank's part is damaged.
    let place = builder.files[1].1.windows(4).position(|bytes| bytes == f32s(&[9.])).unwrap();
    builder.files[1].1[place] ^= 1;
    let folder = builder.write();
    let checkpoint = LoadOptions::new().verify_checksums(true).open(&folder.0).unwrap();
    let rows = tensor(&checkpoint, "rows");
    assert_eq!(rows.narrow(0, 1, 2).unwrap().to_vec::<f32>().unwrap(), [3., 4., 5., 6., 7., 8.]);
    assert_eq!(rows.select(1, 1).unwrap().narrow(0, 0, 3).unwrap().cast::<f64>().unwrap(), [1., 4., 7.]);
    let error = rows.bytes().unwrap_err();
    says(&error, &["__1_0.distcp, bytes 0 to", "archive/data/0", "checksum"]);
    let defects = checkpoint.verify();
    assert_eq!(defects.len(), 1);
    says(&defects[0], &["__1_0.distcp", "`rows`"]);
}

#[test]
fn case_108_a_missing_data_file_is_named() {
    let error = two_ranks("missing").write().without(TWO).refused(&[TWO, "`rows`", "cannot open the file"]);
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn case_107_the_nested_object_is_rebuilt() {
    let folder = Builder::new("nested")
        .tensor("model.a", &[1], &[(ONE, &[0], &[1])])
        .object("opt.lr", ONE, float(0.5))
        .object("list.1.x", ONE, none())
        .tensor("model.b.c", &[1], &[(ONE, &[0], &[1])])
        .path("model.a", [text("model"), text("a")])
        .path("opt.lr", [text("opt"), text("lr")])
        .path("list.1.x", [text("list"), int(1), text("x")])
        .path("model.b.c", [text("model"), text("b.c")])
        .write();
    let checkpoint = folder.open().unwrap();
    let keys = |value: Value<'_>| value.entries().map(|(key, _)| key.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(checkpoint.root()), ["model", "opt", "list"]);
    assert_eq!(keys(checkpoint.get("model").unwrap()), ["a", "b.c"]);
    assert!(checkpoint.get("list.0").unwrap().is_none());
    // Listed as the metadata have them, whatever lies within what.
    let names: Vec<Vec<String>> = checkpoint.leaves("").unwrap().leaves.into_iter().map(|leaf| leaf.path).collect();
    let wanted: [&[&str]; 4] = [&["model", "a"], &["opt", "lr"], &["list", "1", "x"], &["model", "b.c"]];
    assert_eq!(names, wanted);
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["a", "b.c"]);
    let flat = LoadOptions::new().flatten().load_state_dict(&folder.0).unwrap();
    assert_eq!(flat.keys().collect::<Vec<_>>(), ["model.a", "model.b.c"]);
}

#[test]
fn paths_that_contradict_each_other_are_refused() {
    let builder = |second: Code| {
        Builder::new("conflict")
            .object("one", ONE, int(1))
            .object("two", ONE, int(2))
            .path("one", [text("a"), text("b")])
            .path("two", [text("a"), second])
    };
    builder(text("b")).write().refused(&["`two`", "taken by another entry"]);
    builder(int(0)).write().refused(&["`two`", "where others have keys"]);
    builder(float(0.)).write().refused(&["`two`", "not a tuple of keys and positions"]);
    builder(int(1 << 40)).write().refused(&["`two`", "where others have keys"]);
    Builder::new("gap")
        .object("one", ONE, int(1))
        .path("one", [text("a"), int(1 << 40)])
        .write()
        .refused(&["positions that nothing is at"]);
    // Names without a path are their own.
    let folder =
        Builder::new("no-path").object("a.b", ONE, int(1)).object("c", ONE, int(2)).path("c", [text("d")]).write();
    let checkpoint = folder.open().unwrap();
    assert_eq!(checkpoint.root().get("a.b").unwrap().as_i64(), Some(1));
    assert_eq!(checkpoint.get("d").unwrap().as_i64(), Some(2));
}

#[test]
fn case_109_metadata_of_torch_2_0() {
    let mut builder = Builder::new("old").object("epoch", ONE, int(3));
    // Chunks of older versions may be legacy streams.
    let legacy = std::fs::read(fixture("legacy/torch-2.15/root_tensor.pt")).unwrap();
    let root = LoadOptions::new().open_bytes(legacy.clone()).unwrap().root().as_tensor().unwrap().clone();
    let shape: Vec<i64> = root.shape().iter().map(|&size| size as i64).collect();
    let zeros = vec![0; shape.len()];
    let (start, len) = builder.slice(TWO, &legacy);
    builder.storage.push((key("old", Some(&zeros)), info(TWO, start, len)));
    let state = dict([
        ("properties", properties(root.dtype().name(), true)),
        ("size", size(&shape)),
        ("chunks", list([chunk(&zeros, &shape)])),
    ]);
    builder.declared.push((text("old"), object(MODULE, "TensorStorageMetadata", state)));
    let metadata = dict([
        ("state_dict_metadata", dict_of(builder.declared.clone())),
        ("planner_data", none()),
        ("storage_data", dict_of(builder.storage.clone())),
    ]);
    let folder = builder.write_with(object(MODULE, "Metadata", metadata));
    let checkpoint = folder.open().unwrap();
    assert_eq!(checkpoint.version(), 0);
    assert_eq!(tensor(&checkpoint, "old").bytes().unwrap(), root.bytes().unwrap());
    assert_eq!(checkpoint.get("epoch").unwrap().as_i64(), Some(3));
    for version in ["torch-1.13", "torch-2.0"] {
        let folder = fixture("distributed").join(version).join("sharded_tensors");
        assert!(LoadOptions::new().open(folder).unwrap().tensors().unwrap().len() > 1);
    }
}

#[test]
fn chunks_go_where_map_location_says() {
    let folder = two_ranks("devices").write();
    let open = |location: &str| LoadOptions::new().map_location(location).open(&folder.0).unwrap();
    let there: Checkpoint = open("cuda:1");
    for entry in there.tensors().unwrap() {
        assert_eq!((entry.tensor().device(), entry.tensor().location()), (&Device::Cuda(Some(1)), "cpu"));
    }
    assert_eq!(tensor(&there, "rows").to_vec::<f32>().unwrap(), numbers(15));
    let meta = tensor(&open("meta"), "rows");
    assert_eq!((meta.device(), meta.shape()), (&Device::Meta, &[5, 3][..]));
    assert_eq!(meta.bytes().unwrap_err().kind(), ErrorKind::Caller);
}

#[test]
fn every_cut_of_the_metadata_is_refused() {
    let builder = two_ranks("cuts");
    let metadata = pickle(&builder.metadata());
    let folder = builder.write();
    for len in (0..metadata.len()).step_by(3) {
        std::fs::write(folder.0.join(".metadata"), &metadata[..len]).unwrap();
        let error = folder.open().unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    // A changed byte is an error, or another checkpoint, never a crash.
    for place in (0..metadata.len()).step_by(2) {
        for byte in [0xff, metadata[place] ^ 1] {
            let mut changed = metadata.clone();
            changed[place] = byte;
            std::fs::write(folder.0.join(".metadata"), &changed).unwrap();
            if let Ok(checkpoint) = folder.open() {
                for entry in checkpoint.tensors().unwrap_or_default() {
                    let _ = entry.tensor().bytes();
                }
            }
        }
    }
}

#[test]
fn many_chunks_take_little_time() {
    let shape = [2_000_i64, 2];
    let offsets: Vec<[i64; 2]> = (0..2_000).map(|row| [row, 0]).collect();
    let chunks: Vec<(&str, &[i64], &[i64])> =
        offsets.iter().map(|offset| (if offset[0] % 2 == 0 { ONE } else { TWO }, &offset[..], &[1, 2][..])).collect();
    let folder = Builder::new("many").tensor("w", &shape, &chunks).write();
    let start = std::time::Instant::now();
    let checkpoint = folder.open().unwrap();
    assert_eq!(tensor(&checkpoint, "w").to_vec::<f32>().unwrap(), numbers(4_000));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
#[cfg(feature = "safetensors")]
fn case_110_safetensors_of_several_ranks_are_put_together() {
    let file = |info: &str, tensors: &[(&str, &[i64], &[f32])]| {
        let mut at = 0;
        let mut members =
            vec![format!(r#""__metadata__":{{"format":"pt","DCP_VERSION":"1.0","DCP_SHARDING_INFO":{info:?}}}"#)];
        let mut data = Vec::new();
        for (name, shape, values) in tensors {
            let end = at + values.len() * 4;
            members.push(format!(r#"{name:?}:{{"dtype":"F32","shape":{shape:?},"data_offsets":[{at},{end}]}}"#));
            data.extend(f32s(values));
            at = end;
        }
        let header = format!("{{{}}}", members.join(","));
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
    };
    let one = file(
        r#"{"w": {"saved_offsets": [0, 0]}, "b": {"saved_offsets": [0]}}"#,
        &[("w", &[1, 2], &[0., 1.]), ("b", &[1], &[9.])],
    );
    let two = |info: &str| file(info, &[("w", &[2, 2], &[2., 3., 4., 5.])]);
    let names = ["shard-00001-model-00001-of-00001.safetensors", "shard-00002-model-00001-of-00001.safetensors"];
    let folder = |second: &[u8]| TempFolder::new("distributed-ranks").with(names[0], &one).with(names[1], second);
    let weights = LoadOptions::new().load_state_dict(&folder(&two(r#"{"w": {"saved_offsets": [1, 0]}}"#)).0).unwrap();
    assert_eq!(weights.checkpoint().format(), Format::Distributed);
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["w", "b"]);
    assert_eq!(weights["w"].shape(), [3, 2]);
    assert_eq!(weights["w"].to_vec::<f32>().unwrap(), numbers(6));
    assert_eq!(weights["b"].to_vec::<f32>().unwrap(), [9.]);
    for (info, word) in [
        (r#"{"w": {"saved_offsets": [2, 0]}}"#, "6 of the 8 elements"),
        (r#"{"w": {"saved_offsets": [0, 0]}}"#, "overlap"),
        (r#"{"w": {"saved_offsets": [1]}}"#, "does not suit its shape"),
        (r#"{"w": {"saved_offsets": [18446744073709551615, 0]}}"#, "does not suit its shape"),
        (r#"{"w": {"saved_offsets": [-1, 0]}}"#, "-1"),
        (r#"{"v": {"saved_offsets": [1, 0]}}"#, "does not say where it begins"),
        (r#"{"w": {"saved_offsets": [1, 0]}, "v": {"saved_offsets": []}}"#, "the file does not"),
        (r#"{"w": {"saved_offsets": [1, 0]}, "w": {"saved_offsets": [1, 0]}}"#, "twice"),
        ("[", "JSON"),
    ] {
        folder(&two(info)).refused(&[word]);
    }
    let plain = r#"{"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let plain = [&(plain.len() as u64).to_le_bytes(), plain.as_bytes(), &[1]].concat();
    folder(&plain).refused(&["DCP_SHARDING_INFO", "does not"]);
}
