//! Decide for every storage where it goes: large ones to the GPUs in turn, the rest to the CPU.
//! `cargo run --example map_location -- [FILE]`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;

use torch_checkpoint::{Device, Error, MapLocation, load_state_dict};

/// What is smaller is not worth a place on a GPU.
const LARGE: u64 = 256;
const GPUS: u32 = 2;

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "fixtures/zip/torch-2.15/trained_cnn_cuda.pt".to_owned());
    let mut next = 0;
    // Called once for each storage, in the order of the file; tensors that share one stay together.
    let weights = load_state_dict(
        &path,
        MapLocation::with(|storage| {
            if storage.nbytes() < LARGE {
                return Some(Device::Cpu);
            }
            next += 1;
            Some(Device::Cuda(Some((next - 1) % GPUS)))
        }),
    )?;
    let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
    for tensor in weights.values() {
        *bytes.entry(tensor.device().to_string()).or_default() += tensor.nbytes();
    }
    for (device, bytes) in bytes {
        println!("{device}: {bytes} bytes");
    }
    Ok(())
}
