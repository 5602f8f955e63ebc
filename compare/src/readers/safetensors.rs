//! The crate `safetensors` over a mapped file of the same weights, with `half` for the conversions.

use std::hint::black_box;
use std::path::Path;

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{Job, Seen, Watch, cannot, map, on_threads, tenth, touched};
use crate::Result;

pub fn run(job: Job, path: &Path, watch: &mut Watch, seen: &mut Seen) -> Result {
    let mapped = map(path)?;
    let weights = SafeTensors::deserialize(&mapped)?;
    match job {
        Job::List | Job::Again => {
            for (name, tensor) in weights.iter() {
                seen.listed(name, tensor.dtype().bitsize() / 8, tensor.shape());
            }
            watch.stop();
        }
        Job::Sum => {
            for (_, tensor) in weights.iter() {
                seen.sum(tensor.data());
            }
            watch.stop();
        }
        Job::Own | Job::Vec | Job::Load => {
            let owned: Vec<Vec<u8>> = weights.iter().map(|(_, tensor)| tensor.data().to_vec()).collect();
            watch.stop();
            owned.iter().for_each(|bytes| seen.bytes(bytes));
        }
        Job::OwnThreads => {
            let tensors: Vec<TensorView<'_>> = weights.iter().map(|(_, tensor)| tensor).collect();
            let owned = on_threads(&tensors, |tensor| Ok(tensor.data().to_vec()))?;
            watch.stop();
            owned.iter().for_each(|bytes| seen.bytes(bytes));
        }
        Job::ToF32 => {
            let mut floats: Vec<Vec<f32>> = Vec::with_capacity(weights.len());
            for (_, tensor) in weights.iter() {
                let halves = halves(&tensor)?;
                floats.push(match tensor.dtype() {
                    Dtype::F16 => halves.reinterpret_cast::<f16>().to_f32_vec(),
                    Dtype::BF16 => halves.reinterpret_cast::<bf16>().to_f32_vec(),
                    _ => return cannot(),
                });
            }
            watch.stop();
            floats.iter().for_each(|floats| seen.bytes(bytemuck::cast_slice(floats)));
        }
        Job::IntoF32 => {
            let mut buffer = touched(weights.iter().map(|(_, tensor)| tensor.data().len() / 2));
            watch.restart();
            for (_, tensor) in weights.iter() {
                let halves = halves(&tensor)?;
                let into = &mut buffer[..halves.len()];
                match tensor.dtype() {
                    Dtype::F16 => halves.reinterpret_cast::<f16>().convert_to_f32_slice(into),
                    Dtype::BF16 => halves.reinterpret_cast::<bf16>().convert_to_f32_slice(into),
                    _ => return cannot(),
                }
                black_box(&into);
                seen.bytes(bytemuck::cast_slice(into));
            }
            watch.stop();
        }
        Job::Rows => {
            let mut owned: Vec<Vec<u8>> = Vec::with_capacity(weights.len());
            for (_, tensor) in weights.iter() {
                // Rows lie behind each other, so this is what `sliced_data` gives, which needs a type for each rank.
                let rows = tensor.shape()[0];
                let row_nbytes = tensor.data().len() / rows;
                let wanted = tenth(rows);
                owned.push(tensor.data()[wanted.start * row_nbytes..wanted.end * row_nbytes].to_vec());
            }
            watch.stop();
            owned.iter().for_each(|bytes| seen.bytes(bytes));
        }
    }
    Ok(())
}

/// safetensors aligns its data.
fn halves<'a>(tensor: &TensorView<'a>) -> Result<&'a [u16]> {
    bytemuck::try_cast_slice(tensor.data()).map_err(|e| e.to_string().into())
}
