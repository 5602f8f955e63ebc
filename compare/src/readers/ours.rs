//! This crate.

use std::hint::black_box;
use std::path::Path;

use half::{bf16, f16};
use torch_checkpoint::{DType, LoadOptions, Tensor};

use super::{Job, Seen, Watch, on_threads, tenth, touched};
use crate::Result;
use crate::files::{File, Weights};

pub fn run(job: Job, file: File, path: &Path, watch: &mut Watch, seen: &mut Seen) -> Result {
    let mut options = LoadOptions::new().map_location("cpu");
    // The optimizer's state as well.
    if file.weights == Weights::Training {
        options = options.flatten();
    }
    let weights = options.load_state_dict(path)?;
    match job {
        Job::List | Job::Again => {
            for (name, tensor) in &weights {
                seen.listed(name, tensor.dtype().itemsize(), tensor.shape());
            }
            watch.stop();
        }
        Job::Sum => {
            for tensor in weights.values() {
                seen.sum(&tensor.bytes()?);
            }
            watch.stop();
        }
        Job::Own => {
            let owned = weights.values().map(Tensor::detach).collect::<Result<Vec<_>, _>>()?;
            watch.stop();
            for tensor in &owned {
                seen.bytes(&tensor.bytes()?);
            }
        }
        Job::Vec => {
            let owned = weights.values().map(Owned::of).collect::<Result<Vec<_>, _>>()?;
            watch.stop();
            owned.iter().for_each(|owned| seen.bytes(owned.bytes()));
        }
        Job::Load => {
            weights.load_into_memory(|_| ())?;
            watch.stop();
            for tensor in weights.values() {
                seen.bytes(&tensor.bytes()?);
            }
        }
        Job::OwnThreads => {
            let tensors: Vec<&Tensor> = weights.values().collect();
            let owned = on_threads(&tensors, |tensor| Owned::of(tensor).map_err(|e| e.to_string()))?;
            watch.stop();
            owned.iter().for_each(|owned| seen.bytes(owned.bytes()));
        }
        Job::ToF32 => {
            let floats = weights.values().map(Tensor::cast::<f32>).collect::<Result<Vec<_>, _>>()?;
            watch.stop();
            floats.iter().for_each(|floats| seen.bytes(bytemuck::cast_slice(floats)));
        }
        Job::IntoF32 => {
            let mut buffer = touched(weights.values().map(Tensor::numel));
            watch.restart();
            for tensor in weights.values() {
                let into = &mut buffer[..tensor.numel()];
                tensor.cast_into(into)?;
                black_box(&into);
                seen.bytes(bytemuck::cast_slice(into));
            }
            watch.stop();
        }
        Job::Rows => {
            let mut owned = Vec::with_capacity(weights.len());
            for tensor in weights.values() {
                let rows = tenth(tensor.shape()[0]);
                owned.push(Owned::of(&tensor.narrow(0, rows.start, rows.len())?)?);
            }
            watch.stop();
            owned.iter().for_each(|owned| seen.bytes(owned.bytes()));
        }
    }
    Ok(())
}

/// A tensor's elements in a vector of their type.
enum Owned {
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
}

impl Owned {
    fn of(tensor: &Tensor) -> Result<Self, torch_checkpoint::Error> {
        Ok(match tensor.dtype() {
            DType::Float16 => Self::F16(tensor.to_vec()?),
            DType::BFloat16 => Self::Bf16(tensor.to_vec()?),
            _ => Self::F32(tensor.to_vec()?),
        })
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::F16(elements) => bytemuck::cast_slice(elements),
            Self::Bf16(elements) => bytemuck::cast_slice(elements),
            Self::F32(elements) => bytemuck::cast_slice(elements),
        }
    }
}
