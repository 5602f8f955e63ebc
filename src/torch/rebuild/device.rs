//! Tensors of devices without storages (XLA, MTIA and relatives), which torch saves by way of numpy or of the CPU.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::device::{Device, StorageInfo};
use crate::error::Error;
use crate::pickle::graph::NodeId;
use crate::tensor::Tensor;
use crate::torch::text::ascii_or_text;

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_device_tensor_from_cpu_tensor(data, dtype, device, requires_grad)`
    pub(super) fn device_from_cpu(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [data, dtype, device, grad] = *self.want("_rebuild_device_tensor_from_cpu_tensor", args)?;
        let tensor = self.part(data)?;
        self.placed(tensor, dtype, device, grad)
    }

    /// `_rebuild_device_tensor_from_numpy(array, dtype, device, requires_grad)`: the array, cast to a dtype that numpy may
    /// lack (bfloat16).
    pub(super) fn device_from_numpy(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [data, dtype, device, grad] = *self.want("_rebuild_device_tensor_from_numpy", args)?;
        let Some(tensor) = self.arrays.get(&data).cloned() else {
            return Err(Error::malformed("the data of a device's tensor are no numeric array").into());
        };
        self.placed(tensor, dtype, device, grad)
    }

    fn placed(&mut self, tensor: Tensor, dtype: NodeId, device: NodeId, grad: NodeId) -> Result<Tensor, Stop> {
        let (dtype, grad) = (self.dtype(dtype)?, self.flag(grad)?);
        let tensor = if tensor.dtype() == dtype { tensor } else { tensor.to_float(dtype)? };
        let (location, device) = self.place(device, tensor.storage().nbytes())?;
        let storage = tensor.storage().placed(self.storage_number()?, location.into(), device);
        Ok(tensor.with_storage(storage).wrapped(grad, false))
    }

    /// The recorded device text, and the device that it becomes.
    fn place(&mut self, device: NodeId, nbytes: u64) -> Result<(&'g str, Device), Error> {
        let location = ascii_or_text(self.graph, device).ok_or_else(|| {
            Error::malformed(format!("a {} where a device's text should be", self.graph.kind_name(device)))
        })?;
        let info = StorageInfo { key: "", location, nbytes };
        let device = self.map_location.device(&info, &Device::from_tag(location));
        Ok((location, device))
    }
}
