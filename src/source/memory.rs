//! Memory of our own, aligned for every dtype.

use std::fmt;
use std::ops::Deref;

use zerocopy::{FromZeros, IntoBytes};

use crate::error::Error;

/// Bytes at a multiple of 16, unless they were made by somebody else.
///
/// Large pages were tried and left: with free memory at hand they make a copy three times as fast, but where the page cache
/// has the memory, as it has after reading large files, the kernel first moves pages about, for longer than that saves.
pub(crate) struct Memory(Kind);

enum Kind {
    /// As somebody made them.
    Made(Vec<u8>),
    /// So many bytes of these words.
    Words(Vec<u128>, usize),
}

impl Memory {
    /// So many bytes of zeros. The allocator has large blocks zeroed by the system, so they are first touched when they are
    /// filled.
    ///
    /// # Errors
    /// Limit: there is no memory.
    pub(crate) fn zeroed(len: usize) -> Result<Self, Error> {
        let words = u128::new_vec_zeroed(len.div_ceil(size_of::<u128>())).map_err(|_| Error::no_memory(len))?;
        Ok(Self(Kind::Words(words, len)))
    }

    /// A copy.
    ///
    /// # Errors
    /// As [`zeroed`](Self::zeroed).
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self, Error> {
        let mut copy = Self::zeroed(bytes.len())?;
        copy.bytes_mut().copy_from_slice(bytes);
        Ok(copy)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Made(bytes) => bytes,
            Kind::Words(words, len) => words.as_bytes().get(..*len).unwrap_or_default(),
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Kind::Made(bytes) => bytes,
            Kind::Words(words, len) => words.as_mut_bytes().get_mut(..*len).unwrap_or_default(),
        }
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Made(bytes))
    }
}

impl From<Box<[u8]>> for Memory {
    fn from(bytes: Box<[u8]>) -> Self {
        Self::from(bytes.into_vec())
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
    }
}
