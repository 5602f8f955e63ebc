//! Metadata and chunks that lie.

use super::*;

#[test]
fn case_108_chunks_that_are_no_tiling_are_refused() {
    let chunks = |name: &str, chunks: &[(&str, &[i64], &[i64])]| Builder::new(name).tensor("w", &[4], chunks).write();
    chunks("overlap", &[(ONE, &[0], &[3]), (TWO, &[2], &[2])]).refused(&["`w`", "overlap", "[0]", "[2]"]);
    chunks("hole", &[(ONE, &[0], &[1]), (TWO, &[2], &[2])]).refused(&["`w`", "3 of the 4 elements", "missing"]);
    chunks("beyond", &[(ONE, &[0], &[4]), (TWO, &[4], &[1])]).refused(&["`w`", "does not lie within"]);
    chunks("none", &[]).refused(&["`w`", "0 of the 4"]);
    let folder = chunks("empty-rank", &[(ONE, &[0], &[4]), (TWO, &[4], &[0])]);
    assert_eq!(tensor(&folder.open().unwrap(), "w").to_vec::<f32>().unwrap(), numbers(4));
    Builder::new("flat").tensor("w", &[4], &[(ONE, &[0, 0], &[4, 1])]).write().refused(&["`w`", "dimensions"]);
}

#[test]
fn chunks_that_are_something_else_are_refused() {
    let with = |name: &str, declared: Code, saved: &[u8]| {
        let mut builder = Builder::new(name);
        let (start, len) = builder.slice(ONE, saved);
        builder.storage.push((key("w", Some(&[0])), info(ONE, start, len)));
        builder.declared.push((text("w"), declared));
        builder.write()
    };
    let four: (&[i64], &[i64]) = (&[0], &[4]);
    let saved = saved_chunk(&[4], &[0], &[4]);
    with("shape", tensor_of("float32", &[5], &[(&[0], &[5])]), &saved).refused(&["`w`", "shape [5]", "shape [4]"]);
    with("dtype", tensor_of("int32", &[4], &[four]), &saved).refused(&["`w`", "float32", "int32"]);
    with("nonsense", tensor_of("float33", &[4], &[four]), &saved).refused(&["`w`", "float33"]);
    with("int", tensor_of("float32", &[4], &[four]), &torch_file(&int(1), &[]))
        .refused(&["`w`", "a int, not a tensor"]);
    let opaque = torch_file(&reduce(global("my", "Tensor"), []), &[]);
    with("opaque", tensor_of("float32", &[4], &[four]), &opaque).refused(&["`w`", "a object, not a tensor"]);
    with("html", tensor_of("float32", &[4], &[four]), b"<html></html>").refused(&["`w`", ONE, "web page"]);
    with("negative", tensor_of("float32", &[-4], &[four]), &saved).refused(&["`w`", "negative number -4"]);
    // An object where a tensor is declared as such, and the other way round.
    with("bytes", bytes_of(), &saved).refused(&["`w`", "does not say where it is stored"]);
    with("class", object(MODULE, "OtherStorageMetadata", dict([])), &saved).refused(&["`w`", "`OtherStorageMetadata`"]);
}

#[test]
fn what_is_huge_is_refused_before_it_costs_anything() {
    let expanded =
        TensorCall { size: ints(&[1 << 50]), ..TensorCall::new(&StorageId::new("FloatStorage", "0", 1), &[1]) };
    let saved = torch_file(&expanded.at(0, &[0]).code(), &[("0", &f32s(&[1.]))]);
    let mut builder = Builder::new("huge");
    for (file, offset) in [(ONE, 0), (TWO, 1 << 50)] {
        let (start, len) = builder.slice(file, &saved);
        builder.storage.push((key("w", Some(&[offset])), info(file, start, len)));
    }
    let chunks: &[(&[i64], &[i64])] = &[(&[0], &[1 << 50]), (&[1 << 50], &[1 << 50])];
    builder.declared.push((text("w"), tensor_of("float32", &[1 << 51], chunks)));
    builder.write().refused(&["`w`", "would have 9007199254740992 bytes", "have 8"]);
    let huge = [i64::MAX, i64::MAX];
    let mut builder = Builder::new("overflow");
    let (start, len) = builder.slice(ONE, &saved_chunk(&[4], &[0], &[4]));
    builder.storage.push((key("w", Some(&[0, 0])), info(ONE, start, len)));
    builder.declared.push((text("w"), tensor_of("float32", &huge, &[(&[0, 0], &huge)])));
    builder.write().refused(&["`w`"]);
}

#[test]
fn slices_that_lie_are_refused() {
    let with = |name: &str, info: Code| {
        let mut builder = two_ranks(name);
        builder.storage[0].1 = info;
        builder.write()
    };
    with("past", info(ONE, 0, 1 << 40)).refused(&["`rows`", ONE, "beyond the end of the file"]);
    with("far", info(ONE, i64::MAX, i64::MAX)).refused(&["`rows`", ONE, "beyond the end"]);
    with("before", info(ONE, -1, 10)).refused(&["`rows`", "negative: -1"]);
    with("short", info(ONE, 0, 10)).refused(&["`rows`", "__0_0.distcp, bytes 0 to 10"]);
    with("none", info(ONE, 0, 0)).refused(&["`rows`", "bytes 0 to 0", "empty"]);
    let whole = two_ranks("length").files[0].1.len() as i64;
    with("overlap", info(ONE, 0, whole)).refused(&["overlap those of another part"]);
    with("text", dict([])).refused(&["`rows`", "a dict where a `_StorageInfo` should be"]);
    for (path, why) in
        [("../x", "outside"), ("/x", "absolute"), ("c:x", "drive"), ("a\\b", "backslash"), ("a\0b", "NUL")]
    {
        with("path", info(path, 0, 10)).refused(&["`rows`", "file name", why]);
    }
    // The same bytes for two chunks are one tensor; of other lengths, they are not.
    let mut builder =
        Builder::new("twice").tensor("a", &[2], &[(ONE, &[0], &[2])]).tensor("b", &[2], &[(ONE, &[0], &[2])]);
    builder.storage[1].1 = builder.storage[0].1.clone();
    let weights = LoadOptions::new().load_state_dict(&builder.write().0).unwrap();
    assert_eq!(weights.tied(), [["a", "b"]]);
}

#[test]
fn transformed_slices_are_unsupported_by_name() {
    let state = dict([
        ("relative_path", text(ONE)),
        ("offset", int(0)),
        ("length", int(10)),
        ("transform_descriptors", list([text("stream.zstd/1")])),
    ]);
    let mut builder = two_ranks("zstd");
    builder.storage[0].1 = object("torch.distributed.checkpoint.filesystem", "_StorageInfo", state);
    let error = builder.write().refused(&["`rows`", "`stream.zstd/1`"]);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn metadata_that_do_not_agree_are_refused() {
    let mut builder = two_ranks("not-stored");
    builder.storage.remove(1);
    builder.write().refused(&["`rows`", "chunk at [3, 0] is stored"]);
    let mut builder = two_ranks("not-declared");
    builder.declared.remove(0);
    builder.write().refused(&["`rows`", "`state_dict_metadata` does not know it"]);
    let mut builder = two_ranks("stored-twice");
    builder.storage.push((key("rows", Some(&[0, 0])), info(TWO, 0, 10)));
    builder.write().refused(&["`rows`", "`storage_data` has a part twice"]);
    let mut builder = two_ranks("declared-twice");
    builder.declared[0].1 = tensor_of("float32", &[5, 3], &[(&[0, 0], &[3, 3]), (&[0, 0], &[3, 3])]);
    builder.write().refused(&["`rows`", "chunk at [0, 0] twice"]);
    let metadata = |name: &str, state: Code| Builder::new(name).write_with(object(MODULE, "Metadata", state));
    metadata("nothing", dict([])).refused(&["no dict `state_dict_metadata`"]);
    metadata("nowhere", dict([("state_dict_metadata", dict([]))])).refused(&["no dict `storage_data`"]);
    Builder::new("class").write_with(list([])).refused(&[".metadata", "a list where a `Metadata` should be"]);
    Builder::new("module").write_with(object("posix", "system", dict([]))).refused(&["a `system` where"]);
    let empty = metadata("empty", dict([("state_dict_metadata", dict([])), ("storage_data", dict([]))]));
    assert!(empty.open().unwrap().tensors().unwrap().is_empty());
}

#[test]
fn limits_hold_for_distributed_checkpoints() {
    let folder = two_ranks("limits").write();
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        LoadOptions::new().limits(limits).open(&folder.0).unwrap_err()
    };
    says(&with(|limits| limits.chunks = 4), &["`Limits::chunks`"]);
    says(&with(|limits| limits.pickle_bytes = 100), &["`Limits::pickle_bytes`", ".metadata"]);
    says(&with(|limits| limits.nodes = 150), &["`Limits::nodes`"]);
    says(&with(|limits| limits.dimensions = 1), &["`Limits::dimensions`"]);
    let mut limits = Limits::default();
    limits.materialised_bytes = 59;
    let checkpoint = LoadOptions::new().limits(limits).open(&folder.0).unwrap();
    let rows = tensor(&checkpoint, "rows");
    says(&rows.bytes().unwrap_err(), &["`Limits::materialised_bytes`"]);
    assert!(rows.narrow(0, 0, 4).unwrap().bytes().is_ok());
}
