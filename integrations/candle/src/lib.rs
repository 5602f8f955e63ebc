//! The tensors of any checkpoint that [`torch_checkpoint`] reads, in [candle](candle_core): on the device that
//! `map_location` says, and as a [`VarBuilder`](candle_nn::VarBuilder) in the place of `VarBuilder::from_pth`.
//!
//! ```
//! use candle_core::{DType, Device, Module, Tensor};
//! use torch_checkpoint::LoadOptions;
//! use torch_checkpoint_candle::var_builder;
//!
//! # let path = "../../fixtures/integrations/candle/network_cuda.pt";
//! // A training checkpoint that was saved on cuda:1, of a model in a DistributedDataParallel.
//! let weights = LoadOptions::new().key("model").load_state_dict(path)?.strip_prefix("module.")?;
//! let vb = var_builder(weights, DType::F32, &Device::Cpu);
//! let head = candle_nn::linear(12, 4, vb.pp("head"))?; // reads two tensors from the mapped file, and nothing else
//! let logits = head.forward(&Tensor::ones((1, 12), DType::F32, &Device::Cpu)?)?;
//! # assert_eq!(logits.dims(), [1, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to get | use |
//! | --- | --- |
//! | a `VarBuilder` | [`var_builder`], or [`Weights`] where a backend is asked for |
//! | all tensors, each on the device of `map_location` | [`tensors`] |
//! | one tensor | [`TensorExt::to_candle`], [`TensorExt::to_candle_as`] |
//! | the device that `map_location` says | [`device`], [`device_of`] |
//!
//! # Dtypes
//!
//! candle has `u8`, `u32`, `i16`, `i32`, `i64`, `f16`, `bf16`, `f32`, `f64`, `f8e4m3` and `f8e8m0`, and these become what
//! they are; `bool` becomes `u8`, 0 or 1. Where a float is asked for, as the `VarBuilder` does with its dtype, every real
//! dtype is converted as torch rounds, those included that candle lacks (`int8`, the other 8-bit floats, …).

mod devices;
mod tensor;
mod weights;

pub use devices::{device, device_of, tensors};
pub use tensor::TensorExt;
pub use weights::{Weights, var_builder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
