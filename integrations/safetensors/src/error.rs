//! Why a file was not written.

use torch_checkpoint::{DType, Layout};

/// Why a file was not written: one sentence that says what to do. Names are those of the checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The checkpoint's tensor cannot be read.
    #[error("tensor {name:?}: {error}")]
    Read {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        #[source]
        error: torch_checkpoint::Error,
    },
    /// safetensors has no such dtype.
    #[error("tensor {name:?} is {dtype}, which safetensors does not have: {}", dtype_remedy(*.dtype))]
    DType {
        /// The tensor.
        name: String,
        /// Its dtype.
        dtype: DType,
    },
    /// safetensors has strided tensors only.
    #[error("tensor {name:?} is {layout}, and safetensors has dense tensors only: {}", layout_remedy(*.layout))]
    Layout {
        /// The tensor.
        name: String,
        /// Its layout.
        layout: Layout,
    },
    /// 4-bit floats are written by twos, along the last dimension.
    #[error("tensor {name:?} is one byte of two 4-bit floats without a dimension to count them by: leave it out")]
    NoDimension {
        /// The tensor.
        name: String,
    },
    /// Two tensors share memory, and the [`Writer`](crate::Writer) was not told what to do.
    #[error(
        "tensors {first:?} and {second:?} share memory, and a safetensors file cannot say so: choose `Ties::First`, or `Ties::Clone`"
    )]
    Tied {
        /// The one that comes first in the storage.
        first: String,
        /// The other.
        second: String,
    },
    /// Two tensors share memory, but are not the same.
    #[error(
        "tensors {first:?} and {second:?} share memory, but are different views of it, neither of which can stand for the other: choose `Ties::Clone`"
    )]
    Overlapping {
        /// The one that comes first in the storage.
        first: String,
        /// The other.
        second: String,
    },
    /// The name cannot be used, or is used twice.
    #[error("the name {name:?} {reason}")]
    Name {
        /// The name.
        name: String,
        /// Completes the sentence.
        reason: &'static str,
    },
    /// There are so many names that no reader takes the header.
    #[error("the header would have {bytes} bytes, and readers of safetensors take 100,000,000: write several files")]
    HeaderTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The crate `safetensors` does not accept the header.
    #[error("the header is not accepted: {0}")]
    Header(#[from] serde_json::Error),
    /// The operating system could not write.
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
}

fn dtype_remedy(dtype: DType) -> &'static str {
    match dtype {
        _ if dtype.is_quantized() => "write its `dequantize()`, or its integers as another tensor",
        _ if dtype.is_complex() => "write its real and imaginary parts as two tensors, or leave it out",
        _ => "leave it out",
    }
}

fn layout_remedy(layout: Layout) -> &'static str {
    match layout {
        Layout::Nested => "write the tensors that its `unbind()` gives",
        _ => "write its `to_dense()`, or its `components()` under names of their own",
    }
}
