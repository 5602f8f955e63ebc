//! What is this file? Told by its first bytes, never by its name. The reasons why most of these are not read are in
//! [`refusal`](super::refusal()).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::onnx;
use super::zip;
use crate::source::Source;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    // Containers of checkpoints.
    /// A zip archive; what is in it tells [`ArchiveKind`](super::zip::ArchiveKind).
    Zip,
    /// The stream of pickles that torch 0.1.10 to 1.5 wrote.
    LegacyStream,
    /// The tar file that torch wrote before 0.1.10.
    Tar,
    /// A pickle that is not a legacy stream.
    RawPickle,
    Safetensors,
    Gzip,
    /// The index of a sharded checkpoint (JSON with a `weight_map`).
    ShardIndex,

    // Cut off or emptied.
    Empty,
    TooShort,
    /// Begins with this many zeros (all of those looked at).
    Zeros,
    /// A zip archive with other bytes in front.
    PrefixedZip,

    // Other things that are downloaded or saved under a checkpoint's name.
    LfsPointer {
        oid: String,
        size: String,
    },
    /// A foreign format, in words that complete "this is …".
    Foreign(&'static str),
    /// A compressed file, and the program that unpacks it.
    Compressed {
        with: &'static str,
        unpack: &'static str,
    },
    /// A program format of PyTorch's family that this crate will not read.
    Program(&'static str),
    WebPage,
    Xml,
    Json,
    Onnx,
    /// Other readable text, with its beginning.
    Text(String),
    Unknown,
}

/// How much of the beginning is looked at.
const HEAD_LEN: usize = 1024;
/// How far the key `weight_map` is searched for in JSON text. The index's metadata stands before it.
const INDEX_LEN: usize = 1 << 20;

/// Formats that begin with a fixed mark: where, which bytes, and what it is.
#[rustfmt::skip]
const MARKS: &[(usize, &[u8], Mark)] = &[
    (0, b"PK\x03\x04", Mark::Zip),
    (0, b"PK\x05\x06", Mark::Zip),
    (0, b"PK\x07\x08", Mark::Foreign("one part of a multi-part zip archive")),
    (0, b"L119547037146038801333356L\n.", Mark::LegacyStream),
    (257, b"ustar", Mark::Tar),
    (0, b"\x1f\x8b", Mark::Gzip),
    (0, b"\x28\xb5\x2f\xfd", Mark::Compressed("Zstandard", "zstd -d")),
    (0, b"\xfd7zXZ\0", Mark::Compressed("XZ", "unxz")),
    (0, b"BZh", Mark::Compressed("bzip2", "bunzip2")),
    (0, b"\x04\x22\x4d\x18", Mark::Compressed("LZ4", "lz4 -d")),
    (0, b"7z\xbc\xaf\x27\x1c", Mark::Compressed("7-Zip", "7z x")),
    (0, b"Rar!\x1a\x07", Mark::Compressed("RAR", "unrar x")),
    (4, b"PTMF", Mark::Program("a mobile module in flatbuffer form (`.ptl`); export the model again, or save its `state_dict()` with `torch.save`")),
    (4, b"ET12", Mark::Program("an ExecuTorch program (`.pte`), which holds no state dict; use the checkpoint that it was exported from")),
    (0, b"PYTORCH1", Mark::Program("an archive of a preview release of torch 1.0, which torch itself no longer reads")),
    (4, b"TFL3", Mark::Foreign("a TensorFlow Lite model")),
    (0, b"GGUF", Mark::Foreign("a GGUF file (llama.cpp)")),
    (0, b"lmgg", Mark::Foreign("a GGML file (llama.cpp)")),
    (0, b"tjgg", Mark::Foreign("a GGML file (llama.cpp)")),
    (0, b"\x89HDF\r\n\x1a\n", Mark::Foreign("an HDF5 file (Keras)")),
    (0, b"\x93NUMPY", Mark::Foreign("a numpy array (`.npy`)")),
    (0, b"\x89PNG\r\n\x1a\n", Mark::Foreign("a PNG image")),
    (0, b"\xff\xd8\xff", Mark::Foreign("a JPEG image")),
    (0, b"%PDF-", Mark::Foreign("a PDF document")),
    (0, b"\x7fELF", Mark::Foreign("a program or library (ELF)")),
    (0, b"PAR1", Mark::Foreign("a Parquet file")),
    (0, b"ARROW1", Mark::Foreign("an Arrow file")),
    (0, b"SQLite format 3\0", Mark::Foreign("an SQLite database")),
];

enum Mark {
    Zip,
    LegacyStream,
    Tar,
    Gzip,
    Compressed(&'static str, &'static str),
    Program(&'static str),
    Foreign(&'static str),
}

/// Says what the file is.
pub(crate) fn sniff(source: &Source) -> Kind {
    let bytes = source.bytes();
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if bytes.len() < 4 {
        return Kind::TooShort;
    }
    let head = bytes.get(..HEAD_LEN).unwrap_or(bytes);
    if head.iter().all(|&byte| byte == 0) {
        return Kind::Zeros;
    }
    marked(head)
        .or_else(|| is_safetensors(head, source.len()).then_some(Kind::Safetensors))
        .or_else(|| pickle(bytes, head))
        .or_else(|| has_tar_checksum(head).then_some(Kind::Tar))
        .or_else(|| text(bytes, head))
        .or_else(|| onnx::is_onnx(bytes).then_some(Kind::Onnx))
        .or_else(|| zip::find_end(bytes).map(|_| Kind::PrefixedZip))
        .unwrap_or(Kind::Unknown)
}

/// What a file of a length is that begins so, as far as the beginning tells.
pub(crate) fn begins_as(head: &[u8], len: u64) -> Option<Kind> {
    let head = head.get(..HEAD_LEN).unwrap_or(head);
    let by_pickle = || if head.starts_with(&[0x80]) { pickle(head, head) } else { None };
    marked(head)
        .or_else(|| is_safetensors(head, len).then_some(Kind::Safetensors))
        .or_else(by_pickle)
        .or_else(|| has_tar_checksum(head).then_some(Kind::Tar))
}

fn marked(head: &[u8]) -> Option<Kind> {
    let (_, _, mark) = MARKS.iter().find(|(at, mark, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)))?;
    Some(match *mark {
        Mark::Zip => Kind::Zip,
        Mark::LegacyStream => Kind::LegacyStream,
        Mark::Tar => Kind::Tar,
        Mark::Gzip => Kind::Gzip,
        Mark::Compressed(with, unpack) => Kind::Compressed { with, unpack },
        Mark::Program(what) => Kind::Program(what),
        Mark::Foreign(what) => Kind::Foreign(what),
    })
}

/// `LONG1` of ten bytes with torch's magic number 0x1950A86A20F9469CFC6C.
const LEGACY_MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

fn pickle(bytes: &[u8], head: &[u8]) -> Option<Kind> {
    match head {
        // PROTO 0 to 5, and a FRAME perhaps, before the first object.
        [0x80, 0..=5, rest @ ..] => {
            let object = match rest {
                [0x95, framed @ ..] => framed.get(8..).unwrap_or(&[]),
                other => other,
            };
            Some(if object.starts_with(LEGACY_MAGIC) { Kind::LegacyStream } else { Kind::RawPickle })
        }
        // Protocols 0 and 1 have no mark of their own: an opcode that begins a container or a name, and STOP at the end.
        // `]` alone, or `[` and `{`, would be JSON; these opcodes are not.
        [b'(' | b'c' | b']' | b'}', ..] if bytes.last() == Some(&b'.') => Some(Kind::RawPickle),
        _ => None,
    }
}

/// A length, then that much JSON. The length may look like the beginning of a pickle (`80 02`), but no pickle goes on with
/// the zeros of its upper bytes.
fn is_safetensors(head: &[u8], len: u64) -> bool {
    let Some((declared_len, header)) = head.split_first_chunk::<8>() else { return false };
    let declared_len = u64::from_le_bytes(*declared_len);
    let fits = (2..=len.saturating_sub(8)).contains(&declared_len);
    match header {
        [b'{', second, ..] if b"\"} \n\r\t".contains(second) => {
            // Cut off in the header, or with a number that lies.
            fits || (*second == b'"' && (2..1 << 48).contains(&declared_len))
        }
        // Not what it should be, but nothing else either.
        [b'[', second, ..] => fits && b"\"[{".contains(second),
        _ => false,
    }
}

/// Tar headers before POSIX have no mark, but a checksum: the sum of the header's bytes, its own field as spaces.
fn has_tar_checksum(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else { return false };
    let (Some(before), Some(field), Some(after)) = (header.get(..148), header.get(148..156), header.get(156..)) else {
        return false;
    };
    let digits: String = field.iter().map(|&b| char::from(b)).collect();
    let Ok(declared) = u64::from_str_radix(digits.trim_matches([' ', '\0']), 8) else { return false };
    let sum: u64 = before.iter().chain(after).map(|&b| u64::from(b)).sum();
    declared == sum.saturating_add(8 * 32)
}

fn text(bytes: &[u8], head: &[u8]) -> Option<Kind> {
    let cut_at_a_character = |error: std::str::Utf8Error| match error.error_len() {
        // A character may be cut in two at the end of what is looked at.
        None => head.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()),
        Some(_) => None,
    };
    let text = std::str::from_utf8(head).or_else(|e| cut_at_a_character(e).ok_or(e)).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    Some(if begins("version https://git-lfs") {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").to_owned();
        Kind::LfsPointer { oid: field("oid "), size: field("size ") }
    } else if begins("<!doctype html") || begins("<html") || begins("<head") || begins("<body") {
        Kind::WebPage
    } else if begins("<?xml") || begins("<error") {
        // A page in XHTML declares itself as XML first.
        if text.to_ascii_lowercase().contains("<html") { Kind::WebPage } else { Kind::Xml }
    } else if begins("<!") {
        Kind::WebPage
    } else if begins("{") || begins("[") {
        let start = bytes.get(..INDEX_LEN).unwrap_or(bytes);
        if contains(start, b"\"weight_map\"") { Kind::ShardIndex } else { Kind::Json }
    } else {
        Kind::Text(text.lines().next().unwrap_or("").chars().take(60).collect())
    })
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
