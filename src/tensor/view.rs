//! Views without copies: what torch's `narrow`, `select`, `transpose`, `permute` and `view` do to shape and strides.
//!
//! A view of elements stays within what the whole was checked for. Where nothing is left to read, an offset may be
//! anything (FORMAT.md 6.1), hence the saturating sums: for a view with elements they are exact.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::geometry::{Geometry, checked_numel, contiguous_strides};
use crate::error::Error;

impl Geometry {
    pub(super) fn narrow(&self, dim: usize, start: usize, len: usize) -> Result<Self, Error> {
        let (size, stride) = self.dim(dim)?;
        if start.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::caller(format!(
                "{len} from {start} on is more than dimension {dim} has, which is {size}"
            )));
        }
        let dims = self.dims().enumerate().map(|(n, (size, stride))| (if n == dim { len } else { size }, stride));
        Ok(Self::from_dims(dims, self.offset().saturating_add(start.saturating_mul(stride))))
    }

    pub(super) fn select(&self, dim: usize, index: usize) -> Result<Self, Error> {
        let (size, stride) = self.dim(dim)?;
        if index >= size {
            return Err(Error::caller(format!("index {index} is out of range for dimension {dim} of size {size}")));
        }
        let rest: Vec<_> = self.dims().enumerate().filter(|&(n, _)| n != dim).map(|(_, pair)| pair).collect();
        Ok(Self::from_dims(rest.into_iter(), self.offset().saturating_add(index.saturating_mul(stride))))
    }

    pub(super) fn transpose(&self, a: usize, b: usize) -> Result<Self, Error> {
        self.dim(a)?;
        self.dim(b)?;
        let mut dims: Vec<_> = self.dims().collect();
        dims.swap(a, b);
        Ok(Self::from_dims(dims.into_iter(), self.offset()))
    }

    pub(super) fn permute(&self, order: &[usize]) -> Result<Self, Error> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.ndim()) {
            return Err(Error::caller(format!(
                "{order:?} does not name each of the {} dimensions exactly once",
                self.ndim()
            )));
        }
        let dims: Vec<_> = order.iter().map(|&dim| self.dim(dim)).collect::<Result<_, _>>()?;
        Ok(Self::from_dims(dims.into_iter(), self.offset()))
    }

    /// As torch's `view` (`computeStride` in `aten/src/ATen/TensorUtils.cpp`): the old dimensions fall into groups that
    /// lie without gaps, and each group must be divided exactly into new ones.
    pub(super) fn reshape(&self, sizes: &[usize]) -> Result<Self, Error> {
        if checked_numel(sizes) != Some(self.numel()) {
            return Err(Error::caller(format!(
                "shape {sizes:?} does not have the {} elements of shape {:?}",
                self.numel(),
                self.shape()
            )));
        }
        let strides = if self.numel() == 0 { Some(contiguous_strides(sizes)) } else { self.reshaped_strides(sizes) };
        let Some(strides) = strides else {
            return Err(Error::caller(format!(
                "shape {:?} with strides {:?} cannot be seen as shape {sizes:?} without a copy; `detach()` makes one that can",
                self.shape(),
                self.strides()
            )));
        };
        Ok(Self::from_dims(sizes.iter().copied().zip(strides), self.offset()))
    }

    fn reshaped_strides(&self, sizes: &[usize]) -> Option<Vec<usize>> {
        let mut strides = Vec::with_capacity(sizes.len());
        let mut new = sizes.iter().copied().rev().peekable();
        for (mut rest, mut stride) in self.collapsed().into_iter().rev() {
            while rest > 1 {
                let size = new.next()?;
                if !rest.is_multiple_of(size) {
                    return None;
                }
                strides.push(stride);
                rest = rest.checked_div(size)?;
                stride = stride.saturating_mul(size);
            }
        }
        // What is left are ones, since the numbers of elements agree.
        strides.extend(new.map(|_| 1));
        strides.reverse();
        Some(strides)
    }

    /// The fewest dimensions that visit the same elements in the same order: none of size 1, none that continues the next.
    pub(super) fn collapsed(&self) -> Vec<(usize, usize)> {
        let mut dims: Vec<(usize, usize)> = Vec::with_capacity(self.ndim());
        for (size, stride) in self.dims().filter(|&(size, _)| size != 1) {
            match dims.last_mut() {
                Some(outer) if size.checked_mul(stride) == Some(outer.1) => {
                    *outer = (outer.0.saturating_mul(size), stride);
                }
                _ => dims.push((size, stride)),
            }
        }
        dims
    }

    fn dim(&self, dim: usize) -> Result<(usize, usize), Error> {
        self.dims().nth(dim).ok_or_else(|| {
            Error::caller(format!("there is no dimension {dim} in a tensor with {} dimensions", self.ndim()))
        })
    }
}
