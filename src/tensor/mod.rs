//! How is a tensor seen over bytes? Nothing here knows pickle or files.

mod dtype;
mod geometry;
mod handle;
mod layout;
mod storage;
mod view;

pub use dtype::DType;
pub(crate) use geometry::Geometry;
pub use handle::Tensor;
pub(crate) use handle::{Marks, TensorParts};
pub(crate) use layout::Composite;
pub use layout::Layout;
pub use storage::Storage;
pub(crate) use storage::{StorageData, StorageParts};
