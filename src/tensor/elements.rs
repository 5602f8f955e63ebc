//! Where are the elements of a tensor? In the bytes of one storage, or spread over several chunks.

use std::borrow::Cow;

use super::chunks::View;
use super::gather;
use super::geometry::Geometry;
use super::handle::Tensor;
use super::read::beyond;
use super::storage::Storage;
use crate::error::Error;

/// The elements of a strided tensor, as they are stored.
pub(super) enum Elements<'a> {
    /// In these bytes, in the places that the geometry says. Its dimensions of size 1 need not be the tensor's.
    In(&'a [u8], Cow<'a, Geometry>),
    /// In several chunks, which have not been put together.
    Spread(View<'a>),
}

impl Tensor {
    pub(super) fn elements(&self) -> Result<Elements<'_>, Error> {
        self.elements_by(|storage| storage.bytes(self.dtype.swap_unit()))
    }

    /// The same in one piece: chunks are put together for it, and stay so.
    pub(super) fn elements_together(&self) -> Result<Elements<'_>, Error> {
        self.together(|storage| storage.bytes(self.dtype.swap_unit()))
    }

    /// The same in memory that nobody else can change.
    pub(super) fn elements_stable(&self) -> Result<Elements<'_>, Error> {
        self.together(Storage::stable_bytes)
    }

    fn together<'a>(&'a self, bytes: impl Fn(&'a Storage) -> Result<&'a [u8], Error>) -> Result<Elements<'a>, Error> {
        match self.elements_by(&bytes)? {
            Elements::Spread(_) => Ok(Elements::In(bytes(&self.storage)?, Cow::Borrowed(&self.geometry))),
            elements => Ok(elements),
        }
    }

    fn elements_by<'a>(
        &'a self,
        bytes: impl Fn(&'a Storage) -> Result<&'a [u8], Error>,
    ) -> Result<Elements<'a>, Error> {
        self.require_strided()?;
        let chunks = self.storage.chunks();
        if chunks.is_some() && self.numel() == 0 {
            return Ok(Elements::In(&[], Cow::Borrowed(&self.geometry)));
        }
        let Some(view) = chunks.and_then(|chunks| chunks.view(self.dtype, &self.geometry)) else {
            return Ok(Elements::In(bytes(&self.storage)?, Cow::Borrowed(&self.geometry)));
        };
        if let Some((chunk, geometry)) = view.only_chunk()
            && chunk.resolve()?.is_none()
        {
            return Ok(Elements::In(bytes(&chunk.storage)?, Cow::Owned(geometry)));
        }
        Ok(Elements::Spread(view))
    }

    /// Whether it is all of its storage, in row-major order.
    pub(super) fn is_whole_storage(&self) -> bool {
        self.geometry.is_contiguous() && u64::try_from(self.nbytes()).is_ok_and(|len| len == self.storage.nbytes())
    }

    /// The part of the stored bytes that is this tensor's in row-major order, if there is one.
    pub(super) fn plain<'a>(&self, elements: &Elements<'a>) -> Result<Option<&'a [u8]>, Error> {
        if self.numel() == 0 {
            return Ok(Some(&[]));
        }
        let Elements::In(stored, geometry) = elements else { return Ok(None) };
        if !geometry.is_contiguous() {
            return Ok(None);
        }
        // Not the offset of a tensor without elements, which may be anything: this one is within the storage.
        let start = geometry.offset().saturating_mul(self.dtype.itemsize());
        stored.get(start..).and_then(|rest| rest.get(..self.nbytes())).map(Some).ok_or_else(beyond)
    }
}

impl Elements<'_> {
    /// Calls `sink` with the bytes of elements that follow one another in row-major order, and the place there of the first
    /// of them, until all were given.
    pub(super) fn runs(&self, itemsize: usize, sink: &mut dyn FnMut(usize, &[u8])) -> Result<(), Error> {
        match self {
            Self::In(stored, geometry) => gather::runs(stored, itemsize, geometry, sink).ok_or_else(beyond),
            Self::Spread(view) => view.runs(sink),
        }
    }

    /// Writes them all in row-major order.
    pub(super) fn copy(&self, itemsize: usize, into: &mut [u8]) -> Result<(), Error> {
        let mut fits = true;
        self.runs(itemsize, &mut |start, run| match into
            .get_mut(start.saturating_mul(itemsize)..)
            .and_then(|into| into.get_mut(..run.len()))
        {
            Some(into) => into.copy_from_slice(run),
            None => fits = false,
        })?;
        if fits { Ok(()) } else { Err(beyond()) }
    }
}
