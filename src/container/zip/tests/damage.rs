//! Records whose own header, data or checksum is wrong, and files with any byte wrong.

use super::*;

#[test]
fn case_015_deflated_records() {
    let builder = sample().plain().change_all(|record| record.deflate = true);
    let archive = opened(&builder);
    assert_sample(&archive);
    let id = archive.data("0").unwrap().unwrap();
    assert_eq!(archive.borrow(id).unwrap(), None, "packed bytes must not pass for the storage");
    read_all(&archive).unwrap();
    // Half and half, with descriptors.
    let mixed = sample().change("archive/data/0", |record| record.deflate = true);
    assert_sample(&opened(&mixed));
}

#[test]
fn case_015_deflated_data_that_lie() {
    let zeros = vec![0; 100_000];
    let builder = |declared: u32| {
        sample()
            .with(Entry::new("archive/data/9", zeros.as_slice()).deflated().both(|header| header.len = Some(declared)))
    };
    let error = |declared| record_error(&builder(declared), "archive/data/9");
    assert_error(&error(99_999), ErrorKind::Malformed, &["more bytes than declared"]);
    assert_error(&error(0), ErrorKind::Malformed, &["more bytes than declared"]);
    assert_error(&error(100_001), ErrorKind::Malformed, &["fewer bytes than declared"]);
    assert_error(&error(1 << 30), ErrorKind::Malformed, &["more than its"]);

    let limits = Limits { decompressed_bytes: 99_999, ..Limits::default() };
    let archive = Archive::open(Source::from(builder(100_000).build()), &limits, false).unwrap();
    let id = archive.data("9").unwrap().unwrap();
    assert_error(&archive.produce(id).unwrap_err(), ErrorKind::Limit, &["Limits::decompressed_bytes"]);

    // Stored bytes that claim to be deflated ones.
    let packed = |bytes: &[u8]| {
        let record = Entry::new("archive/data/9", bytes).both(|header| {
            (header.method, header.len) = (Some(8), Some(3));
        });
        record_error(&sample().with(record), "archive/data/9")
    };
    let whole = crate::container::zip_builder::deflate(b"abc");
    assert_error(&packed(&whole[..whole.len() - 1]), ErrorKind::Malformed, &["cut off"]);
    assert_error(&packed(&[whole.as_slice(), b"rest"].concat()), ErrorKind::Malformed, &["ends before"]);
    assert_error(&packed(b"\xff\xff\xff"), ErrorKind::Malformed, &["damaged"]);
    // Nothing wrong but the checksum, which is that of the packed bytes here.
    assert_error(&packed(&whole), ErrorKind::Malformed, &["checksum"]);
}

#[test]
fn case_022_the_records_own_header_disagrees() {
    let lie = |change: &dyn Fn(&mut crate::container::zip_builder::Header)| {
        let builder = sample().change("archive/data/0", |record| change(&mut record.local));
        record_error(&builder, "archive/data/0")
    };
    assert_error(
        &lie(&|h| h.name = Some(b"archive/data/7".to_vec())),
        ErrorKind::Malformed,
        &["another name", "data/7"],
    );
    assert_error(&lie(&|h| h.name = Some(b"archive/data/00".to_vec())), ErrorKind::Malformed, &["another name"]);
    assert_error(&lie(&|h| h.method = Some(8)), ErrorKind::Malformed, &["compression methods"]);
    assert_error(&lie(&|h| h.flags = Some(0x0809)), ErrorKind::Malformed, &["encrypted"]);
    assert_error(&lie(&|h| h.packed_len = Some(7)), ErrorKind::Malformed, &["declares 7 bytes"]);
    assert_error(&lie(&|h| h.len = Some(9)), ErrorKind::Malformed, &["9 unpacked"]);
    // Without bit 3 there is no excuse for sizes of zero.
    assert_error(&lie(&|h| h.flags = Some(0x0800)), ErrorKind::Malformed, &["declares 0 bytes"]);

    let misplaced = sample().change("archive/data/0", |record| record.gap = vec![0; 64]).build();
    let archive = open(misplaced).unwrap();
    assert_sample(&archive);
    let moved = sample().change("archive/version", |record| {
        let at = opened(&sample()).directory.record(RecordId(7)).unwrap().header_start;
        record.central.offset = Some(u32::try_from(at).unwrap() + 1);
    });
    assert_error(&record_error(&moved, "archive/version"), ErrorKind::Malformed, &["no record starts"]);

    // Zero sizes with bit 3 are torch's own way, true sizes without it that of other programs, saturated ones zip64's.
    assert_sample(&opened(&sample().plain()));
    let saturated = sample().change("archive/data/0", |record| {
        (record.local.packed_len, record.local.len) = (Some(u32::MAX), Some(u32::MAX));
    });
    assert_sample(&opened(&saturated));
    // Headers of other records do not matter to one that is sound.
    let archive = opened(&sample().change("archive/data/0", |record| record.local.method = Some(12)));
    let id = archive.data("2").unwrap().unwrap();
    assert_eq!(archive.borrow(id).unwrap(), Some(b"abc".as_slice()));
}

#[test]
fn case_023_no_checksums_recorded() {
    let builder = sample().change_all(|record| *record = record.clone().both(|header| header.crc = Some(0)));
    let archive = Archive::open(Source::from(builder.build()), &Limits::default(), true).unwrap();
    assert_sample(&archive);
}

#[test]
fn case_024_a_flipped_bit() {
    let mut bytes = torch_archive(PICKLE, &STORAGES);
    let at = bytes.windows(8).position(|window| window == STORAGES[0].1).unwrap();
    bytes[at] ^= 1;
    let lax = open(bytes.clone()).unwrap();
    let id = lax.data("0").unwrap().unwrap();
    assert_eq!(lax.borrow(id).unwrap().unwrap()[0], 1);

    let strict = Archive::open(Source::from(bytes), &Limits::default(), true).unwrap();
    for _ in 0..2 {
        let error = strict.borrow(id).unwrap_err();
        let recorded = format!("{:#010x}", crc32fast::hash(STORAGES[0].1));
        assert_error(&error, ErrorKind::Malformed, &["archive/data/0", "checksum", &recorded]);
        assert_eq!(strict.produce(id).unwrap_err().to_string(), error.to_string());
    }
    let sound = strict.data("2").unwrap().unwrap();
    assert_eq!(strict.borrow(sound).unwrap(), Some(b"abc".as_slice()));
}

#[test]
fn case_024_the_pickle_is_verified_always() {
    for deflate in [false, true] {
        let builder = sample().change("archive/data.pkl", |record| {
            record.deflate = deflate;
            record.central.crc = Some(1);
        });
        let error = opened(&builder).data_pkl().unwrap_err();
        assert_error(&error, ErrorKind::Malformed, &["archive/data.pkl", "checksum", "0x00000001"]);
    }
}

#[test]
fn case_026_wider_alignment() {
    let mut builder = sample();
    builder.alignment = 4096;
    let archive = opened(&builder);
    assert_sample(&archive);
    let id = archive.data("0").unwrap().unwrap();
    let start = archive.borrow(id).unwrap().unwrap().as_ptr().addr() - archive.source.bytes().as_ptr().addr();
    assert_eq!(start % 4096, 0);
}

#[test]
fn a_pickle_from_memory_is_borrowed_and_from_a_mapping_copied() {
    let archive = opened(&sample());
    assert!(matches!(archive.data_pkl().unwrap().1, Stable::Lent(_)));
    let path = std::env::temp_dir().join(format!("torch-checkpoint-archive-{}.pt", std::process::id()));
    std::fs::write(&path, sample().build()).unwrap();
    let mapped = Source::open(&path, crate::source::Backing::Mapped).unwrap();
    let archive = Archive::open(mapped, &Limits::default(), true).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(matches!(archive.data_pkl().unwrap().1, Stable::Lent(_)), archive.is_stable());
    assert_sample(&archive);
}

/// Small, but with everything: stored, deflated, empty, a comment, both kinds of end record.
fn varied() -> Vec<u8> {
    let mut builder = sample().change("archive/data/0", |record| record.deflate = true);
    builder.alignment = 0;
    builder.comment = b"c".to_vec();
    builder.build()
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let bytes = varied();
    for len in 0..bytes.len() {
        let cut = open(bytes[..len].to_vec());
        // The comment's last byte is declared, so even that one counts.
        assert!(cut.is_err(), "{len} of {} bytes", bytes.len());
    }
    read_all(&open(bytes).unwrap()).unwrap();
}

#[test]
fn every_byte_may_be_wrong() {
    let bytes = varied();
    let mut survivors = 0;
    for at in 0..bytes.len() {
        for wrong in [bytes[at] ^ 1, bytes[at] ^ 0x80, 0, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            survivors += usize::from(open(bytes).and_then(|archive| read_all(&archive)).is_ok());
        }
    }
    assert!(survivors > 0, "some bytes (dates, attributes) do not matter");
}

#[test]
fn many_bytes_may_be_wrong() {
    let original = varied();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    for _ in 0..20_000 {
        let mut bytes = original.clone();
        // Most of what can go wrong is in the directory and the end records, the last third.
        let from = if next(2) == 0 { 0 } else { bytes.len() * 2 / 3 };
        for _ in 0..=next(6) {
            let at = from + next(bytes.len() - from);
            bytes[at] = [0, 1, 0xff, u8::try_from(next(256)).unwrap()][next(4)];
        }
        if let Ok(archive) = Archive::open(Source::from(bytes), &Limits::default(), next(2) == 0) {
            // An error is as good as a value here; `read_all` checks that every borrow lies in the file.
            let _ = read_all(&archive);
        }
    }
}
