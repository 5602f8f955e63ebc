//! What a file is, told by its bytes.

use super::zip_builder::{ZipBuilder, torch_archive, torch_builder};
use super::*;
use crate::error::{Error, ErrorKind};
use crate::source::Source;

fn kind_of(bytes: &[u8]) -> Kind {
    sniff(&Source::from(bytes.to_vec()))
}

fn refused(bytes: &[u8]) -> Error {
    refusal(&kind_of(bytes))
}

/// The prefix of a file, and then bytes that mean nothing.
fn padded(start: &[u8]) -> Vec<u8> {
    let noise = (0..2000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap());
    start.iter().copied().chain(noise).collect()
}

#[test]
fn zip_archives() {
    assert_eq!(kind_of(&torch_archive(b".", &[])), Kind::Zip);
    assert_eq!(kind_of(&ZipBuilder::new().plain().build()), Kind::Zip);
}

#[test]
fn legacy_streams_of_every_protocol() {
    let magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    for protocol in [2, 3, 5] {
        assert_eq!(kind_of(&[&[0x80, protocol], magic.as_slice()].concat()), Kind::LegacyStream);
    }
    let framed = [b"\x80\x04\x95\x0d\0\0\0\0\0\0\0".as_slice(), magic].concat();
    assert_eq!(kind_of(&framed), Kind::LegacyStream);
    assert_eq!(kind_of(b"L119547037146038801333356L\n.I1001\n."), Kind::LegacyStream);
}

#[test]
fn case_005_a_zip_signature_in_a_legacy_stream_does_not_matter() {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    bytes.extend(torch_archive(b".", &[("0", b"12345678")]));
    assert_eq!(kind_of(&bytes), Kind::LegacyStream);
}

#[test]
fn plain_pickles() {
    let pickles: [&[u8]; 5] =
        [b"\x80\x02}q\0.", b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.", b"(dp0\n.", b"ccollections\nX\n.", b"}q\0."];
    for pickle in pickles {
        assert_eq!(kind_of(pickle), Kind::RawPickle, "{pickle:?}");
    }
    assert_ne!(kind_of(b"(not a pickle)"), Kind::RawPickle);
}

#[test]
fn tar_files_with_and_without_a_mark() {
    let mut header = vec![0; 1024];
    header[..7].copy_from_slice(b"tensors");
    header[257..262].copy_from_slice(b"ustar");
    assert_eq!(kind_of(&header), Kind::Tar);
    header[257..262].fill(0);
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum::<u32>() + 8 * 32;
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(kind_of(&header), Kind::Tar);
    header[0] = b'T';
    assert_ne!(kind_of(&header), Kind::Tar);
}

#[test]
fn case_008_a_zip_archive_with_bytes_in_front() {
    let mut builder = torch_builder("archive", b".", &[]);
    builder.leading = b"\x01\x02 junk!!".to_vec();
    let bytes = builder.build();
    assert_eq!(kind_of(&bytes), Kind::PrefixedZip);
    assert_eq!(refused(&bytes).kind(), ErrorKind::Malformed);
    assert!(refused(&bytes).message().contains("in front"));
}

#[test]
fn case_010_each_other_thing_has_its_own_message() {
    use ErrorKind::{Malformed, NotACheckpoint, Unsupported};
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    let cases: &[(&[u8], ErrorKind, &[&str])] = &[
        (b"", Malformed, &["empty"]),
        (b"PK\x03", Malformed, &["truncated", "4 bytes"]),
        (&[0; 600], Malformed, &["zeros"]),
        (lfs, NotACheckpoint, &["git-lfs", "sha256:4d7a21", "12345", "git lfs pull"]),
        (b"\n <!DOCTYPE HTML><html>", NotACheckpoint, &["web page"]),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", NotACheckpoint, &["XML", "access denied"]),
        (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", NotACheckpoint, &["web page"]),
        (b"{\"a\": 1}", NotACheckpoint, &["JSON"]),
        (b"{\"metadata\": {}, \"weight_map\": {}}", Unsupported, &["index", "shards"]),
        (b"Entry not found", NotACheckpoint, &["text", "`Entry not found`"]),
        (&padded(b"\x93NUMPY\x01\0"), NotACheckpoint, &["numpy array"]),
        (&padded(b"\x89HDF\r\n\x1a\n"), NotACheckpoint, &["HDF5"]),
        (&padded(b"GGUF\x03\0\0\0"), NotACheckpoint, &["GGUF"]),
        (&padded(b"\x08\x07\x12\x07pytorch\x1a\x032.1\x3a\x90\x10"), NotACheckpoint, &["ONNX"]),
        (&padded(b"\x28\xb5\x2f\xfd"), Unsupported, &["Zstandard", "zstd -d"]),
        (&padded(b"\xfd7zXZ\0"), Unsupported, &["XZ"]),
        (&padded(b"BZh91AY"), Unsupported, &["bzip2"]),
        (&padded(b"\x80\x02}"), Unsupported, &["checkpoint itself"]),
        (&padded(b""), NotACheckpoint, &["not a PyTorch checkpoint", "neither"]),
    ];
    let mut messages = std::collections::HashSet::new();
    for (bytes, kind, words) in cases {
        let error = refused(bytes);
        assert_eq!(error.kind(), *kind, "{error}");
        for word in *words {
            assert!(error.message().contains(word), "`{word}` is not in: {error}");
        }
        messages.insert(error.message().to_owned());
    }
    assert!(messages.len() >= cases.len() - 1, "HTML comes in two forms, everything else differs");
}

#[test]
fn case_011_safetensors_whatever_their_name() {
    let header = b"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 4]].concat();
    assert_eq!(kind_of(&bytes), Kind::Safetensors);
    assert_eq!(kind_of(&bytes[..20]), Kind::Safetensors, "the header is cut off, which is said then");
    // Lengths that look like the mark of a pickle.
    for low in [0x180_u64, 0x280, 0x480] {
        let header = format!("{:<1$}", std::str::from_utf8(header).unwrap(), low as usize);
        let bytes = [&low.to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
        assert_eq!(kind_of(&bytes), Kind::Safetensors);
    }
}

#[test]
fn case_012_mobile_modules() {
    let error = refused(&padded(b"\x1c\0\0\0PTMF"));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("mobile") && error.message().contains("`.ptl`"), "{error}");
}

#[test]
fn sniffing_never_fails_on_cut_or_damaged_beginnings() {
    let archive = torch_archive(b"\x80\x02}.", &[]);
    let starts: [&[u8]; 5] = [
        &archive,
        b"\x80\x04\x95\x0d\0\0",
        b"\x08\x07\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"{\"\xc3",
        &[0xff; 300],
    ];
    for start in starts {
        for len in 0..start.len() {
            let kind = kind_of(&start[..len]);
            assert!(!refusal(&kind).message().is_empty());
        }
    }
    // A character cut in two where the look ends is still text.
    let text = format!("{}é", "a".repeat(1023));
    assert!(matches!(kind_of(text.as_bytes()), Kind::Text(_)));
}
