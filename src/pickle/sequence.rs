//! Where containers keep their elements: one vector shared by all of them.
//!
//! Almost every container of a pickle is filled once, at one go, and so is a range of the shared vector; it owns no
//! allocation, and freeing a graph frees one. A container that is extended after others moves out to a vector of its own.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use crate::error::Error;

/// A range of a shared vector. In [`Sequences`] it may also stand for a vector of the container's own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `len` of a sequence that moved out; `start` is then its index in `moved`. No range is as long.
    const MOVED: u32 = u32::MAX;

    pub(super) const EMPTY: Self = Self { start: 0, len: 0 };

    pub(super) const fn start(self) -> u32 {
        self.start
    }

    #[inline(always)]
    pub(super) fn new(start: usize, len: usize) -> Result<Self, Error> {
        match start.checked_add(len).map(u32::try_from) {
            // `MOVED` is thereby no length.
            Some(Ok(end)) if end != u32::MAX => {
                #[expect(clippy::cast_possible_truncation, reason = "no more than `end`")]
                let (start, len) = (start as u32, len as u32);
                Ok(Self { start, len })
            }
            _ => Err(too_long()),
        }
    }

    #[inline]
    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start.saturating_add(self.len as usize)
    }

    /// The range that lies so much further behind.
    pub(super) fn shifted(self, by: usize) -> Result<Self, Error> {
        let range = self.range();
        Self::new(range.start.saturating_add(by), range.len())
    }

    fn moved(self) -> Option<usize> {
        (self.len == Self::MOVED).then_some(self.start as usize)
    }
}

#[cold]
fn too_long() -> Error {
    Error::limit("the pickle holds 2^32 bytes of text or data, which is more than this crate can address")
}

/// The elements of all containers; a container holds a [`Span`].
#[derive(Debug)]
pub(super) struct Sequences<T> {
    shared: Vec<T>,
    moved: Vec<Vec<T>>,
}

impl<T: Copy> Sequences<T> {
    pub(super) fn with_capacity(elements: usize) -> Self {
        Self { shared: Vec::with_capacity(elements), moved: Vec::new() }
    }

    #[inline]
    pub(super) fn get(&self, span: Span) -> &[T] {
        match span.moved() {
            None => self.shared.get(span.range()).unwrap_or_default(),
            Some(index) => self.moved.get(index).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// A new sequence of these elements.
    #[inline]
    pub(super) fn add(&mut self, elements: impl ExactSizeIterator<Item = T>) -> Result<Span, Error> {
        let span = Span::new(self.shared.len(), elements.len())?;
        self.shared.extend(elements);
        Ok(span)
    }

    /// As `add`, for the hottest case.
    #[inline]
    pub(super) fn add_slice(&mut self, elements: &[T]) -> Result<Span, Error> {
        let span = Span::new(self.shared.len(), elements.len())?;
        self.shared.extend_from_slice(elements);
        Ok(span)
    }

    /// The sequence with these elements after it.
    pub(super) fn extend(&mut self, span: Span, elements: impl ExactSizeIterator<Item = T>) -> Result<Span, Error> {
        if let Some(moved) = span.moved().and_then(|index| self.moved.get_mut(index)) {
            moved.extend(elements);
            return Ok(span);
        }
        let range = span.range();
        if range.is_empty() {
            return self.add(elements);
        }
        if range.end == self.shared.len() {
            let longer = Span::new(range.start, range.len().saturating_add(elements.len()))?;
            self.shared.extend(elements);
            return Ok(longer);
        }
        let mut own = Vec::with_capacity(range.len().saturating_add(elements.len()));
        own.extend_from_slice(self.get(span));
        own.extend(elements);
        let moved = Span { start: Span::new(self.moved.len(), 0)?.start(), len: Span::MOVED };
        self.moved.push(own);
        Ok(moved)
    }

    /// Every element of every sequence.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.shared.iter().chain(self.moved.iter().flatten())
    }

    /// How many elements are shared, and how many sequences have moved out.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.shared.len(), self.moved.len())
    }

    /// Adds all sequences of `other`, each element as `map` gives it; their spans are then [`shifted`](Self::shifted).
    pub(super) fn splice(&mut self, other: &Self, mut map: impl FnMut(&T) -> Result<T, Error>) -> Result<(), Error> {
        self.shared.reserve(other.shared.len());
        for element in &other.shared {
            self.shared.push(map(element)?);
        }
        for moved in &other.moved {
            self.moved.push(moved.iter().map(&mut map).collect::<Result<_, _>>()?);
        }
        Ok(())
    }

    /// The span of a sequence that was spliced in behind [`lengths`](Self::lengths).
    pub(super) fn shifted(span: Span, (shared, moved): (usize, usize)) -> Result<Span, Error> {
        match span.moved() {
            None => span.shifted(shared),
            Some(index) => {
                let start = Span::new(index.saturating_add(moved), 0)?.start();
                Ok(Span { start, len: Span::MOVED })
            }
        }
    }

    /// Drops elements in place: `compact` reorders the slice and says how many of its elements to keep.
    pub(super) fn compact(&mut self, span: Span, compact: impl FnOnce(&mut [T]) -> usize) -> Span {
        match span.moved() {
            Some(index) => {
                if let Some(moved) = self.moved.get_mut(index) {
                    let kept = compact(moved);
                    moved.truncate(kept);
                }
                span
            }
            None => {
                let kept = self.shared.get_mut(span.range()).map_or(0, compact);
                Span { start: span.start, len: u32::try_from(kept).map_or(span.len, |kept| kept.min(span.len)) }
            }
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.shared.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_moves_out_only_when_another_lies_behind_it() {
        let mut sequences = Sequences::with_capacity(0);
        let mut first = sequences.extend(Span::default(), [1, 2].into_iter()).unwrap();
        first = sequences.extend(first, [3].into_iter()).unwrap();
        assert!(first.moved().is_none());
        let second = sequences.add([9].into_iter()).unwrap();
        first = sequences.extend(first, [4].into_iter()).unwrap();
        first = sequences.extend(first, [5].into_iter()).unwrap();
        assert!(first.moved().is_some());
        assert_eq!((sequences.get(first), sequences.get(second)), (&[1, 2, 3, 4, 5][..], &[9][..]));
        first = sequences.compact(first, |all| {
            all.swap(0, 4);
            1
        });
        assert_eq!(sequences.get(first), [5]);
        assert!(sequences.get(Span::default()).is_empty());
    }
}
