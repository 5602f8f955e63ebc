//! Reads the files PyTorch saves.

#![cfg_attr(not(test), allow(dead_code))]
// The stages, in the order in which data flows; a module imports only from those above it (`tests/architecture.rs`).
mod error;
mod limits;
mod source;
mod container;
mod device;
mod pickle;
mod tensor;
mod torch;
mod value;
mod walk;
mod choose;
mod state_dict;
mod checkpoint;
mod load;

pub use checkpoint::{Checkpoint, Format, GlobalMeaning, GlobalName, ListedValue, Listing, TensorEntry};
pub use device::{Device, MapLocation, MapTarget, StorageInfo};
pub use error::{Error, ErrorKind};
pub use half;
pub use limits::Limits;
pub use load::{LoadOptions, load_state_dict};
pub use source::{Backing, Source};
pub use state_dict::{IntoIter, Iter, KeyMismatch, StateDict};
pub use tensor::{Complex, DType, Element, Float, Layout, Storage, Tensor};
pub use value::{Key, Kind, Value};
