//! The same outputs in candle as in torch, on weights that torch saved from `cuda:1`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the crate is tests")]

#[path = "../examples/network.rs"]
#[allow(dead_code, unreachable_pub)]
mod network;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Module, Tensor};
use torch_checkpoint::{LoadOptions, StateDict};
use torch_checkpoint_candle::var_builder;

use network::Network;

fn folder() -> PathBuf {
    Path::new("../../fixtures/integrations/candle").to_owned()
}

fn answer() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join("answer.safetensors"), &Device::Cpu).unwrap()
}

fn compare(weights: StateDict, output: &str) {
    assert!(weights.values().all(|tensor| tensor.location() == "cuda:1"));
    assert!(weights.values().any(|tensor| !tensor.is_contiguous()));
    let vb = var_builder(weights.strip_prefix("module.").unwrap(), DType::F32, &Device::Cpu);
    let answer = answer();
    let outputs = Network::new(vb).unwrap().forward(&answer["inputs"]).unwrap();
    let expected = &answer[output];
    assert_eq!(outputs.dims(), expected.dims());
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (outputs, expected) = (flat(&outputs), flat(expected));
    assert!(expected.iter().any(|value| value.abs() > 0.5), "the answer says nothing: {expected:?}");
    for (output, expected) in outputs.iter().zip(&expected) {
        assert!((output - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{outputs:?}\n{expected:?}");
    }
}

#[test]
fn a_training_checkpoint_gives_torchs_outputs() {
    let weights = LoadOptions::new().key("model").load_state_dict(folder().join("network_cuda.pt")).unwrap();
    compare(weights, "outputs");
}

#[test]
fn a_legacy_stream_of_bfloat16_gives_torchs_outputs() {
    let weights = LoadOptions::new().load_state_dict(folder().join("network_cuda_bfloat16.pt")).unwrap();
    compare(weights, "bfloat16_outputs");
}
