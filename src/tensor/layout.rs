//! How a tensor's values are laid out, beyond strides over one storage.

use std::fmt;

use super::Tensor;
use super::extra::Extra;
use super::geometry::Geometry;
use super::handle::{Marks, TensorParts};
use super::nested::{Jagged, Views};
use super::sparse::{Compressed, Coo};
use crate::error::Error;

/// A tensor's layout, under torch's names.
///
/// ```
/// use torch_checkpoint::{Layout, load_state_dict};
/// let weights = load_state_dict("fixtures/zip/torch-2.15/nested_tensor_strided.pt", "cpu")?;
/// assert_eq!((weights["half"].layout(), weights["plain"].layout()), (Layout::Nested, Layout::Strided));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// The usual one: shape and strides over one storage.
    Strided,
    /// Coordinates and values.
    SparseCoo,
    /// Compressed rows.
    SparseCsr,
    /// Compressed columns.
    SparseCsc,
    /// Compressed rows of blocks.
    SparseBsr,
    /// Compressed columns of blocks.
    SparseBsc,
    /// A batch of tensors of different shapes.
    Nested,
}

impl Layout {
    /// torch's text without `torch.`.
    ///
    /// ```
    /// assert_eq!(torch_checkpoint::Layout::SparseCsr.name(), "sparse_csr");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strided => "strided",
            Self::SparseCoo => "sparse_coo",
            Self::SparseCsr => "sparse_csr",
            Self::SparseCsc => "sparse_csc",
            Self::SparseBsr => "sparse_bsr",
            Self::SparseBsc => "sparse_bsc",
            Self::Nested => "nested",
        }
    }

    /// Whether only some elements are stored, with their places: [`Tensor::to_dense`] puts them there.
    ///
    /// ```
    /// use torch_checkpoint::Layout;
    /// assert!(Layout::SparseBsc.is_sparse() && !Layout::Nested.is_sparse());
    /// ```
    #[must_use]
    pub const fn is_sparse(self) -> bool {
        !matches!(self, Self::Strided | Self::Nested)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A tensor that consists of several strided ones. Their shapes and dtypes have been checked against each other, their
/// data has not been read.
#[derive(Clone, Debug)]
pub(crate) enum Composite {
    Coo(Box<Coo>),
    Compressed(Box<Compressed>),
    /// A nested tensor whose components are views of a buffer.
    Views(Box<Views>),
    /// A nested tensor whose components are pieces of one dimension.
    Jagged(Box<Jagged>),
}

impl Composite {
    pub(super) fn layout(&self) -> Layout {
        match self {
            Self::Coo(_) => Layout::SparseCoo,
            Self::Compressed(compressed) => compressed.layout(),
            Self::Views(_) | Self::Jagged(_) => Layout::Nested,
        }
    }

    /// The parts with torch's names for them.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        let parts: [Option<(&'static str, &Tensor)>; 4] = match self {
            Self::Coo(coo) => coo.parts(),
            Self::Compressed(compressed) => compressed.parts(),
            Self::Views(views) => views.parts(),
            Self::Jagged(jagged) => jagged.parts(),
        };
        parts.into_iter().flatten()
    }

    /// The part that holds the elements.
    pub(super) fn values(&self) -> &Tensor {
        match self {
            Self::Coo(coo) => coo.values(),
            Self::Compressed(compressed) => compressed.values(),
            Self::Views(views) => views.buffer(),
            Self::Jagged(jagged) => jagged.values(),
        }
    }

    /// The same over other parts of the same shapes.
    pub(super) fn map(&self, part: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        Ok(match self {
            Self::Coo(coo) => Self::Coo(Box::new(coo.map(part)?)),
            Self::Compressed(compressed) => Self::Compressed(Box::new(compressed.map(part)?)),
            Self::Views(views) => Self::Views(Box::new(views.map(part)?)),
            Self::Jagged(jagged) => Self::Jagged(Box::new(jagged.map(part)?)),
        })
    }

    /// The tensor of this shape. It has the dtype, the storage and the gradient flag of its values.
    ///
    /// # Errors
    /// A part is not strided itself. So composites never nest, and reading and dropping them has no depth.
    pub(super) fn into_tensor(self, shape: &[usize]) -> Result<Tensor, Error> {
        let layout = self.layout();
        if let Some((name, part)) = self.parts().find(|(_, part)| part.layout() != Layout::Strided) {
            let inner = part.layout();
            return Err(Error::unsupported(format!("the {name} of a {layout} tensor are a {inner} tensor")));
        }
        let values = self.values();
        Ok(Tensor::new(TensorParts {
            storage: values.storage.clone(),
            geometry: Geometry::contiguous(shape),
            dtype: values.dtype,
            marks: Marks { requires_grad: values.requires_grad(), ..Marks::default() },
            materialised_bytes: values.materialised_bytes,
            extra: Extra { composite: Some(self), ..Extra::default() },
        }))
    }
}
