//! Zip archives cut and damaged at every byte, their pickles also under a right checksum; noise.

use std::io::Read;

use super::{damaged, survives};
use crate::support::fixture;
use crate::zip_builder::{Record, ZipBuilder, torch_archive};

/// Small files that together have most of what a pickle can hold.
const FIXTURES: [&str; 6] = [
    "zip/torch-2.15/views.pt",
    "zip/torch-2.15/conj_neg.pt",
    "rewritten/big_endian_no_storage_class.pt",
    "torchscript/torch-2.15/enums.pt",
    "package/torch-2.15/torchscript_inside.pt",
    "export/torch-2.15/subclass.pt2",
];

/// Every place of the first and last kilobyte, and every seventh between.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |place| *place < 1024 || place + 1024 > len || place % 7 == 0)
}

#[test]
fn case_111_truncated_anywhere() {
    for name in FIXTURES {
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert!(survives(|| name.into(), bytes.clone(), true), "{name}");
        for len in 0..bytes.len() {
            let loaded = survives(|| format!("{name} cut to {len}"), bytes[..len].to_vec(), false);
            assert!(!loaded, "{name} cut to {len} bytes of {} loads", bytes.len());
        }
    }
}

#[test]
fn case_111_any_byte_damaged() {
    for name in FIXTURES {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for place in places(bytes.len()) {
            for (n, copy) in damaged(&bytes, place).enumerate() {
                survives(|| format!("{name} at {place}, damage {n}"), copy, n % 2 == 0);
            }
        }
    }
}

/// Every record of a file, as the `zip` crate reads it.
fn all_records(path: &str) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(std::fs::read(fixture(path)).unwrap())).unwrap();
    let mut records = Vec::new();
    for index in 0..archive.len() {
        let mut record = archive.by_index(index).unwrap();
        let name = record.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        record.read_to_end(&mut bytes).unwrap();
        records.push((name, bytes));
    }
    records
}

/// The pickle and the storages of a file.
fn records(path: &str) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let (mut pickle, mut storages) = (Vec::new(), Vec::new());
    for (name, bytes) in all_records(path) {
        match name.split_once('/').unwrap().1 {
            "data.pkl" => pickle = bytes,
            other => {
                if let Some(key) = other.strip_prefix("data/") {
                    storages.push((key.to_owned(), bytes));
                }
            }
        }
    }
    (pickle, storages)
}

/// Damage under a right checksum, which forgers write too: it reaches the pickle machine.
#[test]
fn case_111_any_byte_of_the_pickle_forged() {
    for name in [
        "zip/torch-2.15/views.pt",
        "zip/torch-2.15/conj_neg.pt",
        "zip/torch-2.15/parameters.pt",
        "zip/torch-2.15/containers.pt",
        "zip/torch-2.15/recursive.pt",
        "zip/torch-2.15/protocol_4.pt",
    ] {
        let (pickle, storages) = records(name);
        let storages: Vec<(&str, &[u8])> = storages.iter().map(|(key, data)| (&**key, data.as_slice())).collect();
        assert!(survives(|| name.into(), torch_archive(&pickle, &storages), true), "{name}");
        for place in 0..pickle.len() {
            for (n, copy) in damaged(&pickle, place).enumerate() {
                survives(|| format!("{name}: pickle at {place}, damage {n}"), torch_archive(&copy, &storages), false);
            }
            if place % 3 == 0 {
                let cut = &pickle[..place];
                let loaded =
                    survives(|| format!("{name}: pickle cut to {place}"), torch_archive(cut, &storages), false);
                assert!(!loaded, "{name}: a pickle cut to {place} bytes loads");
            }
        }
    }
}

/// The same with the pickles and the JSON of programs.
#[test]
fn case_111_any_byte_of_a_program_forged() {
    for (name, ending) in [
        ("torchscript/torch-2.15/attributes.pt", "data.pkl"),
        ("torchscript/torch-2.15/frozen.pt", "constants.pkl"),
        ("package/torch-2.15/torchscript_inside.pt", ".pkl"),
        ("export/torch-2.15/subclass.pt2", "_config.json"),
    ] {
        let records = all_records(name);
        let with = |forged: usize, bytes: &[u8]| {
            let mut builder = ZipBuilder::new();
            for (n, (name, own)) in records.iter().enumerate() {
                builder = builder.with(Record::new(&**name, if n == forged { bytes } else { own }));
            }
            builder.build()
        };
        assert!(survives(|| name.into(), with(usize::MAX, &[]), true), "{name}");
        for (n, (record, bytes)) in records.iter().enumerate().filter(|(_, (record, _))| record.ends_with(ending)) {
            for place in 0..bytes.len() {
                for (kind, copy) in damaged(bytes, place).enumerate() {
                    survives(|| format!("{name}: {record} at {place}, damage {kind}"), with(n, &copy), false);
                }
            }
        }
    }
}

/// Deflated records damaged: the inflater and its bounds.
#[test]
fn case_111_any_byte_of_a_deflated_file_damaged() {
    let (pickle, storages) = records("zip/torch-2.15/views.pt");
    let mut builder =
        ZipBuilder::new().plain().with(Record::new("a/data.pkl", pickle)).with(Record::new("a/version", "3"));
    for (key, data) in storages {
        builder = builder.with(Record::new(format!("a/data/{key}"), data));
    }
    let bytes = builder.change_all(|record| record.deflate = true).build();
    assert!(survives(String::new, bytes.clone(), true));
    for place in 0..bytes.len() {
        for (n, copy) in damaged(&bytes, place).enumerate() {
            survives(|| format!("deflated at {place}, damage {n}"), copy, n % 2 == 0);
        }
    }
}

#[test]
fn bytes_that_are_no_file_of_ours() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for len in 0..2_000 {
        let mut bytes: Vec<u8> = (0..len % 97)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        if len % 3 == 0 {
            bytes.splice(0..0, *b"PK\x03\x04");
        }
        if len % 5 == 0 {
            bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
            bytes.resize(bytes.len() + 10, (len % 3) as u8);
        }
        assert!(!survives(|| format!("noise {len}"), bytes, false));
    }
}
