//! How a tensor's values are laid out, beyond strides over one storage.

use std::fmt;

use super::Tensor;
use crate::error::Error;

/// A tensor's layout, under torch's names.
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
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A tensor that consists of several strided ones.
#[derive(Clone, Debug)]
pub(crate) struct Composite {
    pub(super) layout: Layout,
    pub(super) components: Box<[(&'static str, Tensor)]>,
}

impl Composite {
    /// # Errors
    /// A component is not strided itself. So composites never nest, and reading and dropping them has no depth.
    pub(crate) fn new(layout: Layout, components: Vec<(&'static str, Tensor)>) -> Result<Self, Error> {
        match components.iter().find(|(_, tensor)| tensor.layout() != Layout::Strided) {
            None => Ok(Self { layout, components: components.into_boxed_slice() }),
            Some((name, inner)) => {
                let inner = inner.layout();
                Err(Error::unsupported(format!("the {name} of a {layout} tensor are a {inner} tensor")))
            }
        }
    }
}
