//! Memory of our own, aligned for every dtype.

use std::convert::Infallible;
use std::fmt;
use std::ops::{Deref, Range};

use zerocopy::{FromZeros, IntoBytes};

use crate::error::Error;
use crate::parallel::{self, PIECE};

/// Bytes at a multiple of 16, unless they were made by somebody else.
///
/// What is filled at once is mapped where that is possible: the system then gives all its pages in one go
/// ([`populate`](Memory::populate)), in two thirds of the time that touching one after the other takes.
///
/// Large pages were tried and left: with free memory at hand they make a copy three times as fast, but where the page cache
/// has the memory, as it has after reading large files, the kernel first moves pages about, for longer than that saves.
pub(crate) struct Memory(Kind);

enum Kind {
    /// As somebody made them.
    Made(Vec<u8>),
    /// So many bytes of these words.
    Words(Vec<u128>, usize),
    /// Pages of our own.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Pages(memmap2::MmapMut),
}

impl Memory {
    /// From so many bytes on, pages are asked for. The C library's own threshold for doing so.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    const PAGES: usize = 128 << 10;
    /// Bytes that are populated and filled while the processor still has them at hand.
    const STEP: usize = 1 << 20;

    /// So many bytes of zeros. The allocator has large blocks zeroed by the system, so they are first touched when they are
    /// filled.
    ///
    /// # Errors
    /// Limit: there is no memory.
    pub(crate) fn zeroed(len: usize) -> Result<Self, Error> {
        let words = u128::new_vec_zeroed(len.div_ceil(size_of::<u128>())).map_err(|_| Error::no_memory(len))?;
        Ok(Self(Kind::Words(words, len)))
    }

    /// As [`zeroed`](Self::zeroed), for what is [populated](Self::populate) and filled at once.
    ///
    /// # Errors
    /// As [`zeroed`](Self::zeroed).
    pub(crate) fn to_fill(len: usize) -> Result<Self, Error> {
        #[cfg(all(feature = "mmap", target_os = "linux"))]
        if len >= Self::PAGES
            && let Ok(pages) = memmap2::MmapMut::map_anon(len)
        {
            return Ok(Self(Kind::Pages(pages)));
        }
        // The allocator may still have it where the system gives no more mappings.
        Self::zeroed(len)
    }

    /// Has the system give the pages of what is about to be filled, on all cores. Where it cannot (Linux before 5.14), they
    /// come when they are touched.
    pub(crate) fn populate_on_all_cores(&self) {
        let len = self.bytes().len();
        let pieces = (0..len).step_by(PIECE).map(|start| start..start.saturating_add(PIECE).min(len));
        let Ok(()) = parallel::each(pieces, u64::try_from(len).unwrap_or(u64::MAX), |piece| {
            self.populate(piece);
            Ok::<(), Infallible>(())
        });
    }

    /// As [`populate_on_all_cores`](Self::populate_on_all_cores), of a part and by this thread alone.
    pub(crate) fn populate(&self, range: Range<usize>) {
        #[cfg(all(feature = "mmap", target_os = "linux"))]
        if let Kind::Pages(pages) = &self.0 {
            // While the system is at it, no other thread can begin or map anything: hence step by step.
            for step in range.clone().step_by(Self::STEP) {
                let len = range.end.saturating_sub(step).min(Self::STEP);
                _ = pages.advise_range(memmap2::Advice::PopulateWrite, step, len);
            }
        }
        #[cfg(not(all(feature = "mmap", target_os = "linux")))]
        let _ = range;
    }

    /// A copy.
    ///
    /// # Errors
    /// As [`zeroed`](Self::zeroed).
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self, Error> {
        let mut copy = Self::to_fill(bytes.len())?;
        for (step, from) in (0..bytes.len()).step_by(Self::STEP).zip(bytes.chunks(Self::STEP)) {
            let range = step..step.saturating_add(from.len());
            copy.populate(range.clone());
            if let Some(into) = copy.bytes_mut().get_mut(range) {
                into.copy_from_slice(from);
            }
        }
        Ok(copy)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Made(bytes) => bytes,
            Kind::Words(words, len) => words.as_bytes().get(..*len).unwrap_or_default(),
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Kind::Pages(pages) => pages,
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Kind::Made(bytes) => bytes,
            Kind::Words(words, len) => words.as_mut_bytes().get_mut(..*len).unwrap_or_default(),
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Kind::Pages(pages) => pages,
        }
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Made(bytes))
    }
}

/// Bytes that nobody else can change: lent by memory, or copied out of a mapped file.
pub(crate) enum Stable<'a> {
    Lent(&'a [u8]),
    Copied(Memory),
}

impl Deref for Stable<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Copied(memory) => memory.bytes(),
        }
    }
}

impl fmt::Debug for Stable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stable({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_every_size_is_zeroed_aligned_and_as_long_as_asked() {
        for len in [0, 1, 15, 16, 17, 4096, (2 << 20) - 1, 2 << 20, (4 << 20) + 5] {
            let mut memory = Memory::zeroed(len).unwrap();
            assert_eq!(memory.bytes().len(), len);
            assert!(memory.bytes().iter().all(|&byte| byte == 0));
            assert_eq!(memory.bytes().as_ptr().align_offset(16), 0);
            memory.bytes_mut().fill(7);
            assert_eq!(Memory::copy_of(memory.bytes()).unwrap().bytes(), vec![7; len]);
        }
    }

    #[test]
    fn memory_that_nobody_has_is_an_error() {
        assert!(Memory::zeroed(isize::MAX.unsigned_abs() - 4096).is_err());
        assert!(Memory::zeroed(usize::MAX).is_err());
        assert!(Memory::to_fill(isize::MAX.unsigned_abs() - 4096).is_err());
        assert!(Memory::to_fill(usize::MAX).is_err());
    }
}
