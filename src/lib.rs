//! Reads the files PyTorch saves.

#![cfg_attr(not(test), allow(dead_code))]
// The stages, in the order in which data flows; a module imports only from those above it.
mod container;
mod device;
mod error;
mod limits;
mod pickle;
mod source;
mod tensor;
mod torch;

pub use device::{Device, MapLocation, MapTarget, StorageInfo};
pub use error::{Error, ErrorKind};
pub use half::{bf16, f16};
pub use limits::Limits;
pub use source::{Backing, Source};
pub use tensor::{Complex, DType, Element, Float, Layout, Storage, Tensor};
