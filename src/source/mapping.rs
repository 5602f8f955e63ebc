//! Memory-mapping: the one `unsafe` block of the library.

use std::fs::File;

use crate::error::Error;

/// A read-only, private mapping of a whole file.
pub(super) struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps the file as long as it is now.
    pub(super) fn new(file: &File) -> Result<Self, Error> {
        // SAFETY: `map_copy_read_only` is unsafe because another process may truncate or rewrite the file while it is
        // mapped. Truncation cannot produce a wrong value: touching a page past the new end raises SIGBUS, which ends the
        // process. Rewriting changes the bytes behind a `&[u8]`; every bit pattern is a valid `u8`, and no code of this
        // crate relies on two reads of mapped bytes giving the same result: what is validated (pickle, text, directory)
        // is copied first (`Source::stable`), offsets come from checked copies, and typed views are made only of types
        // for which every bit pattern is valid. `Backing::Mapped` documents the risk, `Backing::Owned` avoids it.
        #[expect(unsafe_code, reason = "the mapping itself; proof above")]
        let mapping = unsafe { memmap2::MmapOptions::new().map_copy_read_only(file) };
        mapping.map(Self).map_err(|e| Error::io("map the file", e))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
