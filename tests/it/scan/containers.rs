//! Where a pickle can be in a file, and how files hide one.

use std::io::Write as _;

use super::{PAYLOAD, archive, assert_dangerous, assert_verdict, call, scanned, state_dict};
use crate::legacy_builder::LegacyBuilder;
use crate::pickle_builder::{dict, f32s, pickle};
use crate::support::TempFile;
use crate::tar_builder::TarBuilder;
use crate::zip_builder::{Record, ZipBuilder, torch_archive, torch_builder};
use torch_checkpoint::{Limits, ScanOptions, Verdict, scan};

fn builder() -> ZipBuilder {
    torch_builder("archive", &pickle(&state_dict()), &[("0", &f32s(&[1.0, 2.0]))])
}

fn evil() -> Vec<u8> {
    pickle(&call())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn records_of_any_name_are_read() {
    for name in ["archive/extra.pkl", "archive/data/9", "evil.txt", "archive/.data/x", "archive/code/x.py", "x"] {
        for record in [Record::new(name, evil()), Record::new(name, PAYLOAD), Record::new(name, evil()).deflated()] {
            assert_dangerous(builder().with(record).build(), name);
        }
    }
    // Weights and texts that only begin as a pickle might are none, and no errors either.
    for data in [&b"\x80\x02\x01\x02"[..], b"collections\ntorch._utils\nos\nsystem\n", b".N", b"N.", &[0x80; 64]] {
        assert_verdict(builder().with(Record::new("archive/data/9", data)).build(), Verdict::Safe, "data");
    }
    // A record that is named as a pickle and is none is damage.
    let report = scanned(builder().with(Record::new("archive/x.pkl", b"\xff\xff")).build());
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert_eq!(report.errors[0].record(), Some("archive/x.pkl"));
}

#[test]
fn records_that_a_loader_may_not_see_are_read() {
    let hidden = |change: fn(&mut Record)| {
        let mut record = Record::new("archive/data.pkl", evil());
        change(&mut record);
        record
    };
    // Twice the same name, in either order.
    assert_dangerous(builder().with(hidden(|_| ())).build(), "the second of a name");
    let first = ZipBuilder { records: [vec![hidden(|_| ())], builder().records].concat(), ..builder() };
    assert_dangerous(first.build(), "the first of a name");
    assert_dangerous(builder().with(hidden(|record| record.listed = 0)).build(), "one that the directory lacks");
    assert_dangerous(builder().with(hidden(|record| record.listed = 2)).build(), "one that is listed twice");
    assert_dangerous(
        builder().with(hidden(|record| record.central.name = Some(b"archive/x.txt".to_vec()))).build(),
        "two names",
    );
    assert_dangerous(
        builder().with(hidden(|record| record.local.name = Some(b"archive/x.txt".to_vec()))).build(),
        "two names, the other way",
    );
    assert_dangerous(builder().with(hidden(|record| record.central.crc = Some(7))).build(), "a wrong checksum");
    assert_dangerous(builder().with(hidden(|record| record.central.packed_len = Some(4))).plain().build(), "two sizes");
    for bit in [0x1, 0x20, 0x40, 0x2000] {
        let record = Record::new("x", evil()).both(|header| header.flags = Some(bit));
        assert_dangerous(builder().plain().with(record).build(), "flags that only some readers heed");
    }
}

#[test]
fn headers_that_contradict_each_other_are_both_believed() {
    let packed = Record::new("x", evil()).deflated();
    assert_dangerous(builder().plain().with(packed.clone().local(|header| header.method = Some(0))).build(), "local");
    assert_dangerous(builder().plain().with(packed.central(|header| header.method = Some(0))).build(), "directory");
    let stored = Record::new("x", evil());
    assert_dangerous(builder().plain().with(stored.clone().local(|header| header.method = Some(8))).build(), "local");
    assert_dangerous(
        builder().plain().with(stored.clone().local(|header| header.method = Some(99))).build(),
        "unknown",
    );
    assert_dangerous(builder().plain().with(stored.central(|header| header.method = Some(8))).build(), "directory");
    // Extra fields that end too late.
    let odd = Record::new("x", evil()).deflated().central(|header| header.extra = Some(vec![1, 0, 0xff, 0xff]));
    assert_dangerous(builder().plain().with(odd.local(|header| header.method = Some(0))).build(), "extra fields");
}

#[test]
fn damaged_archives_are_read_as_far_as_they_go() {
    let whole = builder().with(Record::new("archive/evil", evil())).build();
    for cut in [1, 10, 22, 100, 300] {
        assert_dangerous(&whole[..whole.len() - cut], "a file that is cut off");
    }
    // A deflated pickle whose data break off behind the call.
    let long = [&pickle(&call())[..], &[0xa5; 200_000]].concat();
    let mut damaged = builder().plain().with(Record::new("archive/evil", long).deflated()).build();
    let at = damaged.windows(4).rposition(|window| window == b"PK\x03\x04").unwrap() + 300;
    damaged[at..at + 20].fill(0xff);
    assert_dangerous(damaged, "damaged data");
    assert_verdict(&archive()[..400], Verdict::Unreadable, "a sound one that is cut off");
}

#[test]
fn what_stands_around_an_archive_is_read() {
    assert_dangerous([PAYLOAD, &archive()].concat(), "in front");
    assert_dangerous([archive(), b"\x80\x02".to_vec(), PAYLOAD.to_vec()].concat(), "behind");
    assert_dangerous([archive(), torch_archive(&evil(), &[])].concat(), "another archive behind");
    assert_dangerous([torch_archive(&evil(), &[]), archive()].concat(), "another archive in front");
    let text = [&b"#!/bin/sh\nexit\n"[..], &torch_archive(&evil(), &[])].concat();
    assert_dangerous(text, "an archive behind a text");
    let stream = [&pickle(&state_dict())[..], &torch_archive(&evil(), &[])].concat();
    assert_dangerous(stream, "an archive behind a pickle");
}

#[test]
fn containers_within_containers_are_read_to_a_depth() {
    let mut nested = torch_archive(&evil(), &[]);
    for depth in 0..4 {
        let stored = ZipBuilder::new().with(Record::new("inner.bin", nested.clone())).build();
        let packed = ZipBuilder::new().with(Record::new("inner.bin", nested.clone()).deflated()).build();
        assert_dangerous(stored.clone(), "stored");
        assert_dangerous(packed.clone(), "packed");
        nested = match depth % 2 {
            0 => packed,
            _ => gzip(&stored),
        };
    }
    for _ in 0..20 {
        nested = gzip(&nested);
    }
    let report = scanned(nested);
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert!(report.errors[0].to_string().contains("nested"), "{:?}", report.errors);
}

#[test]
fn compressed_files_are_read() {
    assert_dangerous(gzip(&evil()), "gzip");
    assert_dangerous(gzip(&torch_archive(&evil(), &[])), "gzip of an archive");
    let mut cut = gzip(&[&evil()[..], &[7; 4096]].concat());
    cut.truncate(cut.len() - 9);
    assert_dangerous(cut, "gzip without its end");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(&evil()).unwrap();
    assert_dangerous(zlib.finish().unwrap(), "zlib");
    assert_verdict(gzip(&archive()), Verdict::Safe, "a sound one");
}

#[test]
fn legacy_streams_are_read_pickle_by_pickle() {
    let sound = || LegacyBuilder::new(&state_dict(), &[("0", &f32s(&[1.0, 2.0]))]);
    let report = scanned(sound().build());
    assert_eq!((report.verdict, report.pickles), (Verdict::Safe, 5), "{:?}", report.errors);
    let changes: [fn(&mut LegacyBuilder); 6] = [
        |stream| stream.magic = pickle(&call()),
        |stream| stream.version = pickle(&call()),
        |stream| stream.facts = pickle(&call()),
        |stream| stream.object = pickle(&call()),
        |stream| stream.keys = pickle(&call()),
        |stream| stream.trailing = LegacyBuilder::new(&call(), &[]).build(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut stream = sound();
        change(&mut stream);
        assert_dangerous(stream.build(), &format!("part {n}"));
    }
}

#[test]
fn tar_files_are_read_member_by_member() {
    let sound = || TarBuilder::default().with("storages", &pickle(&dict([]))).with("tensors", &pickle(&dict([])));
    assert_verdict(sound().with("pickle", &pickle(&dict([]))).build(), Verdict::Safe, "a sound one");
    assert_dangerous(sound().with("pickle", &evil()).build(), "the pickle");
    assert_dangerous(sound().with("other", &evil()).build(), "another member");
    // A pickle, eight bytes, data, and so on.
    let storages = [&pickle(&dict([]))[..], &[1, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9], &evil()].concat();
    assert_dangerous(TarBuilder::default().with("storages", &storages).build(), "the second storage");
    let mut cut = sound().with("pickle", &evil()).build();
    cut.truncate(cut.len() - 1500);
    assert_dangerous(cut, "one that is cut off");
}

#[test]
fn arrays_of_objects_are_pickles() {
    let npy = |descr: &str, data: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
        let len = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\0", &len[..], header.as_bytes(), data].concat()
    };
    assert_verdict(npy("<f4", &[1, 2, 3, 4]), Verdict::Safe, "numbers");
    assert_dangerous(npy("|O", &evil()), "objects");
    assert_dangerous(npy("\\x7c\\x4f", &evil()), "objects whose type is written otherwise");
    let npz = ZipBuilder::new().plain().with(Record::new("a.npy", npy("|O", &evil()))).build();
    assert_dangerous(npz, "in an archive of arrays");
    let npz = ZipBuilder::new().plain().with(Record::new("a.npy", npy("<f4", &[1, 2, 3, 4]))).build();
    assert_verdict(npz, Verdict::Safe, "numbers in an archive");
    assert_verdict(npy("|O", b"\xff"), Verdict::Unreadable, "objects that are damaged");
}

#[test]
fn encrypted_and_unknown_compression_is_unreadable() {
    let encrypted = Record::new("archive/x.pkl", b"\x9a\x17\x44").both(|header| header.flags = Some(0x801));
    let report = scanned(builder().with(encrypted).build());
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert!(report.errors[0].to_string().contains("encrypted"), "{:?}", report.errors);
    let bzip2 = Record::new("archive/x", b"BZh9").both(|header| header.method = Some(12));
    let report = scanned(builder().with(bzip2).build());
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert!(report.errors[0].to_string().contains("bzip2"), "{:?}", report.errors);
}

#[test]
fn forged_archives_cost_no_more_than_they_should() {
    // Every header claims all that follows, where a pickle goes on for long.
    let mut overlapping = Vec::new();
    for _ in 0..20_000 {
        overlapping.extend(b"PK\x03\x04\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x02");
    }
    let start = std::time::Instant::now();
    let report = scanned(overlapping);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_ne!(report.verdict, Verdict::Safe);
    let mut limits = Limits::default();
    limits.records = 3;
    let report = ScanOptions::new().limits(limits).scan_bytes(archive());
    assert!(report.errors[0].to_string().contains("Limits::records"), "{:?}", report.errors);
    let mut limits = Limits::default();
    limits.decompressed_bytes = 1000;
    let bomb = ZipBuilder::new().with(Record::new("a.pkl", vec![b'N'; 100_000]).deflated()).build();
    let report = ScanOptions::new().limits(limits.clone()).scan_bytes(bomb);
    assert!(report.errors.iter().any(|error| error.to_string().contains("decompressed_bytes")), "{:?}", report.errors);
    let report = ScanOptions::new().limits(limits).scan_bytes(gzip(&[b'N'; 100_000]));
    assert!(report.errors.iter().any(|error| error.to_string().contains("decompressed_bytes")), "{:?}", report.errors);
}

#[test]
fn every_file_of_a_folder_is_scanned() {
    let folder = TempFile::new("scan-folder");
    let below = folder.0.join("below");
    std::fs::create_dir_all(&below).unwrap();
    for (name, bytes) in [
        ("a.pt", archive()),
        ("config.json", b"{\"a\": 1}".to_vec()),
        ("below/b.bin", evil()),
        ("below/pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".to_vec()),
    ] {
        std::fs::write(folder.0.join(name), bytes).unwrap();
    }
    let reports = scan(&folder.0);
    std::fs::remove_dir_all(&folder.0).unwrap();
    let verdicts: Vec<(String, Verdict)> = reports
        .iter()
        .map(|report| {
            let path = report.path.as_ref().unwrap().strip_prefix(&folder.0).unwrap();
            (path.to_str().unwrap().replace('\\', "/"), report.verdict)
        })
        .collect();
    let expected = [
        ("a.pt", Verdict::Safe),
        ("below/b.bin", Verdict::Dangerous),
        ("below/pointer", Verdict::Unreadable),
        ("config.json", Verdict::Safe),
    ];
    assert_eq!(verdicts, expected.map(|(name, verdict)| (name.to_owned(), verdict)));
    assert!(reports[3].note.as_ref().unwrap().contains("JSON"));
}
