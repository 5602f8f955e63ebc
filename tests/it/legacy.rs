//! Legacy streams, tar files, plain pickles and compressed files (cases 2 to 7, 13, 37 to 43).

use torch_checkpoint::{ErrorKind, Format, LoadOptions};

use crate::legacy_builder::{LegacyBuilder, facts, keys};
use crate::pickle_builder::*;
use crate::support::{TempFile, fixture, open, refusal, says, tensor};

/// One float32 tensor `w` of four elements, in storage `7`.
fn sample() -> LegacyBuilder {
    LegacyBuilder::new(&dict([("w", f32_tensor("7", &[2, 2]))]), &[("7", &f32s(&VALUES))])
}

const VALUES: [f32; 4] = [1.0, -2.0, 3.5, 0.25];

#[test]
fn case_002_a_stream_is_what_the_archive_is() {
    let code = dict([("a", f32_tensor("10", &[2])), ("b", f32_tensor("9", &[1])), ("e", f32_tensor("8", &[0]))]);
    let storages: [(&str, &[u8]); 3] = [("9", &f32s(&[9.0])), ("8", &[]), ("10", &f32s(&[10.0, 11.0]))];
    let stream = open(LegacyBuilder::new(&code, &storages).build());
    assert_eq!((stream.format(), stream.version()), (Format::Legacy, 1001));
    // Sorted as text: `10` stands before `8` and `9`.
    assert_eq!(tensor(&stream, "a").to_vec::<f32>().unwrap(), [10.0, 11.0]);
    assert_eq!(tensor(&stream, "b").to_vec::<f32>().unwrap(), [9.0]);
    assert_eq!(tensor(&stream, "e").shape(), [0]);
    let archive = open(torch_file(&code, &storages));
    assert_eq!(archive.format(), Format::Zip);
    for name in ["a", "b", "e"] {
        assert_eq!(tensor(&archive, name).bytes().unwrap(), tensor(&stream, name).bytes().unwrap());
    }
}

#[test]
fn case_003_every_protocol() {
    for protocol in 0..=5 {
        let path = fixture(&format!("legacy/torch-2.15/protocol_{protocol}.pt"));
        let bytes = std::fs::read(&path).unwrap();
        if protocol >= 4 {
            assert_eq!(bytes[..3], [0x80, protocol, 0x95], "a frame comes first");
        }
        assert_eq!(LoadOptions::new().open(&path).unwrap().format(), Format::Legacy);
    }
}

/// The mark of a zip archive's end in the data changes nothing.
#[test]
fn case_005_data_that_looks_like_a_zip_archive() {
    let data = [*b"PK\x05\x06", [0; 4], *b"PK\x03\x04", [0; 4], [0; 4], [0; 4]].concat();
    let code = dict([("w", f32_tensor("7", &[6]))]);
    let checkpoint = open(LegacyBuilder::new(&code, &[("7", &data)]).build());
    assert_eq!(checkpoint.format(), Format::Legacy);
    assert_eq!(&*tensor(&checkpoint, "w").bytes().unwrap(), data);
}

#[test]
fn case_007_several_saves_in_one_file() {
    let first = sample().build();
    let second = LegacyBuilder::new(&dict([("v", f32_tensor("0", &[1]))]), &[("0", &f32s(&[5.0]))]).build();
    let file = [b"something in front".as_slice(), &first, &second, b"and behind"].concat();
    let at = |offset: usize| LoadOptions::new().offset(offset as u64).open_bytes(file.clone());
    let one = at(18).unwrap();
    assert_eq!(tensor(&one, "w").to_vec::<f32>().unwrap(), VALUES);
    assert_eq!(one.consumed(), first.len() as u64);
    let two = at(18 + first.len()).unwrap();
    assert_eq!(tensor(&two, "v").to_vec::<f32>().unwrap(), [5.0]);
    assert_eq!(two.consumed(), second.len() as u64);
    let error = at(file.len() + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["offset", "behind the end"]);
    // From a path, and from a reader that stands there already.
    let path = TempFile::with("several_saves", &file);
    let mapped = LoadOptions::new().offset(18).open(&path.0).unwrap();
    assert_eq!(tensor(&mapped, "w").to_vec::<f32>().unwrap(), VALUES);
    let read = LoadOptions::new().open_reader(&file[18..]).unwrap();
    assert_eq!(read.consumed(), first.len() as u64);
    // An archive behind something else.
    let archive = torch_file(&dict([("w", f32_tensor("0", &[1]))]), &[("0", &f32s(&[2.5]))]);
    let behind = [&first[..], &archive].concat();
    let last = LoadOptions::new().offset(first.len() as u64).open_bytes(behind).unwrap();
    assert_eq!(tensor(&last, "w").to_vec::<f32>().unwrap(), [2.5]);
    assert_eq!(last.consumed(), archive.len() as u64);
}

/// A storage id with a view: `(view_key, offset, view_numel)`.
fn view_of_root(key: &str, offset: i64, numel: i64) -> StorageId {
    let view = tuple([text(key), int(offset), int(numel)]);
    StorageId { more: vec![view], ..StorageId::new("FloatStorage", "root", 3) }
}

/// A stream whose ids have their sixth item already.
fn with_views(views: &[(&'static str, StorageId, &[i64])]) -> LegacyBuilder {
    let calls = views.iter().map(|(name, id, size)| (*name, TensorCall::new(id, size).code()));
    let code = dict(calls);
    let blob = f32s(&[1.0, 2.0, 3.0]);
    let mut stream = LegacyBuilder::new(&code, &[("root", &blob)]);
    stream.object = pickle(&code);
    stream
}

#[test]
fn case_037_two_views_of_one_root_are_two_storages() {
    let views = [
        ("a", view_of_root("first", 0, 1), &[1_i64][..]),
        ("b", view_of_root("second", 1, 1), &[1]),
        ("again", view_of_root("second", 1, 1), &[1]),
    ];
    let checkpoint = open(with_views(&views).build());
    let [a, b, again] = ["a", "b", "again"].map(|name| tensor(&checkpoint, name));
    assert_eq!((a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap()), (vec![1.0], vec![2.0]));
    assert_ne!(a.storage(), b.storage());
    assert_eq!(b.storage(), again.storage(), "one key, one storage");
    assert_eq!((a.storage().key(), a.storage().nbytes()), ("first", 4));
    let (first, second) = (a.bytes().unwrap(), b.bytes().unwrap());
    assert_eq!(second.as_ptr() as usize - first.as_ptr() as usize, 4, "one memory");
}

#[test]
fn case_037_views_beyond_their_root_are_refused() {
    for (offset, numel) in [(0, 4), (3, 1), (1, 3), (-1, 1), (0, -1), (i64::MAX, 1), (1, i64::MAX), (1 << 62, 1 << 62)]
    {
        let views = [("w", view_of_root("view", offset, numel), &[1_i64][..])];
        let error = refusal(with_views(&views).build());
        assert_eq!((error.kind(), error.tensor()), (ErrorKind::Malformed, Some("w")), "{error}");
    }
    // The same key for another range.
    let views = [("a", view_of_root("view", 0, 1), &[1_i64][..]), ("b", view_of_root("view", 0, 2), &[2])];
    says(&refusal(with_views(&views).build()), &["`view`", "8 bytes here and 4 bytes before", "`b`"]);
    let odd = StorageId { more: vec![text("x")], ..StorageId::new("FloatStorage", "root", 3) };
    says(&refusal(with_views(&[("w", odd, &[3])]).build()), &["view_metadata", "str", "`w`"]);
}

#[test]
fn case_038_sizes_in_front_of_the_data() {
    for count in [3, 5, 0, -1, i64::MAX, i64::MIN, 1 << 61] {
        let mut stream = sample();
        stream.blobs[0].0 = count;
        let error = refusal(stream.build());
        assert_eq!((error.kind(), error.tensor()), (ErrorKind::Malformed, Some("w")), "{error}");
        says(&error, &["`7`", &count.to_string(), "4 (16 bytes)"]);
    }
    let whole = sample().build();
    for len in whole.len() - 24..whole.len() {
        says(&refusal(whole[..len].to_vec()), &["storage `7`", "truncated", "tensor `w`"]);
    }
    let mut trailing = sample();
    trailing.trailing = b"anything".to_vec();
    assert_eq!(open(trailing.build()).consumed(), whole.len() as u64);
}

#[test]
fn case_039_other_magic_numbers_and_versions() {
    let mut stream = sample();
    stream.magic = pickle(&long(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    let magic = refusal(stream.build());
    says(&magic, &["magic number is wrong"]);
    let mut stream = sample();
    stream.version = pickle(&int(1000));
    let version = refusal(stream.build());
    assert_eq!((magic.kind(), version.kind()), (ErrorKind::Malformed, ErrorKind::Unsupported));
    says(&version, &["protocol version 1000", "1001"]);
    let mut stream = sample();
    stream.version = pickle(&text("1001"));
    says(&refusal(stream.build()), &["protocol version str"]);
}

#[test]
fn case_040_the_list_of_keys() {
    let with_keys = |list: Vec<u8>| {
        let mut stream = sample();
        stream.keys = list;
        refusal(stream.build())
    };
    says(&with_keys(keys(["7", "8"])), &["`8` is listed, but the object does not refer to it"]);
    says(&with_keys(keys(["7", "7"])), &["`7` is listed twice"]);
    says(&with_keys(keys([])), &["refers to storage `7`", "lacks", "tensor `w`"]);
    says(&with_keys(pickle(&none())), &["None where the list of keys should be"]);
    says(&with_keys(pickle(&list([int(7)]))), &["int where a storage's key should be"]);
}

/// Byte order in the third pickle is that of the writer's machine; the data are little endian all the same.
#[test]
fn facts_about_the_writer_change_nothing() {
    for other in [facts(false, ""), pickle(&none()), pickle(&dict([]))] {
        let mut stream = sample();
        stream.facts = other;
        assert_eq!(tensor(&open(stream.build()), "w").to_vec::<f32>().unwrap(), VALUES);
    }
}

#[test]
fn case_041_classes_by_persistent_ids() {
    let class = global("__main__", "Net");
    let with_source = persistent(tuple([text("module"), class.clone(), text("net.py"), text("class Net: pass")]));
    let without = persistent(tuple([text("module"), class.clone(), none(), none()]));
    for class in [with_source, without] {
        let parameters = dict([("w", parameter(f32_tensor("7", &[2, 2]), true))]);
        let state = dict([("_parameters", parameters), ("_buffers", dict([])), ("_modules", dict([]))]);
        let module = build([class, vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat(), state);
        let checkpoint = open(LegacyBuilder::new(&module, &[("7", &f32s(&VALUES))]).build());
        assert_eq!(checkpoint.root().type_name(), "__main__.Net");
        let weights = checkpoint.state_dict().unwrap();
        assert_eq!(weights.keys().collect::<Vec<_>>(), ["w"]);
        assert!(weights["w"].is_parameter());
    }
    let no_class = persistent(tuple([text("module"), text("Net"), none(), none()]));
    let error = refusal(LegacyBuilder::new(&list([no_class]), &[]).build());
    says(&error, &["(BINPERSID)", "a str in place of its class"]);
    // An archive has no such ids.
    let in_archive = list([persistent(tuple([text("module"), class, none(), none()]))]);
    says(&refusal(torch_file(&in_archive, &[])), &["4 items"]);
}

/// torch 2.15 writes these and cannot read them back.
#[test]
fn case_042_dtypes_without_a_storage_class() {
    let checkpoint = LoadOptions::new().open(fixture("legacy/torch-2.15/untyped_dtypes.pt")).unwrap();
    let floats = checkpoint.tensors().unwrap();
    assert!(floats.iter().any(|entry| entry.tensor().dtype().name() == "float8_e4m3fn"));
    let call = TensorCall::new(&StorageId::untyped("0", 4), &[4]).dtype("float8_e5m2");
    let w = open(LegacyBuilder::new(&dict([("w", call.code())]), &[("0", &[0x3c, 0xbc, 0x40, 0x7c])]).build());
    assert_eq!(tensor(&w, "w").cast::<f32>().unwrap(), [1.0, -1.0, 2.0, f32::INFINITY]);
}

#[test]
fn case_043_byte_strings_of_python_2() {
    let root = list([py2_string("Grüße".as_bytes()), py2_string(b"\xff\x00data"), text("ü")]);
    let checkpoint = open(LegacyBuilder::new(&root, &[]).build());
    let items: Vec<_> = checkpoint.root().iter().collect();
    assert_eq!(items[0].to_text().unwrap(), "Grüße");
    assert_eq!(&*items[1].as_bytes().unwrap(), b"\xff\x00data", "what is no text stays bytes");
    assert_eq!(items[2].as_str(), Some("ü"));
}

/// Every place where a stream can end early gives an error that says so.
#[test]
fn truncated_streams_are_said_to_be_damaged() {
    let whole = sample().build();
    for len in 15..whole.len() {
        let error = refusal(whole[..len].to_vec());
        assert_eq!(error.kind(), ErrorKind::Malformed, "{len}: {error}");
    }
}

/// A number that needs memory of its own is checked against what there is first.
#[test]
fn absurd_numbers_of_elements_allocate_nothing() {
    let id = StorageId::new("DoubleStorage", "0", 1 << 60);
    let stream = LegacyBuilder::new(&dict([("w", TensorCall::new(&id, &[1]).code())]), &[("0", &[0; 8])]);
    says(&refusal(stream.build()), &["cannot be", "`w`"]);
    let id = StorageId::new("DoubleStorage", "0", 1 << 40);
    let mut stream = LegacyBuilder::new(&dict([("w", TensorCall::new(&id, &[1]).code())]), &[("0", &[0; 8])]);
    stream.blobs[0].0 = 1 << 40;
    says(&refusal(stream.build()), &["truncated", "`w`"]);
}

/// A download that was interrupted after its space had been reserved.
#[test]
fn zero_filled_ends_are_named() {
    let mut stream = sample().build();
    let len = stream.len();
    stream[len - 24..].fill(0);
    says(&refusal(stream), &["only zeros from storage `7` on", "tensor `w`"]);
    let code = dict([("w", f32_tensor("0", &[400]))]);
    let mut archive = torch_file(&code, &[("0", &[1; 1600])]);
    let len = archive.len();
    archive[len - 1400..].fill(0);
    says(&refusal(archive), &["ends in zeros", "interrupted"]);
}
