//! Unpacks deflated records, never into more than they declare.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::Error;
use crate::limits::Limits;

/// Deflate gains at most 1032:1 (a 258-byte match from two bits); the rest is slack for tiny records.
const MAX_RATIO: u64 = 1040;
const SLACK: u64 = 1024;

/// Unpacks into a buffer of exactly `declared_len` bytes.
///
/// # Errors
/// Limit: more than `Limits::decompressed_bytes`, or no memory. Malformed: damaged data, or another length than declared.
pub(super) fn inflate(packed: &[u8], declared_len: u64, limits: &Limits) -> Result<Vec<u8>, Error> {
    Limits::check("decompressed_bytes", declared_len, limits.decompressed_bytes)?;
    let packed_len = u64::try_from(packed.len()).unwrap_or(u64::MAX);
    if declared_len > packed_len.saturating_mul(MAX_RATIO).saturating_add(SLACK) {
        return Err(Error::malformed(format!(
            "the record declares {declared_len} bytes unpacked, more than its {packed_len} bytes of deflated data can hold"
        )));
    }
    let no_memory = || Error::limit(format!("no memory to unpack {declared_len} bytes"));
    let len = usize::try_from(declared_len).map_err(|_| no_memory())?;
    let mut unpacked = Vec::new();
    unpacked.try_reserve_exact(len).map_err(|_| no_memory())?;
    let mut inflater = Decompress::new(false);
    let mut rest = packed;
    loop {
        let before = (inflater.total_in(), inflater.total_out());
        let status = if unpacked.len() < len {
            // The buffer may have been given more room than asked for: what is behind the declared length is an error below.
            inflater.decompress_vec(rest, &mut unpacked, FlushDecompress::Finish)
        } else {
            // Everything declared is there, so only the end mark may follow: a byte more is one too many.
            inflater.decompress(rest, &mut [0], FlushDecompress::Finish)
        };
        let status = status.map_err(|_| damaged("is damaged", inflater.total_in()))?;
        if inflater.total_out() > declared_len {
            return Err(damaged("holds more bytes than declared", inflater.total_in()));
        }
        let consumed = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
        rest = packed.get(consumed..).unwrap_or(&[]);
        if status == Status::StreamEnd {
            break;
        }
        if (inflater.total_in(), inflater.total_out()) == before {
            return Err(damaged("is cut off", inflater.total_in()));
        }
    }
    if unpacked.len() != len {
        return Err(damaged("holds fewer bytes than declared", inflater.total_in()));
    }
    if !rest.is_empty() {
        return Err(damaged("ends before the record does", inflater.total_in()));
    }
    Ok(unpacked)
}

/// `at` counts from the start of the packed data.
fn damaged(what: &str, at: u64) -> Error {
    Error::malformed(format!("the record's deflated data {what} (packed byte {at})"))
}
