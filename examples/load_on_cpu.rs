//! Load on the CPU what was saved on CUDA:
//! `cargo run --example load_on_cpu -- [FILE]`
#![allow(clippy::print_stdout, reason = "an example prints")]

use torch_checkpoint::{Error, load_state_dict};

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "fixtures/zip/torch-2.15/trained_cnn_cuda.pt".to_owned());
    let weights = load_state_dict(&path, "cpu")?;
    for (name, tensor) in &weights {
        let (dtype, shape, device) = (tensor.dtype(), tensor.shape(), tensor.device());
        println!("{name}: {dtype} {shape:?} on {device}, saved on {}", tensor.location());
    }
    let bytes: usize = weights.values().map(torch_checkpoint::Tensor::nbytes).sum();
    println!("{} tensors, {bytes} bytes", weights.len());
    Ok(())
}
