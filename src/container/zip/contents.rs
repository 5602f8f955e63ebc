//! What the small records say, and which storage keys are accepted.

use crate::error::{Error, Shown};
use crate::source::ByteOrder;

/// Layout versions that torch reads (`kMinSupportedFileFormatVersion` and its maximum, caffe2/serialize/versions.h).
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// Keys name a record beside `data.pkl`, never a path: torch writes counters (1.6.0: addresses).
pub(super) fn check_key(key: &str) -> Result<(), Error> {
    // All that torch writes.
    let simple = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !key.is_empty();
    let plain = simple || !key.is_empty() && key != "." && !key.contains("..") && key.chars().all(allowed);
    if plain {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "the storage key `{}` is not a plain name (printable text without `/`, `\\` and `..`)",
        Shown(key)
    )))
}

/// The same, with one folder in front: what TorchScript's lite interpreter names storages that two of its pickles share.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    match path.split_once('/') {
        None => check_key(path),
        Some((folder, key)) => check_key(folder).and_then(|()| check_key(key)),
    }
}

fn allowed(c: char) -> bool {
    !(c.is_control() || matches!(c, '/' | '\\'))
}

/// Exactly `little` or `big`, as torch demands.
pub(super) fn byte_order(text: &[u8]) -> Result<ByteOrder, Error> {
    match text {
        b"little" => Ok(ByteOrder::Little),
        b"big" => Ok(ByteOrder::Big),
        other => Err(Error::malformed(format!(
            "the byte order is `{}`, neither `little` nor `big`",
            Shown(&String::from_utf8_lossy(other))
        ))),
    }
}

/// A decimal number; white space and NULs may follow it.
pub(super) fn version(text: &[u8]) -> Result<u64, Error> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let number = std::str::from_utf8(text)
        .ok()
        .map(|text| text.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '\0'))
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or_else(|| {
            Error::malformed(format!("the archive's version is `{}`, which is no number", Shown(&shown())))
        })?;
    if VERSIONS.contains(&number) {
        return Ok(number);
    }
    Err(Error::unsupported(format!(
        "the archive has layout version {number}; this crate reads {} to {}, as torch does",
        VERSIONS.start(),
        VERSIONS.end()
    )))
}
