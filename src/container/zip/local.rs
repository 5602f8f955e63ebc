//! Does a record's own (local) header agree with the central directory, and where do its data start?
//!
//! torch ignores the local header but for its length; scanners have been fooled with headers that say two things
//! (GHSA-w8jq-xcqf-f792, GHSA-7q5r-7gvp-wc82). The directory is our one source of truth, and disagreement an error.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::bytes::{u16_at, u32_at};
use super::directory::{ENCRYPTED, LOCAL_HEADER_LEN, Method, Record};
use crate::error::Error;
use crate::source::Source;

/// Where the record's data start: behind the local header, with all data before the next record.
///
/// # Errors
/// Malformed, without the record's name.
pub(super) fn check(source: &Source, record: &Record, raw_name: &[u8]) -> Result<u64, Error> {
    let damaged = |what: &str| Err(Error::malformed(what.to_owned()).at(record.header_start));
    let Some(header) = source.get(record.header_start..record.room_end) else {
        return damaged("the record's header lies behind the end of the file: the file is truncated");
    };
    if !header.starts_with(b"PK\x03\x04") {
        return damaged("no record starts where the central directory says");
    }
    let fields = || {
        let flags_and_method = (u16_at(header, 6)?, u16_at(header, 8)?);
        let sizes = (u32_at(header, 18)?, u32_at(header, 22)?);
        Some((flags_and_method, sizes, u16_at(header, 26)?, u16_at(header, 28)?))
    };
    let Some(((flags, method), (packed_len, len), name_len, extra_len)) = fields() else {
        return damaged("the record's header is cut off by the next record");
    };
    if flags & ENCRYPTED != 0 {
        return damaged("the record's header says that it is encrypted, the central directory that it is not");
    }
    if method != method_number(record.method) {
        return damaged("the record's header and the central directory name different compression methods");
    }
    let local_name =
        usize::try_from(LOCAL_HEADER_LEN).ok().and_then(|from| header.get(from..)?.get(..usize::from(name_len)));
    if local_name != Some(raw_name) {
        return Err(Error::malformed(format!(
            "the record's header gives it another name (`{}`) than the central directory",
            crate::error::Shown(&String::from_utf8_lossy(local_name.unwrap_or(b"")))
        ))
        .at(record.header_start));
    }
    // Bit 3: the sizes follow the data, and the header may leave them out.
    let streamed = flags & 8 != 0;
    let agrees =
        |local: u32, declared: u64| u64::from(local) == declared || local == u32::MAX || (streamed && local == 0);
    if !agrees(packed_len, record.packed_len) || !agrees(len, record.len) {
        return Err(Error::malformed(format!(
            "the record's header declares {packed_len} bytes ({len} unpacked), the central directory {} ({} unpacked)",
            record.packed_len, record.len
        ))
        .at(record.header_start));
    }
    let data_start = record
        .header_start
        .checked_add(LOCAL_HEADER_LEN)
        .and_then(|start| start.checked_add(u64::from(name_len)))
        .and_then(|start| start.checked_add(u64::from(extra_len)));
    let data_end = data_start.and_then(|start| start.checked_add(record.packed_len));
    match (data_start, data_end) {
        (Some(data_start), Some(data_end)) if data_end <= record.room_end => Ok(data_start),
        _ => damaged("the record's data overlap the next record or the central directory"),
    }
}

fn method_number(method: Method) -> u16 {
    match method {
        Method::Stored => 0,
        Method::Deflated => 8,
    }
}
