//! The numbers of an index tensor.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::borrow::Cow;

use crate::error::Error;
use crate::tensor::{DType, Tensor};

/// Integers in row-major order, borrowed from the file where they lie so.
pub(in crate::tensor) struct Indices<'t> {
    bytes: Cow<'t, [u8]>,
    wide: bool,
}

impl<'t> Indices<'t> {
    /// Whether the dtype is one that indices can have. Coordinates are `int64` only; the others may be `int32`.
    pub(in crate::tensor) fn fit(dtype: DType) -> bool {
        matches!(dtype, DType::Int64 | DType::Int32)
    }

    /// Reads a tensor of such a dtype.
    pub(in crate::tensor) fn read(tensor: &'t Tensor) -> Result<Self, Error> {
        Ok(Self { bytes: tensor.bytes()?, wide: tensor.dtype() == DType::Int64 })
    }

    pub(in crate::tensor) fn len(&self) -> usize {
        if self.wide { self.bytes.as_chunks::<8>().0.len() } else { self.bytes.as_chunks::<4>().0.len() }
    }

    /// The number at a position; -1, which is never in range, where there is none.
    #[inline]
    pub(in crate::tensor) fn at(&self, position: usize) -> i64 {
        let number = if self.wide {
            self.bytes.as_chunks().0.get(position).map(|&bytes| i64::from_ne_bytes(bytes))
        } else {
            self.bytes.as_chunks().0.get(position).map(|&bytes| i64::from(i32::from_ne_bytes(bytes)))
        };
        number.unwrap_or(-1)
    }

    /// The number at a position as an index that was checked before: the greatest one if it is none (any more), which is
    /// out of range everywhere.
    #[inline]
    pub(in crate::tensor) fn checked(&self, position: usize) -> usize {
        usize::try_from(self.at(position)).unwrap_or(usize::MAX)
    }
}
