//! Coordinates: an index for each sparse dimension, and a value (or a dense piece) for each place.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::indices::Indices;
use super::{Places, wrong};
use crate::error::Error;
use crate::tensor::geometry::contiguous_strides;
use crate::tensor::{DType, Tensor};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Coo {
    /// `[sparse dimensions, n]`
    indices: Tensor,
    /// `[n, dense dimensions…]`
    values: Tensor,
    coalesced: Option<bool>,
}

impl Coo {
    pub(super) fn new(
        indices: Tensor,
        values: Tensor,
        shape: &[usize],
        coalesced: Option<bool>,
    ) -> Result<Self, Error> {
        let &[sparse, nnz] = indices.shape() else {
            return Err(wrong("indices", &indices, "a matrix"));
        };
        if indices.dtype() != DType::Int64 {
            return Err(wrong("indices", &indices, "int64"));
        }
        let dense = shape
            .get(sparse..)
            .ok_or_else(|| wrong("indices", &indices, format_args!("at most one row for each of {shape:?}")))?;
        match values.shape().split_first() {
            Some((&count, rest)) if count == nnz && rest == dense => Ok(Self { indices, values, coalesced }),
            _ => {
                let should =
                    format!("{nnz} elements of shape {dense:?}, which the indices and the size {shape:?} ask for");
                Err(wrong("values", &values, should))
            }
        }
    }

    pub(super) fn coalesced(&self) -> Option<bool> {
        self.coalesced
    }

    pub(super) fn nnz(&self) -> usize {
        self.indices.shape().last().copied().unwrap_or(0)
    }

    pub(in crate::tensor) fn values(&self) -> &Tensor {
        &self.values
    }

    pub(in crate::tensor) fn parts(&self) -> [Option<(&'static str, &Tensor)>; 4] {
        [Some(("indices", &self.indices)), Some(("values", &self.values)), None, None]
    }

    /// The same over other parts of the same shapes.
    pub(in crate::tensor) fn map(&self, part: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        Ok(Self { indices: part(&self.indices)?, values: part(&self.values)?, coalesced: self.coalesced })
    }

    pub(super) fn places(&self, shape: &[usize]) -> Result<CooPlaces<'_>, Error> {
        let sparse = self.indices.shape().first().copied().unwrap_or(0);
        let (sizes, dense) = shape.split_at_checked(sparse).unwrap_or((shape, &[]));
        let strides = contiguous_strides(shape);
        let dims = sizes.iter().copied().zip(strides).collect();
        Ok(CooPlaces {
            indices: Indices::read(&self.indices)?,
            nnz: self.nnz(),
            dims,
            run: dense.iter().fold(1, |run: usize, &size| run.saturating_mul(size)),
        })
    }
}

pub(super) struct CooPlaces<'t> {
    indices: Indices<'t>,
    nnz: usize,
    /// Size and stride of each sparse dimension in the dense tensor.
    dims: Vec<(usize, usize)>,
    /// Elements of one value.
    run: usize,
}

impl Places for CooPlaces<'_> {
    fn check(&self) -> Result<(), Error> {
        for (dim, &(size, _)) in self.dims.iter().enumerate() {
            let row = dim.saturating_mul(self.nnz);
            for n in 0..self.nnz {
                let index = self.indices.at(row.saturating_add(n));
                if usize::try_from(index).is_ok_and(|index| index < size) {
                    continue;
                }
                return Err(Error::malformed(format!(
                    "`indices` at [{dim}, {n}] is {index}, but dimension {dim} has the size {size}"
                )));
            }
        }
        Ok(())
    }

    fn each(&self, mut run: impl FnMut(usize, usize, usize)) {
        for n in 0..self.nnz {
            let mut to = 0_usize;
            let mut position = n;
            for &(_, stride) in &self.dims {
                to = to.saturating_add(self.indices.checked(position).saturating_mul(stride));
                position = position.saturating_add(self.nnz);
            }
            run(to, n.saturating_mul(self.run), self.run);
        }
    }
}
