//! What the central directory and the end records say, honestly and not.

use super::*;

#[test]
fn case_008_bytes_behind_and_before_the_archive() {
    let with_trailing = |count: usize| {
        let mut builder = sample();
        builder.trailing = vec![0x5a; count];
        builder
    };
    assert_sample(&opened(&with_trailing(1024)));
    assert_sample(&opened(&with_trailing(65_535)));
    assert_refused(&with_trailing(70_000), ErrorKind::Malformed, &["central directory is missing", "64 KiB"]);

    let mut leading = sample();
    leading.leading = b"0123456789".to_vec();
    assert_refused(&leading, ErrorKind::Malformed, &["in front of the archive"]);
    leading.zip64_end = false;
    assert_refused(&leading, ErrorKind::Malformed, &["in front of the archive"]);
}

#[test]
fn case_009_truncated() {
    let mut bytes = torch_archive(PICKLE, &STORAGES);
    bytes.truncate(bytes.len() - 30);
    let error = open(bytes).map(|_| ()).unwrap_err();
    assert_error(&error, ErrorKind::Malformed, &["central directory is missing", "truncated"]);
}

/// The `zip` crate's default mode guesses wrong here: 46 + 21 + 9 bytes are as long as the zip64 end records.
#[test]
fn a_stem_of_any_length_opens() {
    for len in 1..100 {
        let archive = opened(&torch_builder(&"m".repeat(len), PICKLE, &STORAGES));
        assert_sample(&archive);
    }
}

#[test]
fn a_comment_is_fine() {
    let mut builder = sample();
    builder.comment = b"with a signature PK\x05\x06 in it".to_vec();
    assert_sample(&opened(&builder));
    builder.records[0].central.comment = b"first".to_vec();
    assert_sample(&opened(&builder));
}

#[test]
fn case_016_other_methods_are_named() {
    for (method, name) in [(12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (9, "Deflate64"), (77, "method 77")] {
        let builder =
            sample().change("archive/data/0", |record| *record = record.clone().both(|h| h.method = Some(method)));
        assert_refused(&builder, ErrorKind::Unsupported, &["archive/data/0", name]);
    }
}

#[test]
fn case_020_duplicates() {
    for name in ["archive/data/0", "archive/data.pkl"] {
        let listed_twice = sample().change(name, |record| record.listed = 2);
        assert_refused(&listed_twice, ErrorKind::Malformed, &[name, "two records"]);
        let written_twice = sample().with(Entry::new(name, b"other".as_slice()));
        assert_refused(&written_twice, ErrorKind::Malformed, &[name, "two records"]);
    }
    // One name in two encodings.
    let twice = sample()
        .with(Entry::new("archive/ü", b"1".as_slice()))
        .with(Entry::new(b"archive/\x81".as_slice(), b"2".as_slice()).both(|h| h.flags = Some(8)));
    assert_refused(&twice, ErrorKind::Malformed, &["archive/ü", "two records"]);
}

#[test]
fn case_021_overlaps() {
    let aliased = sample().change("archive/data/2", |record| {
        record.central.offset = Some(0);
    });
    assert_refused(&aliased, ErrorKind::Malformed, &["overlap"]);

    let longer = |record: &mut Entry| {
        *record = record.clone().both(|header| (header.packed_len, header.len) = (Some(300), Some(300)));
    };
    let into_the_next = sample().change("archive/data/0", longer);
    assert_refused(&into_the_next, ErrorKind::Malformed, &["archive/data/0", "overlap", "`archive/data/1`"]);
    let into_the_directory = sample().change("archive/.data/serialization_id", longer);
    assert_refused(&into_the_directory, ErrorKind::Malformed, &["serialization_id", "overlap the central directory"]);
    let behind_the_file = sample().change("archive/data/0", |record| record.central.offset = Some(1 << 30));
    assert_refused(&behind_the_file, ErrorKind::Malformed, &["archive/data/0", "overlap the central directory"]);

    // The directory alone does not show it: the header's extra field pushes the data into the next record.
    let pushed = sample().change("archive/data/0", |record| {
        record.written = true;
        record.local.extra = Some(b"FB\x10\0ZZZZZZZZZZZZZZZZ".to_vec());
    });
    assert_sample(&opened(&pushed));
    let mut bytes = pushed.build();
    let extra = bytes.windows(20).position(|window| window == b"FB\x10\0ZZZZZZZZZZZZZZZZ").unwrap();
    let length_field = extra - "archive/data/0".len() - 2;
    bytes[length_field] = 200;
    let archive = open(bytes).unwrap();
    let id = archive.data("0").unwrap().unwrap();
    assert_error(&archive.borrow(id).unwrap_err(), ErrorKind::Malformed, &["archive/data/0", "overlap"]);
}

/// 65,536 is the first count that the classic end record cannot tell.
#[test]
fn case_032_70006_records() {
    let keys: Vec<String> = (0..70_000).map(|n| n.to_string()).collect();
    let storages: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), key.as_bytes())).collect();
    let mut builder = torch_builder("archive", PICKLE, &storages);
    builder.alignment = 0;
    let bytes = builder.build();
    assert_eq!(bytes[bytes.len() - 12..][..2], [0xff, 0xff]);
    let archive = open(bytes).unwrap();
    assert_eq!(archive.directory.len(), 70_006);
    for key in ["0", "1", "65535", "65536", "69999"] {
        let id = archive.data(key).unwrap().unwrap();
        assert_eq!(archive.borrow(id).unwrap(), Some(key.as_bytes()));
    }
    assert_eq!(archive.data("70000").unwrap(), None);
}

#[test]
fn case_031_zip64_fields_of_a_small_archive() {
    // Saturated sizes and offset, with the true ones in the extra field in the order of APPNOTE 4.5.3.
    let record = Entry::new("archive/data/9", b"0123456789".as_slice());
    let offset = opened(&sample().with(record.clone())).directory.record(RecordId(9)).unwrap().header_start;
    let extra = |fields: &[u64]| {
        let fields: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        [&[1, 0, u8::try_from(fields.len()).unwrap(), 0], fields.as_slice()].concat()
    };
    let saturated = |fields: &[u64]| {
        sample().with(record.clone().central(|header| {
            header.packed_len = Some(u32::MAX);
            header.len = Some(u32::MAX);
            header.offset = Some(u32::MAX);
            header.extra = Some(extra(fields));
        }))
    };
    let archive = opened(&saturated(&[10, 10, offset]));
    let id = archive.data("9").unwrap().unwrap();
    assert_eq!(archive.borrow(id).unwrap(), Some(b"0123456789".as_slice()));

    // The offset alone.
    let far = sample().with(record.clone().central(|header| {
        header.offset = Some(u32::MAX);
        header.extra = Some(extra(&[offset]));
    }));
    let archive = opened(&far);
    let id = archive.data("9").unwrap().unwrap();
    assert_eq!(archive.borrow(id).unwrap(), Some(b"0123456789".as_slice()));

    for forged in [[11, 11, offset + 1000], [u64::MAX, u64::MAX, offset], [10, 10, u64::MAX], [10, 11, offset]] {
        assert_eq!(open_error(&saturated(&forged)).kind(), ErrorKind::Malformed, "{forged:?}");
    }
    assert_eq!(open_error(&saturated(&[10, 10])).kind(), ErrorKind::Malformed, "a field is missing");
}

/// Writes a sparse file, so it takes no room where the file system knows holes.
#[test]
#[ignore = "writes a file of 4 GiB, if a sparse one"]
fn case_031_a_storage_of_4_gib_and_another_behind_it() {
    let path = std::env::temp_dir().join(format!("torch-checkpoint-zip64-{}.pt", std::process::id()));
    let mut builder = sample().with(Entry::of("archive/data/8", Data::Sparse(1 << 32, b"the end".to_vec())));
    builder = builder.with(Entry::new("archive/data/9", b"0123456789".as_slice()));
    let mut file = std::fs::File::create(&path).unwrap();
    builder.write_to(&mut file).unwrap();
    drop(file);
    let source = Source::open(&path, crate::source::Backing::Mapped).unwrap();
    let archive = Archive::open(source, &Limits::default(), true).unwrap();
    let big = archive.data("8").unwrap().unwrap();
    assert_eq!(archive.record_len(big), (1 << 32) + 7);
    assert!(archive.borrow(big).unwrap().unwrap().ends_with(b"\0the end"));
    let small = archive.data("9").unwrap().unwrap();
    assert_eq!(archive.borrow(small).unwrap(), Some(b"0123456789".as_slice()));
    drop(archive);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn case_033_encryption() {
    for flag in [1, 0x40, 0x2000] {
        let encrypted = sample().change("archive/data/0", |record| {
            *record = record.clone().both(|header| header.flags = Some(0x0808 | flag));
        });
        assert_refused(&encrypted, ErrorKind::Unsupported, &["archive/data/0", "encrypted"]);
    }
}

#[test]
fn end_records_that_lie() {
    let lie = |change: &dyn Fn(&mut ZipBuilder)| {
        let mut builder = sample();
        change(&mut builder);
        builder
    };
    let malformed = |change: &dyn Fn(&mut ZipBuilder), words: &[&str]| {
        assert_refused(&lie(change), ErrorKind::Malformed, words);
    };
    malformed(&|b| b.end.records = Some(2), &["contradict", "number of records"]);
    malformed(&|b| b.end.directory_len = Some(9), &["contradict", "size of the central directory"]);
    malformed(&|b| b.end.directory_start = Some(9), &["contradict", "place of the central directory"]);
    malformed(&|b| b.end.locator = Some(9), &["zip64 end record is not where"]);
    malformed(&|b| b.end.locator = Some(u64::MAX), &["zip64 end record is not where"]);
    malformed(&|b| (b.end.records64, b.end.records) = (Some(8), Some(8)), &["contradicts the archive's end record"]);
    malformed(&|b| (b.end.records64, b.end.records) = (Some(10), Some(10)), &["directory"]);
    malformed(&|b| (b.end.records64, b.end.records) = (Some(1 << 40), Some(0xffff)), &["cannot hold"]);
    malformed(&|b| (b.end.records64, b.end.records) = (Some(u64::MAX), Some(0xffff)), &["cannot hold"]);
    malformed(&|b| b.end.comment_len = Some(7), &["central directory is missing"]);
    let saturated = |b: &mut ZipBuilder| {
        (b.end.records, b.end.directory_len, b.end.directory_start) = (Some(0xffff), Some(u32::MAX), Some(u32::MAX));
    };
    assert_sample(&opened(&lie(&saturated)));
    malformed(&|b| (saturated(b), b.zip64_end = false).0, &["not where the end record says"]);
    malformed(&|b| (saturated(b), b.end.directory_start64 = Some(u64::MAX)).0, &["not where the end record says"]);
    malformed(&|b| (saturated(b), b.end.directory_len64 = Some(u64::MAX)).0, &["not where the end record says"]);

    let split = lie(&|b| (b.end.disk = Some(1), b.zip64_end = false).0);
    assert_refused(&split, ErrorKind::Unsupported, &["multi-disk"]);
    assert_refused(&ZipBuilder::new(), ErrorKind::NotACheckpoint, &["empty"]);
}

#[test]
fn an_extra_field_cannot_rename_a_record() {
    // Info-ZIP's Unicode path (APPNOTE 4.6.9): version, checksum of the name, another name.
    let name = "archive/data/0";
    let mut extra = vec![1];
    extra.extend(crc32fast::hash(name.as_bytes()).to_le_bytes());
    extra.extend(b"archive/data/7");
    let extra = [&[0x75, 0x70, u8::try_from(extra.len()).unwrap(), 0], extra.as_slice()].concat();
    let renamed = sample().change(name, |record| record.central.extra = Some(extra));
    assert_refused(&renamed, ErrorKind::Malformed, &["two names"]);
}

#[test]
fn limits_are_named() {
    let bytes = torch_archive(PICKLE, &STORAGES);
    let limits = Limits { records: 8, ..Limits::default() };
    let error = Archive::open(Source::from(bytes.clone()), &limits, false).map(|_| ()).unwrap_err();
    assert_error(&error, ErrorKind::Limit, &["9", "Limits::records"]);
    let limits = Limits { pickle_bytes: 5, ..Limits::default() };
    let archive = Archive::open(Source::from(bytes), &limits, false).unwrap();
    assert_error(&archive.data_pkl().unwrap_err(), ErrorKind::Limit, &["archive/data.pkl", "Limits::pickle_bytes"]);
}
