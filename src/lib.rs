//! Reads the files PyTorch saves: named, typed tensors on the device you choose, without Python and without libtorch.
//!
//! A model trained on a GPU and saved with `torch.save` remembers for every storage where it lived (`cuda:1`). Loading it
//! elsewhere fails in Python until `map_location` is given, and in Rust begins with converting the file in Python. Here
//! it just loads:
//!
//! ```
//! # let path = "fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
//! let weights = torch_checkpoint::load_state_dict(path, "cpu")?; // every cuda:N tag now says cpu
//! for (name, tensor) in &weights {
//!     println!("{name}: {} {:?} on {}", tensor.dtype(), tensor.shape(), tensor.device());
//! }
//! let bias: &[f32] = weights["bn1.bias"].as_slice()?; // no copy: a view of the mapped file
//! # assert_eq!(bias.len(), 4);
//! # Ok::<(), torch_checkpoint::Error>(())
//! ```
//!
//! [The guide](guide) puts each idiom of Python beside its Rust line, and `examples/` has programs to start from.
//!
//! # Which dict
//!
//! [`load_state_dict`] states the five rules by which it finds the weights in a checkpoint, and never guesses between two
//! dicts. [`LoadOptions::key`] names one, [`LoadOptions::flatten`] takes every tensor under its dotted path, and
//! [`LoadOptions::open`] gives the whole [`Checkpoint`]: hyper-parameters, optimizer state, everything as [`Value`]s.
//!
//! # Devices
//!
//! [`MapLocation`] takes what `torch.load`'s `map_location` takes: a device, a map of tags, a function of the storage, or
//! `None`. Nothing is moved: [`Tensor::device`] says where your framework should put the tensor, [`Tensor::location`] what
//! the file said. [`LoadOptions::available`] turns a tag that maps to no existing device into an error, as torch does.
//!
//! # Views and copies
//!
//! A [`Tensor`] is a cheap handle on a shared [`Storage`] with a shape, strides and a dtype; opening a checkpoint reads no
//! tensor. [`Tensor::as_slice`] borrows, and says why when it cannot; [`Tensor::to_vec`], [`Tensor::cast`] and
//! [`Tensor::copy_to`] copy, whatever the strides. Tied weights and views share one storage, as in torch
//! ([`StateDict::tied`]).
//!
//! # Safety
//!
//! A pickle is a program. This crate records what it would do as a graph and runs none of it: no name is imported, no
//! function called, no file written. Input is taken to be hostile: offsets, sizes and counts go through checked arithmetic
//! and [`Limits`] before they size anything, nothing recurses over the file's structure, and every view is checked
//! against its storage. There is one `unsafe` block, the memory-mapping; [`Backing::Owned`] and
//! [`LoadOptions::open_bytes`] are the roads without it, and `default-features = false` builds without it.
//!
//! What Python would run is another question, for files that go on to somebody who unpickles them: [`scan()`] answers it.
//!
//! # Errors
//!
//! One type, [`Error`], which says where (path, record, byte, opcode, tensor) and whose turn it is ([`ErrorKind`]).
//!
//! # Features
//!
//! * `mmap` (default): memory-map files. Without it they are read into memory.
//! * `safetensors` (default): read safetensors files. Without it they are refused with a word about that.
//! * `serde-pickle` (default): `Value::to_serde_pickle`, values as the ecosystem's owned pickle values.

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
// The stages, in the order in which data flows; a module imports only from those above it (`tests/it/architecture.rs`).
mod error;
mod limits;
mod parallel;
mod format;
mod source;
mod container;
mod device;
mod pickle;
mod tensor;
mod torch;
mod assembly;
mod scan;
mod value;
mod walk;
mod checkpoint;
mod choose;
mod state_dict;
mod load;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

pub use checkpoint::{Checkpoint, GlobalMeaning, GlobalName, ListedValue, Listing, Progress, TensorEntry};
pub use device::{Device, MapLocation, MapTarget, StorageInfo};
pub use error::{Error, ErrorKind};
pub use format::Format;
pub use half;
pub use limits::Limits;
pub use load::{LoadOptions, load_state_dict};
pub use scan::{Finding, NameClass, Report, ScanOptions, Usage, Verdict, scan};
pub use source::{Backing, Source};
pub use state_dict::{IntoIter, Iter, KeyMismatch, StateDict};
pub use tensor::{Complex, DType, Element, Float, Layout, QScheme, Quantization, Shard, Storage, Tensor, ZeroPoints};
pub use value::{Key, Kind, Value};
