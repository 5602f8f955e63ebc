//! What the archive holds: roots, kinds, versions, byte orders, keys.

use super::*;

#[test]
fn an_archive_as_torch_writes_it() {
    let archive = open(torch_archive(PICKLE, &STORAGES)).unwrap();
    assert_sample(&archive);
    assert_eq!((archive.root(), archive.kind()), ("archive", ArchiveKind::TorchSave));
    assert_eq!(archive.directory.names().next(), Some("archive/data.pkl"));
    let (id, _) = archive.data_pkl().unwrap();
    assert_eq!(archive.name(id), "archive/data.pkl");
    read_all(&archive).unwrap();
}

#[test]
fn case_014_root_names() {
    for root in ["archive", "x", "with space", "name.with.dots.tar", "a/b", "модель", "data"] {
        let archive = opened(&torch_builder(root, PICKLE, &STORAGES));
        assert_eq!(archive.root(), root);
        assert_sample(&archive);
    }
}

#[test]
fn case_014_root_name_in_code_page_437() {
    // 0x81 is `ü` there, and no UTF-8.
    let mut builder = sample().plain();
    for record in &mut builder.records {
        let name = String::from_utf8(record.name.clone()).unwrap().replace("archive", "m?dchen");
        record.name = name.bytes().map(|b| if b == b'?' { 0x81 } else { b }).collect();
        *record = record.clone().both(|header| header.flags = Some(0));
    }
    let archive = opened(&builder);
    assert_eq!(archive.root(), "müdchen");
    assert_sample(&archive);
}

#[test]
fn case_017_other_orders_and_stray_entries() {
    let mut reversed = sample();
    reversed.records.reverse();
    assert_sample(&opened(&reversed));
    let mut listed_in_reverse = sample();
    listed_in_reverse.reversed = true;
    assert_sample(&opened(&listed_in_reverse));

    let stray = |name: &str| Entry::new(name, b"stray".as_slice());
    let folders =
        sample().with(Entry::new("archive/", b"".as_slice())).with(Entry::new("archive/data/", b"".as_slice()));
    assert_sample(&opened(&folders));
    let names = ["__MACOSX/archive/data.pkl", "__MACOSX/data.pkl", ".DS_Store", "archive/.DS_Store", "readme.txt"];
    for name in names {
        assert_sample(&opened(&sample().with(stray(name))));
        let mut first = sample();
        first.records.insert(0, stray(name));
        assert_sample(&opened(&first));
    }
}

#[test]
fn case_018_no_root_directory_is_tolerated() {
    let archive = opened(&torch_builder("", PICKLE, &STORAGES));
    assert_eq!(archive.root(), "");
    assert_sample(&archive);
}

#[test]
fn case_018_old_export_programs_are_recognised() {
    let export = ZipBuilder::new()
        .with(Entry::new("serialized_exported_program.json", b"{}".as_slice()))
        .with(Entry::new("version", b"7.3".as_slice()));
    assert_eq!(opened(&export).kind(), ArchiveKind::TorchExportOld);
}

#[test]
fn case_019_two_roots() {
    for other in ["other/data.pkl", "data.pkl"] {
        let two = sample().with(Entry::new(other, PICKLE));
        assert_refused(&two, ErrorKind::Malformed, &["two checkpoints", "`archive/data.pkl`", other]);
    }
    // One that lies deeper belongs to the first.
    assert_sample(&opened(&sample().with(Entry::new("archive/extra/data.pkl", PICKLE))));
}

#[test]
fn archives_of_other_kinds_say_what_they_are() {
    let holding = |names: &[&str]| {
        names.iter().fold(ZipBuilder::new(), |builder, name| builder.with(Entry::new(*name, b"x".as_slice())))
    };
    let refused = |names: &[&str], kind, words: &[&str]| assert_refused(&holding(names), kind, words);
    let is = |names: &[&str], kind| assert_eq!(opened(&holding(names)).kind(), kind, "{names:?}");
    is(&["m/data.pkl", "m/constants.pkl", "m/version"], ArchiveKind::TorchScript);
    is(&["m/.data/extern_modules", "m/.data/0.storage"], ArchiveKind::TorchPackage);
    is(&["m/model/data.pkl", "m/.data/extern_modules"], ArchiveKind::TorchPackage);
    is(&["m/archive_format", "m/models/model.json"], ArchiveKind::TorchExport);
    refused(&["m/model.json", "m/tensors/0"], ErrorKind::Unsupported, &["TorchScript", "1.0 to 1.3"]);
    refused(&["arr_0.npy", "arr_1.npy"], ErrorKind::NotACheckpoint, &["numpy"]);
    refused(&["[Content_Types].xml", "word/document.xml"], ErrorKind::NotACheckpoint, &["office"]);
    refused(&["META-INF/MANIFEST.MF", "A.class"], ErrorKind::NotACheckpoint, &["Java"]);
    refused(&["config.json", "model.weights.h5"], ErrorKind::NotACheckpoint, &["Keras"]);
    refused(&["model.pth"], ErrorKind::NotACheckpoint, &["unpack it", "`model.pth`"]);
    refused(&["a", "b", "c", "d"], ErrorKind::NotACheckpoint, &["no `data.pkl`", "`a`, `b`, `c`, …"]);
    refused(&["m\\data.pkl"], ErrorKind::Malformed, &["backslash"]);
}

#[test]
fn case_027_versions() {
    let version =
        |name: &str, text: &[u8]| opened(&sample().without("archive/version").with(Entry::new(name, text))).version();
    for (text, number) in [(&b"3\n"[..], 3), (b"3", 3), (b"10\n", 10), (b"1\r\n\0", 1)] {
        assert_eq!(version("archive/version", text).unwrap(), number);
        assert_eq!(version("archive/.data/version", text).unwrap(), number);
    }
    for text in [&b"0\n"[..], b"11\n"] {
        assert_error(&version("archive/version", text).unwrap_err(), ErrorKind::Unsupported, &["1 to 10"]);
    }
    for text in [&b"x"[..], b"", b"3x", b"-1", b"+3", b"\xff", &[b'3'; 300], b"99999999999999999999999"] {
        let error = version("archive/version", text).unwrap_err();
        assert_error(&error, ErrorKind::Malformed, &["archive/version"]);
    }
    let both = sample().with(Entry::new("archive/.data/version", b"6\n".as_slice()));
    assert_eq!(opened(&both).version().unwrap(), 6);
    let none = opened(&sample().without("archive/version")).version().unwrap_err();
    assert_error(&none, ErrorKind::Malformed, &["`version`"]);
}

/// That stored numbers are swapped is tested on whole checkpoints.
#[test]
fn case_028_byte_orders() {
    let order = |text: &[u8]| {
        opened(&sample().without("archive/byteorder").with(Entry::new("archive/byteorder", text))).byte_order()
    };
    assert_eq!(opened(&sample().without("archive/byteorder")).byte_order().unwrap(), ByteOrder::Little);
    assert_eq!(order(b"little").unwrap(), ByteOrder::Little);
    assert_eq!(order(b"big").unwrap(), ByteOrder::Big);
    for text in [&b"middle"[..], b"little\n", b"Little", b"", b"\xff\n"] {
        assert_error(&order(text).unwrap_err(), ErrorKind::Malformed, &["archive/byteorder", "neither"]);
    }
}

/// The archive gives the length; that it has to be numel times itemsize is the loader's to check.
#[test]
fn case_034_record_lengths() {
    for len in [7, 8, 9] {
        let archive = open(torch_archive(PICKLE, &[("0", &vec![1; len])])).unwrap();
        let id = archive.data("0").unwrap().unwrap();
        assert_eq!(archive.record_len(id), len as u64);
        assert_eq!(archive.record_len(id), len as u64);
    }
}

/// Whether a missing record matters depends on the storage's length, which the loader knows.
#[test]
fn case_035_missing_records() {
    let archive = opened(&sample().without("archive/data/1"));
    assert_eq!(archive.data("1").unwrap(), None);
    assert_eq!(archive.data("data.pkl").unwrap(), None);
    assert!(archive.data("0").unwrap().is_some());
}

#[test]
fn case_036_unreferenced_records_are_ignored() {
    let extra = sample().with(Entry::new("archive/data/77", b"x".as_slice())).with(Entry::new("archive/notes", PICKLE));
    assert_sample(&opened(&extra));
}

#[test]
fn case_086_storage_keys() {
    let archive = opened(&sample());
    for key in ["", ".", "..", "a/b", "a\\b", "../0", "a..b", "/0", "0\0", "a\nb", "\u{7f}"] {
        let error = archive.data(key).unwrap_err();
        assert_error(&error, ErrorKind::Malformed, &["storage key"]);
    }
    // torch 1.6.0 used addresses; anything printable may be a key.
    for key in ["94217543", "key with space", "ключ", "a.b", "-1"] {
        assert_eq!(archive.data(key).unwrap(), None, "{key}");
    }
}
