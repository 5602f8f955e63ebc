//! Where is the central directory, and how many records does it declare? (APPNOTE 4.3.14 to 4.3.16)
//!
//! Other readers settle doubts by trying one candidate after the other. Two readers that settle them differently see two
//! different archives in one file, so doubts are errors here.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::bytes::{u16_at, u32_at, u64_at};
use crate::error::Error;
use crate::limits::Limits;

const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const LOCATOR_LEN: usize = 20;
const END64_LEN: usize = 56;
/// A central directory header without its name, extra fields and comment.
pub(super) const CENTRAL_HEADER_LEN: u64 = 46;
/// So many zeros at the end are no chance.
const ZEROS: usize = 512;
/// A comment (or other bytes) behind the end record, at most. torch searches as far.
const MAX_TRAILING: usize = 0xffff;

/// The end of an archive: what its end records agree on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Where the central directory starts.
    pub(super) directory_start: u64,
    /// Where it ends, which is where the (zip64) end record starts.
    pub(super) directory_end: u64,
    /// The number of headers in it.
    pub(super) records: u64,
    /// Where the archive itself ends, its comment included.
    pub(super) archive_end: u64,
}

/// The two forms of the end record say the same things.
struct Declared {
    disks_differ: bool,
    records: u64,
    directory_len: u64,
    directory_start: u64,
}

/// The position of the last end record whose comment fits into the file.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LEN)?;
    (last.saturating_sub(MAX_TRAILING)..=last).rev().find(|&at| {
        let Some(record) = bytes.get(at..).filter(|rest| rest.starts_with(END_SIGNATURE)) else { return false };
        u16_at(record, 20).is_some_and(|comment_len| usize::from(comment_len) <= record.len().saturating_sub(END_LEN))
    })
}

/// Reads and cross-checks the end records.
///
/// # Errors
/// Malformed: no end record, or contradictions. Unsupported: several disks. Limit: more records than allowed.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<End, Error> {
    let at = find(bytes).ok_or_else(|| missing(bytes))?;
    // `find` made sure that the record and its comment lie inside.
    let classic = classic_end(bytes, at).ok_or_else(|| missing(bytes))?;
    let (declared, records_start) = match zip64_end(bytes, at)? {
        Some((end64, end64_at)) => {
            agree(&classic, &end64).map_err(|what| {
                Error::malformed(format!("the archive's two end records contradict each other about {what}"))
                    .at(offset(at))
            })?;
            (end64, end64_at)
        }
        None => (classic, offset(at)),
    };
    if declared.disks_differ {
        return Err(Error::unsupported("the archive is one part of several (multi-disk zip); join the parts first"));
    }
    if declared.records == 0 {
        return Err(Error::not_a_checkpoint("this zip archive is empty: it has no records"));
    }
    let directory_end = declared.directory_start.checked_add(declared.directory_len);
    if directory_end != Some(records_start) {
        return Err(misplaced(&declared, directory_end, records_start).at(offset(at)));
    }
    if declared.records.checked_mul(CENTRAL_HEADER_LEN).is_none_or(|least| least > declared.directory_len) {
        return Err(Error::malformed(format!(
            "the central directory of {} bytes cannot hold the {} records it declares",
            declared.directory_len, declared.records
        ))
        .at(offset(at)));
    }
    Limits::check("records", declared.records, limits.records)?;
    let comment_len = bytes.get(at..).and_then(|record| u16_at(record, 20)).unwrap_or(0);
    Ok(End {
        directory_start: declared.directory_start,
        directory_end: records_start,
        records: declared.records,
        archive_end: offset(at.saturating_add(END_LEN)).saturating_add(comment_len.into()),
    })
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

fn missing(bytes: &[u8]) -> Error {
    let tail = bytes.get(bytes.len().saturating_sub(ZEROS)..).unwrap_or_default();
    if tail.iter().all(|&byte| byte == 0) {
        return Error::malformed(
            "the zip archive's central directory is missing, and the file ends in zeros: a download or copy was interrupted after its space had been reserved",
        );
    }
    Error::malformed(format!(
        "the zip archive's central directory is missing: the file is truncated at {} bytes (download or copy it again), or more than 64 KiB of other data follow the archive",
        bytes.len()
    ))
}

fn misplaced(declared: &Declared, directory_end: Option<u64>, records_start: u64) -> Error {
    let because = match directory_end {
        Some(end) if end < records_start => {
            "bytes were put in front of the archive or into it, or two archives were joined"
        }
        _ => "a part of the file is missing",
    };
    Error::malformed(format!(
        "the central directory is not where the end record says (byte {}, {} bytes, but the end record is at byte {records_start}): {because}",
        declared.directory_start, declared.directory_len
    ))
}

fn classic_end(bytes: &[u8], at: usize) -> Option<Declared> {
    let record = bytes.get(at..)?.get(..END_LEN)?;
    let records = u16_at(record, 10)?;
    Some(Declared {
        disks_differ: u16_at(record, 4)? != 0 || u16_at(record, 6)? != 0 || u16_at(record, 8)? != records,
        records: u64::from(records),
        directory_len: u64::from(u32_at(record, 12)?),
        directory_start: u64::from(u32_at(record, 16)?),
    })
}

/// torch writes the zip64 records always, so they count whenever they are there, not only for saturated fields.
fn zip64_end(bytes: &[u8], end_at: usize) -> Result<Option<(Declared, u64)>, Error> {
    let locator = end_at.checked_sub(LOCATOR_LEN).and_then(|start| bytes.get(start..end_at));
    let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) else { return Ok(None) };
    let locator_at = end_at.saturating_sub(LOCATOR_LEN);
    let parse = || {
        let disks_differ = u32_at(locator, 4)? != 0 || u32_at(locator, 16)? > 1;
        let start = u64_at(locator, 8)?;
        let from = usize::try_from(start).ok()?;
        let record = bytes.get(from..locator_at)?.get(..END64_LEN)?;
        // The record's own size field does not count its first twelve bytes.
        let end = start.checked_add(12)?.checked_add(u64_at(record, 4)?)?;
        if !record.starts_with(b"PK\x06\x06") || end != offset(locator_at) {
            return None;
        }
        let records = u64_at(record, 32)?;
        let declared = Declared {
            disks_differ: disks_differ
                || u32_at(record, 16)? != 0
                || u32_at(record, 20)? != 0
                || u64_at(record, 24)? != records,
            records,
            directory_len: u64_at(record, 40)?,
            directory_start: u64_at(record, 48)?,
        };
        Some((declared, start))
    };
    let found = parse().ok_or_else(|| {
        Error::malformed("the zip64 end record is not where its locator says: bytes were put in front of the archive, or it is damaged")
            .at(offset(locator_at))
    })?;
    Ok(Some(found))
}

/// The classic fields either repeat the zip64 ones or are saturated.
fn agree(classic: &Declared, end64: &Declared) -> Result<(), &'static str> {
    let same = |classic: u64, saturated: u64, end64: u64| classic == end64 || classic == saturated;
    if !same(classic.records, 0xffff, end64.records) {
        Err("the number of records")
    } else if !same(classic.directory_len, 0xffff_ffff, end64.directory_len) {
        Err("the size of the central directory")
    } else if !same(classic.directory_start, 0xffff_ffff, end64.directory_start) {
        Err("the place of the central directory")
    } else {
        Ok(())
    }
}
