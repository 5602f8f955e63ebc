//! The files that PyTorch saves, loaded into [burn](https://burn.dev) modules: every container that
//! [`torch_checkpoint`] reads, wherever it was saved, without Python and without running anything in the file.
//!
//! [`TorchCheckpointStore`] is a [`ModuleStore`](burn_store::ModuleStore) of burn-store. It stands where burn's
//! `PytorchStore` does and has the same effects on names and tensors, because burn-store's own code has them: its
//! `PyTorchToBurnAdapter` (a linear layer's weight is transposed, a normalisation's `weight` and `bias` are `gamma` and
//! `beta`), its `KeyRemapper`, its counting of indices, its `ApplyResult` of what was applied, missing, skipped and unused.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::store::ModuleSnapshot;
//! use burn::tensor::{Device, Tensor};
//! use torch_checkpoint_burn::TorchCheckpointStore;
//!
//! #[derive(Module, Debug)]
//! struct Classifier { head: Vec<Linear> }
//!
//! # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
//! let device = Device::default();
//! let linear = |from, to| LinearConfig::new(from, to).init(&device);
//! let mut classifier = Classifier { head: vec![linear(54, 8), linear(8, 3)] };
//! classifier.load_from(&mut TorchCheckpointStore::from_file(path)?)?; // torch's head.1 and head.3
//! let logits = classifier.head[0].forward(Tensor::<2>::zeros([1, 54], &device));
//! # assert_eq!(logits.dims(), [1, 8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes what
//!
//! | in the checkpoint | in burn |
//! | --- | --- |
//! | floats of 64, 32 and 16 bits, `bfloat16`, integers, `bool` | the same dtype; [`then_adapter`](TorchCheckpointStore::then_adapter) converts |
//! | float8, quantised tensors | `F32`, the numbers that they stand for |
//! | sparse tensors | dense ones |
//! | complex numbers, `float4_e2m1fn_x2`, bits, nested tensors, tensors on `meta` | an error, if the module asks for that tensor |
//! | entries that are no tensors | nothing; [`StateDict::others`](torch_checkpoint::StateDict::others) has them |
//! | the location tag (`cuda:1`) | nothing: a tensor goes to the device of its parameter |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

mod attention;
mod entry;
mod error;
mod store;

pub use attention::unpack_attention;
pub use error::Error;
pub use store::TorchCheckpointStore;
pub use {burn_store, torch_checkpoint};
