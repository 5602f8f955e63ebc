//! Which candle device is one of torch's?

use std::collections::HashMap;

use candle_core::{Device, Error, Result, Tensor};
use torch_checkpoint::StateDict;

use crate::tensor::TensorExt;

/// The candle device for one of torch's: `cpu`; `cuda:1` is the GPU of that number, `cuda` number 0; `mps` is Metal's.
///
/// Each call makes a device, and candle does not compute with tensors of different ones, even if both are the same GPU: call
/// it once, or use [`device_of`] or [`tensors`].
///
/// ```
/// use torch_checkpoint_candle::device;
/// assert!(device(&torch_checkpoint::Device::Cpu)?.is_cpu());
/// # if !candle_core::utils::cuda_is_available() {
/// let error = device(&"cuda:1".parse()?).unwrap_err(); // where candle was built without its feature `cuda`
/// assert!(error.to_string().contains("map_location"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// candle was built without that backend, there is no such device here, or candle does not know its type.
pub fn device(device: &torch_checkpoint::Device) -> Result<Device> {
    let index = device.index().map_or(Ok(0), usize::try_from).map_err(Error::wrap)?;
    let made = match device {
        torch_checkpoint::Device::Cpu => Ok(Device::Cpu),
        torch_checkpoint::Device::Cuda(_) => Device::new_cuda(index),
        torch_checkpoint::Device::Mps => Device::new_metal(index),
        other => Err(Error::Msg(format!("candle has no device of the type `{}`", other.type_name()))),
    };
    made.map_err(|error| {
        error.context(format!(
            "the tensors belong on `{device}`, which is not to be had here: load the checkpoint with the map_location \"cpu\", or one that exists"
        ))
    })
}

/// The one device of all tensors: for [`var_builder`](crate::var_builder), whose tensors are on one.
///
/// ```
/// use candle_core::DType;
/// use torch_checkpoint_candle::{device_of, var_builder};
///
/// # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
/// let weights = torch_checkpoint::load_state_dict(path, "cpu")?; // on another machine "cuda", or "mps"
/// let device = device_of(&weights)?;
/// let vb = var_builder(weights, DType::F32, &device);
/// # assert!(vb.device().is_cpu());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// They are on several, and those of [`device`]. Where there is no tensor, it is the CPU.
pub fn device_of(weights: &StateDict) -> Result<Device> {
    let mut there = weights.values().map(|tensor| tensor.device());
    let Some(first) = there.next() else { return Ok(Device::Cpu) };
    match there.find(|&other| other != first) {
        None => device(first),
        Some(other) => Err(Error::Msg(format!(
            "the tensors belong on `{first}` and `{other}`: load the checkpoint with one map_location, or use `tensors`"
        ))
        .bt()),
    }
}

/// Every tensor in its own dtype, on the device that `map_location` said, by name. Tensors of one device can be computed
/// with.
///
/// ```
/// use torch_checkpoint_candle::tensors;
///
/// # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
/// // Saved on cuda:0 and cuda:1; with the tags kept, they would be there again.
/// let weights = torch_checkpoint::load_state_dict(path, [("cuda:0", "cpu"), ("cuda:1", "cpu")])?;
/// let tensors = tensors(&weights)?;
/// assert_eq!(tensors.len(), weights.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`device`] and [`TensorExt::to_candle`], with the tensor's name.
pub fn tensors(weights: &StateDict) -> Result<HashMap<String, Tensor>> {
    let mut devices: HashMap<&torch_checkpoint::Device, Device> = HashMap::new();
    let mut tensors = HashMap::with_capacity(weights.len());
    for (name, tensor) in weights {
        let named = |error: Error| error.context(format!("tensor `{}`", name.escape_debug()));
        let there = match devices.get(tensor.device()) {
            Some(there) => there.clone(),
            None => device(tensor.device()).map_err(named)?,
        };
        tensors.insert(name.to_owned(), tensor.to_candle(&there).map_err(named)?);
        devices.insert(tensor.device(), there);
    }
    Ok(tensors)
}
