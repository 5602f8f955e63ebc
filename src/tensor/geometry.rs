//! Which elements of a storage does a tensor have, and in what order? Shape, strides and offset, all in elements.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::dtype::DType;
use crate::error::Error;
use crate::limits::Limits;

/// Up to this many dimensions need no heap.
const INLINE: usize = 4;

/// No tensor has more elements: their number times 16 bytes, the largest item size, is then always an `isize`.
const MAX_NUMEL: usize = usize::MAX / 32;

/// A shape with its strides and offset. What [`check`](Self::check) made, and every view of it, lies within its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    dims: Dims,
    offset: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Dims {
    Inline {
        len: u8,
        sizes: [usize; INLINE],
        strides: [usize; INLINE],
    },
    /// The sizes, then as many strides.
    Boxed(Box<[usize]>),
}

impl Geometry {
    /// Takes pairs of size and stride as they are: whoever calls answers for their lying within the storage.
    #[inline]
    pub(super) fn from_dims(dims: impl ExactSizeIterator<Item = (usize, usize)>, offset: usize) -> Self {
        let dims = match u8::try_from(dims.len()) {
            Ok(len) if dims.len() <= INLINE => {
                let (mut sizes, mut strides) = ([0; INLINE], [0; INLINE]);
                for ((size, stride), dim) in sizes.iter_mut().zip(&mut strides).zip(dims) {
                    (*size, *stride) = dim;
                }
                Dims::Inline { len, sizes, strides }
            }
            _ => {
                let (mut sizes, strides): (Vec<_>, Vec<_>) = dims.unzip();
                sizes.extend(strides);
                Dims::Boxed(sizes.into_boxed_slice())
            }
        };
        Self { dims, offset }
    }

    /// Row-major from element 0. The caller has checked that the sizes multiply to at most [`MAX_NUMEL`].
    pub(super) fn contiguous(sizes: &[usize]) -> Self {
        let strides = contiguous_strides(sizes);
        Self::from_dims(sizes.iter().copied().zip(strides), 0)
    }

    /// The view check (FORMAT.md 6.1): everything that a file declares of a tensor, against the elements of its storage.
    /// Pass [`u64::MAX`] where there is no storage to lie in (meta tensors).
    #[inline]
    pub(crate) fn check(
        declared_sizes: &[i64],
        declared_strides: &[i64],
        declared_offset: i64,
        storage_elements: u64,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let this = Self::check_numbers(declared_sizes, declared_strides, declared_offset, limits)?;
        // torch accepts any offset and any strides where there is nothing to read.
        if this.numel() == 0 {
            return Ok(this);
        }
        let end = this.last().and_then(|last| last.checked_add(1));
        if end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= storage_elements)) {
            return Ok(this);
        }
        Err(Error::malformed(format!(
            "a tensor of shape {:?} with strides {:?} and offset {declared_offset} does not fit in its storage of {storage_elements} elements",
            this.shape(),
            this.strides()
        )))
    }

    /// The view check of `quint4x2` and `quint2x4`, whose sizes count values while the offset and the storage count bytes
    /// (FORMAT.md 7). Values are packed over the flattened index, so nothing but a contiguous tensor has a meaning.
    pub(crate) fn check_packed(
        declared_sizes: &[i64],
        declared_strides: &[i64],
        declared_offset: i64,
        storage_bytes: u64,
        dtype: DType,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let this = Self::check_numbers(declared_sizes, declared_strides, declared_offset, limits)?;
        if this.numel() == 0 {
            return Ok(this);
        }
        if !this.is_contiguous() {
            return Err(Error::unsupported(format!(
                "a tensor of dtype {dtype} and shape {:?} has strides {:?}; packed values are only read in row-major order",
                this.shape(),
                this.strides()
            )));
        }
        let end = this.offset.checked_add(this.numel().div_ceil(dtype.values_per_byte()));
        if end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= storage_bytes)) {
            return Ok(this);
        }
        Err(Error::malformed(format!(
            "{} values of dtype {dtype} from byte {declared_offset} on do not fit in a storage of {storage_bytes} bytes",
            this.numel()
        )))
    }

    /// What holds for every tensor, whatever its storage: numbers that are not negative and a size that can be counted.
    #[inline]
    fn check_numbers(
        declared_sizes: &[i64],
        declared_strides: &[i64],
        declared_offset: i64,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let dimensions = u64::try_from(declared_sizes.len()).unwrap_or(u64::MAX);
        Limits::check("dimensions", dimensions, u64::try_from(limits.dimensions).unwrap_or(u64::MAX))?;
        if declared_sizes.len() != declared_strides.len() {
            return Err(Error::malformed(format!(
                "a tensor has {} dimensions but {} strides",
                declared_sizes.len(),
                declared_strides.len()
            )));
        }
        let offset = checked("storage offset", declared_offset)?;
        for (&size, &stride) in declared_sizes.iter().zip(declared_strides) {
            checked("size", size)?;
            checked("stride", stride)?;
        }
        // The loop above has met every number that does not convert.
        let known = |&declared: &i64| usize::try_from(declared).unwrap_or(0);
        let dims = declared_sizes.iter().map(known).zip(declared_strides.iter().map(known));
        let this = Self::from_dims(dims, offset);
        if checked_numel(this.shape()).is_none() {
            return Err(Error::malformed(format!(
                "a tensor of shape {declared_sizes:?} has more elements than can be addressed"
            )));
        }
        Ok(this)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match &self.dims {
            Dims::Inline { len, sizes, .. } => sizes.get(..usize::from(*len)).unwrap_or_default(),
            Dims::Boxed(both) => both.split_at_checked(both.len() / 2).unwrap_or_default().0,
        }
    }

    pub(crate) fn strides(&self) -> &[usize] {
        match &self.dims {
            Dims::Inline { len, strides, .. } => strides.get(..usize::from(*len)).unwrap_or_default(),
            Dims::Boxed(both) => both.split_at_checked(both.len() / 2).unwrap_or_default().1,
        }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// Pairs of size and stride, outermost dimension first.
    pub(super) fn dims(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + DoubleEndedIterator + Clone {
        self.shape().iter().copied().zip(self.strides().iter().copied())
    }

    pub(crate) fn numel(&self) -> usize {
        // Every geometry was checked not to have more.
        checked_numel(self.shape()).unwrap_or(MAX_NUMEL)
    }

    /// The greatest element index that a tensor with elements reaches.
    #[inline]
    pub(super) fn last(&self) -> Option<usize> {
        self.dims()
            .try_fold(self.offset, |last, (size, stride)| last.checked_add(size.checked_sub(1)?.checked_mul(stride)?))
    }

    /// As torch has it (`c10/core/Contiguity.h`): row-major without gaps, whatever the strides of dimensions of size 1.
    pub(crate) fn is_contiguous(&self) -> bool {
        if self.numel() == 0 {
            return true;
        }
        let mut expected = 1_usize;
        self.dims().rev().all(|(size, stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size);
            fits
        })
    }
}

#[inline]
fn checked(what: &str, declared: i64) -> Result<usize, Error> {
    usize::try_from(declared).map_err(|_| Error::malformed(format!("a tensor has the negative {what} {declared}")))
}

/// The number of elements, `None` if it is more than [`MAX_NUMEL`].
#[inline]
pub(super) fn checked_numel(sizes: &[usize]) -> Option<usize> {
    if sizes.contains(&0) {
        return Some(0);
    }
    let numel = sizes.iter().try_fold(1_usize, |numel, &size| numel.checked_mul(size))?;
    (numel <= MAX_NUMEL).then_some(numel)
}

/// Row-major strides, as torch computes them: a dimension of size 0 counts as 1.
pub(super) fn contiguous_strides(sizes: &[usize]) -> Vec<usize> {
    let mut next = 1_usize;
    let mut strides: Vec<usize> = sizes
        .iter()
        .rev()
        .map(|&size| {
            let stride = next;
            // Only beside a dimension of size 0 can this pass what was checked, and then nothing is read.
            next = next.saturating_mul(size.max(1));
            stride
        })
        .collect();
    strides.reverse();
    strides
}
