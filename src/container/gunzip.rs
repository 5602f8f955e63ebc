//! Whole files compressed with gzip (RFC 1952).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use crate::error::Error;
use crate::limits::Limits;

/// Deflate packs at most so much into a byte (RFC 1951: 258 bytes in two bits).
const MOST_RATIO: u64 = 1032;

/// Unpacks a file into memory, checksums verified. It may consist of several members, with zeros behind the last one, as
/// `gzip` itself and Python take them.
///
/// # Errors
/// Malformed: truncated or damaged. Limit: it unpacks to more than `Limits::decompressed_bytes`.
pub(crate) fn gunzip(packed: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    gunzip_into(&mut bytes, packed, limits)?;
    Ok(bytes)
}

/// The same; what was unpacked before an error stays.
///
/// # Errors
/// As [`gunzip`].
pub(crate) fn gunzip_into(bytes: &mut Vec<u8>, packed: &[u8], limits: &Limits) -> Result<(), Error> {
    let packed_len = u64::try_from(packed.len()).unwrap_or(u64::MAX);
    let allowed = limits.decompressed_bytes.min(packed_len.saturating_mul(MOST_RATIO));
    let mut rest = packed;
    while rest.iter().any(|&byte| byte != 0) {
        let left = allowed.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut member = GzDecoder::new(rest).take(left.saturating_add(1));
        match member.read_to_end(bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                return Err(Error::limit("there is no memory for what this gzip file unpacks to"));
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::malformed("the gzip file ends early: it is truncated"));
            }
            Err(error) => return Err(Error::malformed(format!("the gzip file is damaged: {error}"))),
        }
        let unpacked = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Limits::check("decompressed_bytes", unpacked, limits.decompressed_bytes)?;
        rest = member.into_inner().into_inner();
    }
    Ok(())
}
