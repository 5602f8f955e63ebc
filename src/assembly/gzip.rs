//! Files compressed with gzip, which torch reads too when they are opened with Python's `gzip` first.

use super::Opening;
use crate::container::gunzip;
use crate::error::Error;
use crate::source::Source;

/// The unpacked bytes.
pub(super) fn unpack(source: &Source, opening: Opening<'_>) -> Result<Source, Error> {
    Ok(Source::from(gunzip(source.bytes(), opening.limits)?))
}
