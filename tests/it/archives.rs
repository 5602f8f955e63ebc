//! Zip archives (cases 14 to 36) through the loader. The directory's own lies are tested beside the reader.
//!
//! * 25 and 26 are also fixtures of torch's own (`skip_data.pt`, `storage_alignment_4096.pt`).
//! * 29: there is no way to declare an unmarked archive big-endian; unmarked is little-endian, as torch writes it.

use std::io::{BufWriter, Write};

use torch_checkpoint::{Backing, Checkpoint, Error, ErrorKind, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{TempFile, fixture, open, refusal, says, tensor};
use crate::zip_builder::{Data, ENCRYPTED, FLAGS, Header, Record, ZipBuilder, torch_builder};

const VALUES: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

/// `{"a": arange(6), "b": ones(2)}` under a root.
fn two_tensors(root: &str) -> ZipBuilder {
    let code = dict([("a", f32_tensor("0", &[2, 3])), ("b", f32_tensor("1", &[2]))]);
    torch_builder(root, &pickle(&code), &[("0", &f32s(&VALUES)), ("1", &f32s(&[1.0, 1.0]))])
}

fn archive() -> ZipBuilder {
    two_tensors("archive")
}

/// Opens and reads everything.
fn load(archive: &ZipBuilder) -> Result<Checkpoint, Error> {
    let checkpoint = LoadOptions::new().open_bytes(archive.build())?;
    checkpoint.tensors()?.iter().try_for_each(|entry| entry.tensor().bytes().map(drop))?;
    Ok(checkpoint)
}

#[track_caller]
fn loads(archive: &ZipBuilder) {
    let checkpoint = load(archive).unwrap_or_else(|error| panic!("refused: {error}"));
    assert_eq!(tensor(&checkpoint, "a").to_vec::<f32>().unwrap(), VALUES);
    assert_eq!(tensor(&checkpoint, "b").to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

#[track_caller]
fn refuses(archive: &ZipBuilder, kind: ErrorKind, words: &[&str]) {
    let error = load(archive).expect_err("a refusal");
    says(&error, words);
    assert_eq!(error.kind(), kind, "{error}");
}

/// As torch 2.15 writes `{"a": arange(6), "e": empty(0)}`: the empty record has no data descriptor.
#[test]
fn case_001_a_tensor_and_an_empty_one() {
    let path = fixture("zip/torch-2.15/arange_and_empty.pt");
    let bytes = std::fs::read(&path).unwrap();
    let name = b"arange_and_empty/data/1";
    let header = bytes.windows(name.len()).position(|window| window == name).unwrap() - 30;
    assert_eq!((&bytes[header..header + 4], &bytes[header + 6..header + 8]), (&b"PK\x03\x04"[..], &[0, 8][..]));
    let checkpoint = LoadOptions::new().open(&path).unwrap();
    let (a, e) = (tensor(&checkpoint, "a"), tensor(&checkpoint, "e"));
    assert_eq!(a.as_slice::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!((e.shape(), e.storage().key(), e.storage().nbytes()), (&[0][..], "1", 0));
    assert!(e.as_slice::<f32>().unwrap().is_empty());
}

#[test]
fn case_014_any_root_name() {
    for root in ["archive", "x", "with space", "name.with.dots.tar", "größe/下", &"r".repeat(300)] {
        loads(&two_tensors(root));
    }
}

#[test]
fn case_015_deflated_records_are_unpacked_from_a_mapping_too() {
    let deflated = archive().change_all(|record| record.deflate = true).plain();
    loads(&deflated);
    let file = TempFile::with("deflated.pt", &deflated.build());
    for backing in [Backing::Mapped, Backing::Owned] {
        let weights = LoadOptions::new().backing(backing).load_state_dict(&file.0).unwrap();
        assert_eq!(weights["a"].as_slice::<f32>().unwrap(), VALUES);
    }
}

#[test]
fn case_016_other_methods_are_named() {
    for (method, name) in [(12, "bzip2"), (14, "LZMA"), (93, "Zstandard")] {
        let archive = archive().change("archive/data/0", |record| {
            *record = record.clone().both(|header| header.method = Some(method));
        });
        let sentence = load(&archive).unwrap_err().to_string();
        assert!(sentence.to_lowercase().contains(&name.to_lowercase()), "{sentence}");
        assert!(sentence.contains("archive/data/0"), "{sentence}");
    }
}

#[test]
fn case_017_order_folders_and_mac_entries_do_not_matter() {
    let mut reversed = archive();
    reversed.reversed = true;
    loads(&reversed);
    loads(&archive().with(Record::new("archive/", "")).with(Record::new("archive/data/", "")));
    loads(&archive().with(Record::new("__MACOSX/archive/._data.pkl", "x")).with(Record::new(".DS_Store", "x")));
    let mut mac_first = archive();
    mac_first.records.insert(0, Record::new("__MACOSX/._archive", "x"));
    loads(&mac_first);
}

#[test]
fn case_018_records_at_the_top_load() {
    loads(&two_tensors(""));
}

#[test]
fn case_019_two_roots_are_refused() {
    let second = archive().with(Record::new("other/data.pkl", pickle(&none())));
    refuses(&second, ErrorKind::Malformed, &["archive/", "other/", "two checkpoints"]);
}

#[test]
fn case_020_a_record_listed_twice_is_refused() {
    for name in ["archive/data/0", "archive/data.pkl"] {
        refuses(&archive().change(name, |record| record.listed = 2), ErrorKind::Malformed, &[name]);
        let again = archive().with(Record::new(name, f32s(&[9.0; 6])));
        refuses(&again, ErrorKind::Malformed, &[name]);
    }
}

#[test]
fn case_021_overlapping_records_are_refused() {
    // `data/1` claims the place of `data/0`, local header and all.
    let bytes = archive().build();
    let place = bytes.windows(14).position(|window| window == b"archive/data/0").unwrap() - 30;
    let overlapping = archive().change("archive/data/1", |record| {
        record.written = false;
        record.central.offset = Some(u32::try_from(place).unwrap());
    });
    assert_eq!(load(&overlapping).unwrap_err().kind(), ErrorKind::Malformed);
    // The last record reaches into the directory.
    let long = archive().change("archive/.data/serialization_id", |record| {
        record.central.len = Some(400);
        record.central.packed_len = Some(400);
    });
    assert_eq!(load(&long).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn case_022_a_local_header_with_another_name_is_refused() {
    let renamed = archive().change("archive/data/0", |record| record.local.name = Some(b"archive/data/9".to_vec()));
    refuses(&renamed, ErrorKind::Malformed, &["archive/data/0"]);
    // Sizes of zero are what torch writes there.
    let sizeless = archive().change_all(|record| {
        record.local = Header { len: Some(0), packed_len: Some(0), flags: Some(FLAGS), ..Header::default() };
    });
    loads(&sizeless);
}

#[test]
fn case_023_no_checksums_recorded_load_under_verification_too() {
    let unchecked = archive().change_all(|record| *record = record.clone().both(|header| header.crc = Some(0)));
    loads(&unchecked);
    let checkpoint = LoadOptions::new().verify_checksums(true).open_bytes(unchecked.build()).unwrap();
    assert_eq!(tensor(&checkpoint, "a").to_vec::<f32>().unwrap(), VALUES);
}

#[test]
fn case_024_a_flipped_bit_is_found_when_asked() {
    let mut bytes = archive().build();
    let place = bytes.windows(24).position(|window| window == f32s(&VALUES)).unwrap();
    bytes[place + 5] ^= 1;
    let lax = open(bytes.clone());
    assert_ne!(tensor(&lax, "a").to_vec::<f32>().unwrap(), VALUES);
    let strict = LoadOptions::new().verify_checksums(true).open_bytes(bytes).unwrap();
    assert_eq!(tensor(&strict, "b").to_vec::<f32>().unwrap(), [1.0, 1.0]);
    let error = tensor(&strict, "a").bytes().unwrap_err();
    says(&error, &["archive/data/0", "checksum"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn case_024_a_flipped_bit_of_the_pickle_is_always_found() {
    let mut bytes = archive().build();
    let place = bytes.windows(2).position(|window| window == [op::PROTO, 2]).unwrap();
    bytes[place + 20] ^= 1;
    says(&refusal(bytes), &["archive/data.pkl", "checksum"]);
}

#[test]
fn case_025_skipped_data_are_zeros() {
    let skipped = archive().change("archive/data/0", |record| record.data = Data::Sparse(24, Vec::new()));
    let checkpoint = load(&skipped).unwrap();
    assert_eq!(tensor(&checkpoint, "a").to_vec::<f32>().unwrap(), [0.0; 6]);
}

#[test]
fn case_026_any_alignment_loads() {
    for alignment in [0, 1, 3, 4096] {
        let mut aligned = archive();
        aligned.alignment = alignment;
        loads(&aligned);
    }
}

#[test]
fn case_026_unaligned_elements_are_copied_not_borrowed() {
    let mut seen = 0;
    for shift in 0..4 {
        let mut unaligned = archive();
        unaligned.alignment = 0;
        unaligned.records[1].data = Data::Bytes(vec![b'1'; 1 + shift]);
        let checkpoint = load(&unaligned).unwrap();
        let a = tensor(&checkpoint, "a");
        assert_eq!(a.to_vec::<f32>().unwrap(), VALUES);
        assert_eq!(a.cast::<f64>().unwrap(), VALUES.map(f64::from));
        if let Err(error) = a.as_slice::<f32>() {
            says(&error, &["multiples of 4 bytes", "to_vec"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn case_027_versions_one_to_ten_load() {
    let version = |text: &str| archive().change("archive/version", |record| record.data = Data::Bytes(text.into()));
    for (text, number) in [("3\n", 3), ("1", 1), ("10\n", 10), ("4", 4)] {
        loads(&version(text));
        assert_eq!(load(&version(text)).unwrap().version(), number);
    }
    for text in ["0\n", "11\n", "x", "", "-3", "99999999999999999999999"] {
        let error = load(&version(text)).unwrap_err();
        says(&error, &["version"]);
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported), "{error}");
    }
    let elsewhere = archive().without("archive/version").with(Record::new("archive/.data/version", "6\n"));
    loads(&elsewhere);
    // `.data/version` counts where both are.
    let both = archive().with(Record::new("archive/.data/version", "11\n"));
    refuses(&both, ErrorKind::Unsupported, &["version 11"]);
    refuses(&archive().without("archive/version"), ErrorKind::Malformed, &["version"]);
}

#[test]
fn case_028_byte_order() {
    let order = |text: &str| archive().change("archive/byteorder", |record| record.data = Data::Bytes(text.into()));
    loads(&order("little"));
    loads(&archive().without("archive/byteorder"));
    for text in ["middle", "little\n", "", "BIG", &"big".repeat(100_000)] {
        refuses(&order(text), ErrorKind::Malformed, &["byteorder"]);
    }
    let checkpoint = load(&order("big")).unwrap();
    let swapped = VALUES.map(|value| f32::from_bits(value.to_bits().swap_bytes()));
    assert_eq!(tensor(&checkpoint, "a").to_vec::<f32>().unwrap(), swapped);
}

/// Every dtype, the storage class it is saved under (none: as bytes, through v3), and the bytes swapped together.
const DTYPES: [(&str, Option<&str>, usize, usize); 28] = [
    ("uint8", Some("ByteStorage"), 1, 1),
    ("int8", Some("CharStorage"), 1, 1),
    ("int16", Some("ShortStorage"), 2, 2),
    ("int32", Some("IntStorage"), 4, 4),
    ("int64", Some("LongStorage"), 8, 8),
    ("float16", Some("HalfStorage"), 2, 2),
    ("float32", Some("FloatStorage"), 4, 4),
    ("float64", Some("DoubleStorage"), 8, 8),
    ("complex64", Some("ComplexFloatStorage"), 8, 4),
    ("complex128", Some("ComplexDoubleStorage"), 16, 8),
    ("bool", Some("BoolStorage"), 1, 1),
    ("bfloat16", Some("BFloat16Storage"), 2, 2),
    ("complex32", None, 4, 2),
    ("bcomplex32", None, 4, 2),
    ("uint16", None, 2, 2),
    ("uint32", None, 4, 4),
    ("uint64", None, 8, 8),
    ("bits16", None, 2, 2),
    ("bits8", None, 1, 1),
    ("bits1x8", None, 1, 1),
    ("bits2x4", None, 1, 1),
    ("bits4x2", None, 1, 1),
    ("float8_e5m2", None, 1, 1),
    ("float8_e4m3fn", None, 1, 1),
    ("float8_e5m2fnuz", None, 1, 1),
    ("float8_e4m3fnuz", None, 1, 1),
    ("float8_e8m0fnu", None, 1, 1),
    ("float4_e2m1fn_x2", None, 1, 1),
];

/// A file of one row-major tensor `t` of four elements of any dtype, with its bytes in native order.
fn of_dtype(name: &str, class: Option<&str>, itemsize: usize) -> (ZipBuilder, Vec<u8>) {
    let bytes: Vec<u8> = (0..u8::try_from(4 * itemsize).unwrap()).map(|n| n.wrapping_mul(37) & 0x7f | 1).collect();
    let call = match class {
        Some(class) => TensorCall::new(&StorageId::new(class, "0", 4), &[2, 2]),
        None => TensorCall::new(&StorageId::untyped("0", i64::try_from(bytes.len()).unwrap()), &[2, 2]).dtype(name),
    };
    (torch_builder("archive", &pickle(&dict([("t", call.code())])), &[("0", &bytes)]), bytes)
}

fn swapped(mut bytes: Vec<u8>, unit: usize) -> Vec<u8> {
    bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    bytes
}

#[test]
fn case_029_both_byte_orders_of_every_dtype_are_equal() {
    for (name, class, itemsize, unit) in DTYPES {
        let (little, bytes) = of_dtype(name, class, itemsize);
        let big = little
            .clone()
            .change("archive/byteorder", |record| record.data = Data::Bytes("big".into()))
            .change("archive/data/0", |record| record.data = Data::Bytes(swapped(bytes.clone(), unit)));
        let deflated = big.clone().change_all(|record| record.deflate = true);
        let native = if cfg!(target_endian = "big") { swapped(bytes, unit) } else { bytes };
        for archive in [little, big, deflated] {
            let t = tensor(&load(&archive).unwrap(), "t");
            assert_eq!(t.dtype().name(), name);
            assert_eq!(t.bytes().unwrap(), native, "{name}");
            let mut copy = vec![0; t.nbytes()];
            t.copy_to(&mut copy).unwrap();
            assert_eq!(copy, native, "{name}");
            assert_eq!(t.detach().unwrap().bytes().unwrap(), native, "{name}");
            // The column from the swapped storage, through strides.
            let column: Vec<u8> = native.chunks(itemsize).skip(1).step_by(2).flatten().copied().collect();
            assert_eq!(t.select(1, 1).unwrap().bytes().unwrap(), column, "{name}");
        }
    }
}

/// torch leaves these unswapped, because the storage is one of bytes; the tensor's dtype tells what was written.
#[test]
fn case_030_big_endian_bytes_are_swapped_by_the_tensors_dtype() {
    let storage = StorageId::untyped("0", 8);
    let calls = [("uint16", 4_i64), ("complex32", 2), ("uint64", 1), ("uint8", 8)];
    let code = dict(calls.map(|(name, len)| (name, TensorCall::new(&storage, &[len]).dtype(name).code())));
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
    let archive = torch_builder("archive", &pickle(&code), &[("0", &bytes)])
        .change("archive/byteorder", |record| record.data = Data::Bytes("big".into()));
    let checkpoint = load(&archive).unwrap();
    assert_eq!(tensor(&checkpoint, "uint16").to_vec::<u16>().unwrap(), [0x0102, 0x0304, 0x0506, 0x0708]);
    assert_eq!(tensor(&checkpoint, "uint64").to_vec::<u64>().unwrap(), [0x0102_0304_0506_0708]);
    assert_eq!(tensor(&checkpoint, "uint8").to_vec::<u8>().unwrap(), bytes);
    let halves = tensor(&checkpoint, "complex32");
    let halves: Vec<u16> = halves.bytes().unwrap().chunks(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect();
    assert_eq!(halves, [0x0102, 0x0304, 0x0506, 0x0708]);
    assert_eq!(tensor(&checkpoint, "uint16").storage(), tensor(&checkpoint, "uint64").storage());
}

/// A hole of 4 GiB on the disk; needs a file system with sparse files.
#[test]
#[ignore = "writes a file of 4 GiB (sparse)"]
fn case_031_records_beyond_four_gibibytes() {
    const LEN: i64 = (4 << 30) + 7;
    let big = TensorCall::new(&StorageId::new("ByteStorage", "0", LEN), &[LEN]).code();
    let code = dict([("big", big), ("after", f32_tensor("1", &[2]))]);
    let archive = torch_builder("archive", &pickle(&code), &[("0", &[]), ("1", &f32s(&[1.5, -2.5]))])
        .change("archive/data/0", |record| record.data = Data::Sparse(4 << 30, b"the end".to_vec()));
    let file = TempFile::new("4gib.pt");
    let mut out = BufWriter::new(std::fs::File::create(&file.0).unwrap());
    archive.write_to(&mut out).unwrap();
    out.flush().unwrap();
    let checkpoint = LoadOptions::new().open(&file.0).unwrap();
    assert_eq!(tensor(&checkpoint, "after").as_slice::<f32>().unwrap(), [1.5, -2.5]);
    let big = tensor(&checkpoint, "big");
    assert_eq!(big.numel(), usize::try_from(LEN).unwrap());
    assert_eq!(big.narrow(0, 4 << 30, 7).unwrap().as_slice::<u8>().unwrap(), b"the end");
}

#[test]
fn case_032_seventy_thousand_records() {
    const STORAGES: usize = 70_000;
    let keys: Vec<String> = (0..STORAGES).map(|n| n.to_string()).collect();
    let data: Vec<[u8; 4]> = (0..STORAGES).map(|n| (n as f32).to_le_bytes()).collect();
    let storages: Vec<(&str, &[u8])> = keys.iter().zip(&data).map(|(key, data)| (&**key, data.as_slice())).collect();
    let code = dict(keys.iter().map(|key| (&**key, f32_tensor(key, &[1]))));
    let archive = torch_builder("archive", &pickle(&code), &storages);
    assert_eq!(archive.records.len(), 70_006);
    let weights = open(archive.build()).state_dict().unwrap();
    assert_eq!(weights.len(), STORAGES);
    for n in [0, 1, 65_535, 65_536, 69_999] {
        assert_eq!(weights[&*n.to_string()].as_slice::<f32>().unwrap(), [n as f32]);
    }
}

#[test]
fn case_033_an_encrypted_record_is_refused() {
    let encrypted = archive().change("archive/data/0", |record| {
        *record = record.clone().both(|header| header.flags = Some(FLAGS | ENCRYPTED));
    });
    refuses(&encrypted, ErrorKind::Unsupported, &["archive/data/0", "encrypted"]);
}

#[test]
fn case_034_a_record_one_byte_short_or_long_is_refused() {
    for len in [23, 25, 0] {
        let archive = archive().change("archive/data/0", |record| record.data = Data::Bytes(vec![0; len]));
        refuses(&archive, ErrorKind::Malformed, &["tensor `a`", "storage `0`", "24 bytes", &len.to_string()]);
        // Also where the data is not needed: whoever maps to `meta` learns of it, as in torch.
        let error = LoadOptions::new().map_location("meta").open_bytes(archive.build()).unwrap_err();
        says(&error, &["24 bytes"]);
    }
}

#[test]
fn case_035_a_missing_record_is_named_with_its_tensor() {
    let missing = archive().without("archive/data/1");
    refuses(&missing, ErrorKind::Malformed, &["tensor `b`", "storage `1`", "no record"]);
    let code = dict([("e", f32_tensor("5", &[0, 3]))]);
    let checkpoint = open(torch_file(&code, &[]));
    let e = tensor(&checkpoint, "e");
    assert_eq!((e.shape(), e.bytes().unwrap().len(), e.to_vec::<f32>().unwrap().len()), (&[0, 3][..], 0, 0));
}

#[test]
fn case_036_records_nobody_mentions_are_ignored() {
    loads(
        &archive()
            .with(Record::new("archive/data/77", vec![0; 1000]))
            .with(Record::new("archive/notes.txt", "hello"))
            .with(Record::new("archive/code/model.py", "import os")),
    );
}
