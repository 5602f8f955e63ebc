//! Write the weights of a checkpoint as safetensors: `cargo run --example convert -- [IN [OUT]]`
//!
//! The short form of it: `torch-checkpoint convert` streams, renames, casts and makes shards, `integrations/safetensors` is the
//! same for programs.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::error::Error;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use torch_checkpoint::{DType, load_state_dict};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "fixtures/zip/torch-2.15/trained_cnn_cuda.pt".to_owned());
    let out = args.next().map_or_else(|| std::env::temp_dir().join("converted.safetensors"), Into::into);
    let weights = load_state_dict(&path, "cpu")?;
    let mut tensors = Vec::with_capacity(weights.len());
    for (name, tensor) in &weights {
        let dtype = match tensor.dtype() {
            DType::Float32 => Dtype::F32,
            DType::Float16 => Dtype::F16,
            DType::BFloat16 => Dtype::BF16,
            DType::Int64 => Dtype::I64,
            other => return Err(format!("{name}: this example does not write {other}").into()),
        };
        // Row-major whatever the strides; borrowed from the mapped file where it lies so.
        tensors.push((name, dtype, tensor.shape().to_vec(), tensor.bytes()?));
    }
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views?, Some(metadata), &out)?;
    println!("{} tensors to {}", weights.len(), out.display());
    Ok(())
}
