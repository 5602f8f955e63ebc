//! The pickle reader of candle-core.

use std::path::Path;

use candle_core::pickle::PthTensors;
use candle_core::{DType, Tensor};
use half::{bf16, f16};

use super::{Job, Seen, Watch, cannot, tenth};
use crate::Result;

pub fn run(job: Job, path: &Path, watch: &mut Watch, seen: &mut Seen) -> Result {
    let weights = PthTensors::new(path, None)?;
    let get = |name| -> Result<Tensor> { Ok(weights.get(name)?.ok_or("a tensor is gone")?) };
    match job {
        Job::List | Job::Again => {
            for (name, tensor) in weights.tensor_infos() {
                seen.listed(name, tensor.dtype.size_in_bytes(), tensor.layout.dims());
            }
            watch.stop();
        }
        Job::Own | Job::Vec | Job::Load | Job::Rows => {
            let mut owned = Vec::with_capacity(weights.tensor_infos().len());
            for name in weights.tensor_infos().keys() {
                let mut tensor = get(name)?;
                if job == Job::Rows {
                    // It reads whole tensors only; a copy lets go of the rest.
                    let rows = tenth(tensor.dims()[0]);
                    tensor = tensor.narrow(0, rows.start, rows.len())?.force_contiguous()?;
                }
                owned.push(tensor.contiguous()?);
            }
            watch.stop();
            for tensor in &owned {
                look(tensor, seen)?;
            }
        }
        Job::Sum | Job::OwnThreads | Job::ToF32 | Job::IntoF32 => return cannot(),
    }
    Ok(())
}

fn look(tensor: &Tensor, seen: &mut Seen) -> Result {
    let flat = tensor.flatten_all()?;
    match tensor.dtype() {
        DType::F32 => seen.bytes(bytemuck::cast_slice(&flat.to_vec1::<f32>()?)),
        DType::F16 => seen.bytes(bytemuck::cast_slice(&flat.to_vec1::<f16>()?)),
        DType::BF16 => seen.bytes(bytemuck::cast_slice(&flat.to_vec1::<bf16>()?)),
        other => return Err(format!("no way to look at {other:?}").into()),
    }
    Ok(())
}
