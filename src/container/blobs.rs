//! Named ranges of a file: the storages of containers that keep bytes one behind the other, without a directory.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::fmt;
use std::ops::Range;

use super::checksum;
use crate::error::{Error, Shown};
use crate::source::{RecordId, Records, Source};

/// See the module's documentation. Nothing in it is compressed or has a checksum.
pub(crate) struct Blobs {
    source: Source,
    blobs: Vec<Blob>,
}

struct Blob {
    name: Box<str>,
    range: Range<u64>,
    /// It lies within another one.
    is_part: bool,
}

impl Blobs {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, blobs: Vec::new() }
    }

    /// Adds the bytes behind a number of elements (8 bytes, little endian), which has to be the one that is expected.
    ///
    /// # Errors
    /// Malformed: another number; the file ends before.
    pub(crate) fn counted(&mut self, name: &str, at: u64, itemsize: u64, nbytes: u64) -> Result<RecordId, Error> {
        let expected = nbytes.checked_div(itemsize).unwrap_or(0);
        let declared_count = self.count(name, at)?;
        if declared_count == 0 && expected != 0 && self.is_zero_filled(at) {
            return Err(Error::malformed(format!(
                "the file holds only zeros from storage `{}` on: a download or copy was interrupted after its space had been reserved",
                Shown(name)
            ))
            .at(at));
        }
        if u64::try_from(declared_count) != Ok(expected) {
            return Err(Error::malformed(format!(
                "the number of elements in front of storage `{}` is {declared_count}, but the pickle says {expected} ({nbytes} bytes)",
                Shown(name),
            ))
            .at(at));
        }
        self.sized(name, at, itemsize)
    }

    /// Adds the bytes behind a number of elements, as many as that says.
    ///
    /// # Errors
    /// Malformed: an impossible number; the file ends before.
    pub(crate) fn sized(&mut self, name: &str, at: u64, itemsize: u64) -> Result<RecordId, Error> {
        let declared_count = self.count(name, at)?;
        let nbytes = u64::try_from(declared_count).ok().and_then(|count| count.checked_mul(itemsize));
        let Some(nbytes) = nbytes else {
            return Err(
                Error::malformed(format!("storage `{}`: {declared_count} elements cannot be", Shown(name))).at(at)
            );
        };
        let start = at.saturating_add(8);
        match start.checked_add(nbytes).filter(|&end| end <= self.source.len()) {
            Some(end) => self.add(name, start..end),
            None => Err(self.cut(name, at, nbytes)),
        }
    }

    fn is_zero_filled(&self, from: u64) -> bool {
        let rest = self.source.get(from..self.source.len()).unwrap_or_default();
        rest.len() > 8 && rest.iter().all(|&byte| byte == 0)
    }

    fn count(&self, name: &str, at: u64) -> Result<i64, Error> {
        let count = at.checked_add(8).and_then(|end| self.source.get(at..end)).and_then(|bytes| bytes.first_chunk());
        count.map(|&count| i64::from_le_bytes(count)).ok_or_else(|| self.cut(name, at, 0))
    }

    fn cut(&self, name: &str, at: u64, nbytes: u64) -> Error {
        let missing = at.saturating_add(8).saturating_add(nbytes).saturating_sub(self.source.len());
        Error::malformed(format!(
            "the file ends within storage `{}`, {missing} bytes before its end: it is truncated",
            Shown(name),
        ))
        .at(at)
    }

    /// Adds a range, which has to lie in the file.
    ///
    /// # Errors
    /// Malformed: it does not.
    pub(crate) fn add(&mut self, name: &str, range: Range<u64>) -> Result<RecordId, Error> {
        if self.source.get(range.clone()).is_none() {
            return Err(Error::malformed(format!(
                "`{}` has bytes {} to {}, but the file has {}",
                Shown(name),
                range.start,
                range.end,
                self.source.len()
            )));
        }
        let id = u32::try_from(self.blobs.len()).map_err(|_| Error::limit("more than 2^32 storages"))?;
        self.blobs.push(Blob { name: name.into(), range, is_part: false });
        Ok(RecordId(id))
    }

    /// Adds a part of a range, from `start` in it on, which has to lie within.
    ///
    /// # Errors
    /// Malformed: it does not.
    pub(crate) fn add_part(&mut self, of: RecordId, start: u64, len: u64) -> Result<RecordId, Error> {
        let (name, range) = self.blob(of).map_or(("".into(), 0..0), |blob| (blob.name.clone(), blob.range.clone()));
        let part = range.start.checked_add(start).and_then(|start| Some(start..start.checked_add(len)?));
        match part.filter(|part| part.end <= range.end) {
            Some(part) => {
                let id = self.add(&name, part)?;
                if let Some(blob) = self.blobs.last_mut() {
                    blob.is_part = true;
                }
                Ok(id)
            }
            None => Err(Error::malformed(format!("a view of storage `{}` lies beyond its end", Shown(&name)))),
        }
    }

    fn blob(&self, record: RecordId) -> Option<&Blob> {
        self.blobs.get(usize::try_from(record.0).ok()?)
    }

    /// The ranges that do not lie within others.
    fn wholes(&self) -> impl Iterator<Item = &Blob> {
        self.blobs.iter().filter(|blob| !blob.is_part)
    }

    /// Where a range ends in the file.
    pub(crate) fn end(&self, record: RecordId) -> u64 {
        self.blob(record).map_or(0, |blob| blob.range.end)
    }

    /// The length of a range in bytes.
    pub(crate) fn record_len(&self, record: RecordId) -> u64 {
        self.blob(record).map_or(0, |blob| blob.range.end.saturating_sub(blob.range.start))
    }
}

impl Records for Blobs {
    fn borrow(&self, record: RecordId) -> Result<Option<&[u8]>, Error> {
        let bytes = self.blob(record).and_then(|blob| self.source.get(blob.range.clone()));
        bytes.map(Some).ok_or_else(|| Error::malformed("the file has no such storage"))
    }

    fn produce(&self, record: RecordId) -> Result<Vec<u8>, Error> {
        // What is borrowed is copied by whoever needs a copy.
        Ok(self.borrow(record)?.unwrap_or_default().to_vec())
    }

    fn is_stable(&self) -> bool {
        self.source.is_stable()
    }

    fn name(&self, record: RecordId) -> &str {
        self.blob(record).map_or("", |blob| &blob.name)
    }

    /// That every range lies in the file was checked when it was found, and there is no checksum: what is left is that the
    /// bytes can be read.
    fn defects(&self, progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
        for blob in self.wholes() {
            std::hint::black_box(checksum(self.source.get(blob.range.clone()).unwrap_or_default(), progress));
        }
        Vec::new()
    }

    fn len(&self) -> u64 {
        let lens = self.wholes().map(|blob| blob.range.end.saturating_sub(blob.range.start));
        lens.fold(0, u64::saturating_add)
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blobs({} in {:?})", self.blobs.len(), self.source)
    }
}
