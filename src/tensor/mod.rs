//! How is a tensor seen over bytes? Nothing here knows pickle or files.

mod borrow;
mod cast;
mod chunks;
mod dtype;
mod element;
mod elements;
mod float8;
mod gather;
mod geometry;
mod handle;
mod extra;
mod layout;
mod nested;
mod quantization;
mod shard;
mod sparse;
mod read;
mod resolve;
mod storage;
mod tiling;
#[cfg(test)]
mod tests;
mod view;

pub use dtype::DType;
pub(crate) use dtype::SwapUnit;
pub use element::{Complex, Element, Float};
pub(crate) use extra::Extra;
pub(crate) use geometry::Geometry;
pub use handle::Tensor;
pub(crate) use handle::{Marks, TensorParts};
pub use layout::Layout;
pub(crate) use quantization::Channels;
pub use quantization::{QScheme, Quantization, ZeroPoints};
pub use shard::Shard;
pub use storage::Storage;
pub(crate) use storage::{Place, StorageData, StorageParts};
