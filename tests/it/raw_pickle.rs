//! Pickles that `pickle.dump` wrote, with nested legacy streams in them, and files compressed with gzip (cases 6 and 13).

use std::io::Write as _;
use std::sync::OnceLock;

use torch_checkpoint::{ErrorKind, Format, Limits, LoadOptions};

use crate::legacy_builder::LegacyBuilder;
use crate::pickle_builder::*;
use crate::support::{TempFile, open, refusal, says, tensor};

/// BINBYTES, of any length.
fn long_bytes(value: &[u8]) -> Code {
    [&b"B"[..], &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
}

/// `_codecs.encode(text, "latin1")`, as protocol 2 writes bytes.
fn latin1_bytes(value: &[u8]) -> Code {
    let characters: String = value.iter().map(|&byte| char::from(byte)).collect();
    reduce(global("_codecs", "encode"), [text(&characters), text("latin1")])
}

fn load_from_bytes(bytes: Code) -> Code {
    reduce(global("torch.storage", "_load_from_bytes"), [bytes])
}

/// The nested stream of a storage of float32.
fn stream(values: &[f32]) -> Vec<u8> {
    let id = StorageId::new("FloatStorage", "94023", values.len() as i64).location("cuda:1");
    LegacyBuilder::new(&id.code(), &[("94023", &f32s(values))]).build()
}

/// A tensor over whatever storage the code makes.
fn over(storage: Code, size: i64) -> Code {
    TensorCall { storage, ..TensorCall::new(&StorageId::new("FloatStorage", "", 0), &[size]) }.code()
}

#[test]
fn case_013_nested_streams_are_storages() {
    for bytes in [long_bytes, latin1_bytes] {
        let shared = memo(9, load_from_bytes(bytes(&stream(&[1.0, 2.0]))));
        let root = ordered_dict([
            ("a", over(shared, 2)),
            ("b", over(get(9), 1)),
            ("c", over(load_from_bytes(bytes(&stream(&[7.0]))), 1)),
        ]);
        let checkpoint = open(pickle(&root));
        assert_eq!((checkpoint.format(), checkpoint.version()), (Format::Pickle, 2));
        let [a, b, c] = ["a", "b", "c"].map(|name| tensor(&checkpoint, name));
        assert_eq!(a.to_vec::<f32>().unwrap(), [1.0, 2.0]);
        assert_eq!(c.to_vec::<f32>().unwrap(), [7.0]);
        assert_eq!(a.storage(), b.storage(), "shared through the memo");
        assert_ne!(a.storage(), c.storage());
        assert_eq!((a.location(), a.storage().key()), ("cuda:1", "94023"));
        assert_eq!(checkpoint.state_dict().unwrap().len(), 3);
        let cpu = LoadOptions::new().map_location("cpu").open_bytes(pickle(&root)).unwrap();
        assert_eq!(tensor(&cpu, "c").device().to_string(), "cpu");
    }
}

/// A stream that lies in the file as it is gives views of the file.
#[test]
fn case_013_streams_are_borrowed_where_they_lie() {
    let values: Vec<f32> = (0..2000_u16).map(f32::from).collect();
    let root = dict([("w", over(load_from_bytes(long_bytes(&stream(&values))), 2000))]);
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes: &'static [u8] = BYTES.get_or_init(|| pickle(&root));
    let checkpoint = LoadOptions::new().open_bytes(bytes).unwrap();
    let w = tensor(&checkpoint, "w");
    let read = w.bytes().unwrap();
    assert!(bytes.as_ptr_range().contains(&read.as_ptr()), "no copy");
    assert_eq!(w.to_vec::<f32>().unwrap(), values);
    let file = TempFile::with("raw_pickle", bytes);
    let mapped = LoadOptions::new().open(&file.0).unwrap();
    assert_eq!(tensor(&mapped, "w").to_vec::<f32>().unwrap(), values);
}

/// Bytes that something else refers to as well stay.
#[test]
fn bytes_of_a_stream_that_are_a_value_too_are_kept() {
    let data = stream(&vec![3.0; 2000]);
    let root = dict([("raw", memo(5, long_bytes(&data))), ("w", over(load_from_bytes(get(5)), 2000))]);
    let checkpoint = open(pickle(&root));
    assert_eq!(&*checkpoint.root().get("raw").unwrap().as_bytes().unwrap(), data);
    assert_eq!(tensor(&checkpoint, "w").to_vec::<f32>().unwrap(), vec![3.0; 2000]);
}

/// Plain pickles within legacy streams within plain pickles: bounded.
#[test]
fn case_013_nesting_is_bounded() {
    let mut inner = stream(&[1.0]);
    for depth in 1..12 {
        let root = load_from_bytes(long_bytes(&inner));
        let opened = LoadOptions::new().open_bytes(pickle(&list([over(root.clone(), 1)])));
        match opened {
            Ok(checkpoint) => {
                assert!(depth <= 4, "{depth}");
                assert_eq!(checkpoint.tensors().unwrap().len(), 1);
            }
            Err(error) => {
                assert!(depth > 1, "{error}");
                says(&error, &["nested"]);
                return;
            }
        }
        // A storage again, by way of a stream that holds a stream.
        let mut outer = LegacyBuilder::new(&none(), &[]);
        outer.object = pickle(&root);
        inner = outer.build();
    }
    panic!("no bound");
}

#[test]
fn case_013_damaged_streams_say_where() {
    let whole = stream(&[1.0, 2.0]);
    let nested = |bytes: &[u8]| pickle(&dict([("w", over(load_from_bytes(long_bytes(bytes)), 2))]));
    for len in 0..whole.len() {
        let error = refusal(nested(&whole[..len]));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{len}: {error}");
        says(&error, &["stream at byte"]);
    }
    for odd in [none(), text("no bytes"), int(3)] {
        says(&refusal(pickle(&dict([("w", over(load_from_bytes(odd), 2))]))), &["_load_from_bytes"]);
    }
    says(
        &refusal(pickle(&dict([("w", over(reduce(global("torch.storage", "_load_from_bytes"), []), 2))]))),
        &["bytes"],
    );
}

#[test]
fn a_pickle_without_tensors_is_values() {
    let checkpoint = open(pickle(&dict([("epoch", int(3)), ("name", text("x"))])));
    assert_eq!(checkpoint.format(), Format::Pickle);
    assert_eq!(checkpoint.root().get("epoch").and_then(|epoch| epoch.as_i64()), Some(3));
    // Storages by persistent ids need a file of torch's around them.
    let id = StorageId::new("FloatStorage", "0", 1);
    says(&refusal(pickle(&list([id.code()]))), &["(BINPERSID)", "this file has none"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn case_006_gzip_is_unpacked_within_bounds() {
    let code = dict([("w", f32_tensor("0", &[2]))]);
    let storages: [(&str, &[u8]); 1] = [("0", &f32s(&[1.5, 2.5]))];
    for (file, format) in
        [(torch_file(&code, &storages), Format::Zip), (LegacyBuilder::new(&code, &storages).build(), Format::Legacy)]
    {
        let checkpoint = open(gzip(&file));
        assert_eq!(checkpoint.format(), format);
        assert_eq!(tensor(&checkpoint, "w").to_vec::<f32>().unwrap(), [1.5, 2.5]);
        assert!(LoadOptions::new().open_bytes(gzip(&gzip(&file))).is_ok(), "twice");
    }
    let packed = gzip(&torch_file(&code, &storages));
    for len in 2..packed.len() {
        let error = refusal(packed[..len].to_vec());
        assert_eq!(error.kind(), ErrorKind::Malformed, "{len}: {error}");
    }
    let mut damaged = packed.clone();
    let place = damaged.len() - 6;
    damaged[place] ^= 1;
    says(&refusal(damaged), &["gzip", "damaged"]);
    says(&refusal(gzip(b"<!DOCTYPE html><html>")), &["web page"]);
    let matryoshka = (0..9).fold(torch_file(&code, &storages), |file, _| gzip(&file));
    says(&refusal(matryoshka), &["nested"]);
}

#[test]
fn case_006_a_gzip_bomb_is_a_limit() {
    let bomb = gzip(&vec![0; 8 << 20]);
    let mut limits = Limits::default();
    limits.decompressed_bytes = 1 << 20;
    let error = LoadOptions::new().limits(limits).open_bytes(bomb).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["Limits::decompressed_bytes", "1048576"]);
}
