//! Sparse tensors: some elements with their places, the rest is zero.
//!
//! What needs no data (dtypes, ranks, sizes) is checked when the tensor is made; the indices themselves are read and
//! checked by [`Tensor::to_dense`], all of them before the first element is written (FORMAT.md 6.3).

mod compressed;
mod coo;
mod indices;
mod sum;
#[cfg(test)]
mod tests;

pub(super) use compressed::Compressed;
pub(super) use coo::Coo;
pub(super) use indices::Indices;

use super::Tensor;
use super::extra::Extra;
use super::geometry::{Geometry, checked_numel};
use super::handle::TensorParts;
use super::layout::{Composite, Layout};
use crate::error::{Error, ErrorKind};

/// Where the stored elements belong in the dense tensor.
trait Places {
    /// Reads all indices and checks that every place is within the dense tensor.
    fn check(&self) -> Result<(), Error>;

    /// Calls `run(to, from, len)` for every run of `len` elements that lie in a row in the dense tensor, from element `to`
    /// on, and in the values, from element `from` on; in the order in which they are stored.
    fn each(&self, run: impl FnMut(usize, usize, usize));
}

impl Tensor {
    /// A sparse tensor of coordinates: `indices` are `[sparse dimensions, n]`, `values` `[n, dense dimensions…]`.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub(crate) fn sparse_coo(
        indices: Self,
        values: Self,
        declared_sizes: &[i64],
        coalesced: Option<bool>,
    ) -> Result<Self, Error> {
        let shape = sizes(declared_sizes)?;
        let coo = Coo::new(indices, values, &shape, coalesced).map_err(|e| of(Layout::SparseCoo, &e))?;
        Composite::Coo(Box::new(coo)).into_tensor(&shape)
    }

    /// A sparse tensor of compressed rows or columns (of blocks).
    ///
    /// # Errors
    /// The parts do not fit together, or `layout` is none of these.
    pub(crate) fn sparse_compressed(
        layout: Layout,
        compressed: Self,
        plain: Self,
        values: Self,
        declared_sizes: &[i64],
    ) -> Result<Self, Error> {
        let shape = sizes(declared_sizes)?;
        let compressed = Compressed::new(layout, compressed, plain, values, &shape).map_err(|e| of(layout, &e))?;
        Composite::Compressed(Box::new(compressed)).into_tensor(&shape)
    }

    /// Whether each place of a [`SparseCoo`](Layout::SparseCoo) tensor is stored at most once, in order, as the file has it;
    /// `None` for another layout, or if the file does not say.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/sparse_coo.pt", "cpu")?;
    /// let (once, twice) = (&weights["coalesced"], &weights["duplicates"]);
    /// assert_eq!((once.is_coalesced(), twice.is_coalesced()), (Some(true), Some(false)));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_coalesced(&self) -> Option<bool> {
        match self.composite()? {
            Composite::Coo(coo) => coo.coalesced(),
            _ => None,
        }
    }

    /// How many elements a sparse tensor stores (torch's `_nnz()`), zeros and repeated places included: blocks, rows of
    /// dense dimensions or numbers, in each matrix of a batch. `None` if the tensor is not sparse.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/sparse_coo.pt", None)?;
    /// let tensor = &weights["duplicates"];
    /// assert_eq!((tensor.shape(), tensor.nnz(), tensor.is_coalesced()), (&[3, 4][..], Some(4), Some(false)));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn nnz(&self) -> Option<usize> {
        match self.composite()? {
            Composite::Coo(coo) => Some(coo.nnz()),
            Composite::Compressed(compressed) => Some(compressed.nnz()),
            Composite::Views(_) | Composite::Jagged(_) => None,
        }
    }

    /// The whole of a sparse tensor, zeros included, in row-major order and memory of its own. What is stored several
    /// times for one place is added up in the dtype's own precision, as in torch: integers wrap around, `bool` is true if
    /// any is. A strided tensor is given as it is.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/sparse_csr.pt", None)?;
    /// let dense = weights["square"].to_dense()?;
    /// assert_eq!(dense.as_slice::<f32>()?, [0.0, 0.5, 1.0, 1.5]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`]: an index is out of range or the compressed indices are inconsistent; the message names
    /// the part and the number. [`ErrorKind::Limit`]: the dense tensor is larger than
    /// [`Limits::materialised_bytes`](crate::Limits::materialised_bytes). [`ErrorKind::Unsupported`]: the tensor is nested
    /// (see [`unbind`](Self::unbind)), or torch has no sum of its dtype. Otherwise as [`bytes`](Self::bytes).
    pub fn to_dense(&self) -> Result<Self, Error> {
        match self.composite() {
            None => Ok(self.clone()),
            Some(Composite::Coo(coo)) => self.dense(coo.values(), || coo.places(self.shape())),
            Some(Composite::Compressed(compressed)) => self.dense(compressed.values(), || compressed.places()),
            Some(Composite::Views(_) | Composite::Jagged(_)) => Err(Error::unsupported(
                "a nested tensor has no dense form: its components differ in shape, see `unbind()`",
            )),
        }
    }

    fn dense<P: Places>(&self, values: &Self, places: impl FnOnce() -> Result<P, Error>) -> Result<Self, Error> {
        sum::supported(self.dtype)?;
        let Some(numel) = checked_numel(self.shape()) else {
            return Err(Error::limit(format!("the dense form of shape {:?} cannot be addressed", self.shape())));
        };
        let nbytes = numel.saturating_mul(self.dtype.itemsize());
        self.afford(nbytes, 1)?;
        let places = places()?;
        let in_part =
            |error: Error| if error.kind() == ErrorKind::Malformed { of(self.layout(), &error) } else { error };
        places.check().map_err(in_part)?;
        let stored = values.bytes()?;
        let mut dense = self.zeroed::<u8>(nbytes)?;
        // What has no elements may still have any number of places.
        if numel > 0 {
            sum::add(self.dtype, &mut dense, &stored, &places)
                .ok_or_else(|| Error::malformed("the indices of a sparse tensor changed while they were read"))?;
        }
        Ok(Self::new(TensorParts {
            storage: self.storage.with_bytes(dense),
            geometry: Geometry::contiguous(self.shape()),
            dtype: self.dtype,
            marks: self.marks,
            materialised_bytes: self.materialised_bytes,
            extra: Extra::default(),
        }))
    }

    /// Reads the indices of a sparse tensor, or the shapes of a nested one, and checks them; nothing else is read.
    pub(crate) fn check_parts(&self) -> Result<(), Error> {
        let in_part =
            |error: Error| if error.kind() == ErrorKind::Malformed { of(self.layout(), &error) } else { error };
        match self.composite() {
            None => Ok(()),
            Some(_) if self.storage.is_meta() => Ok(()),
            Some(Composite::Coo(coo)) => coo.places(self.shape())?.check().map_err(in_part),
            Some(Composite::Compressed(compressed)) => compressed.places()?.check().map_err(in_part),
            Some(Composite::Views(_) | Composite::Jagged(_)) => self.unbind().map(drop),
        }
    }
}

/// Says of which kind of tensor something is wrong.
fn of(layout: Layout, error: &Error) -> Error {
    let message = format!("in a {layout} tensor, {}", error.message());
    match error.kind() {
        ErrorKind::Unsupported => Error::unsupported(message),
        _ => Error::malformed(message),
    }
}

fn sizes(declared: &[i64]) -> Result<Vec<usize>, Error> {
    let size =
        |&size: &i64| usize::try_from(size).map_err(|_| Error::malformed(format!("a tensor has the size {size}")));
    declared.iter().map(size).collect()
}

/// What a part of a sparse tensor has to be.
fn wrong(part: &str, tensor: &Tensor, should: impl std::fmt::Display) -> Error {
    Error::malformed(format!("the {part} are {} of shape {:?}, not {should}", tensor.dtype(), tensor.shape()))
}
