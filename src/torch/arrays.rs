//! numpy arrays as tensors: on request, and for the tensors of devices that torch saves as arrays (XLA and relatives).

use std::collections::HashMap;
use std::sync::Arc;

use super::globals::{Meaning, Rebuild};
use super::numpy::Array;
use super::program::Program;
use crate::device::Device;
use crate::limits::Limits;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::{Extra, Geometry, Marks, Storage, StorageData, StorageParts, Tensor, TensorParts};

impl Program {
    /// A numeric numpy array as a tensor with memory of its own; `None` for anything else.
    pub(crate) fn array_tensor(&self, node: NodeId) -> Option<Tensor> {
        let array = self.numpy_array(node)?;
        let storage = u32::try_from(self.storages().len()).ok()?;
        tensor(&array, storage, Device::Cpu)
    }

    /// The arrays that the file's tensors are made of: the data of every `_rebuild_device_tensor_from_numpy`, by its node.
    pub(super) fn device_arrays(&self) -> HashMap<NodeId, Tensor> {
        let mentioned = self.graph().globals().any(|id| self.meaning(id) == Meaning::Tensor(Rebuild::DeviceFromNumpy));
        if !mentioned {
            return HashMap::new();
        }
        let data = self.graph().ids().filter_map(|node| {
            let Node::Object(object) = self.graph().node(node) else { return None };
            if self.meaning_of(object.callable) != Some(Meaning::Tensor(Rebuild::DeviceFromNumpy)) {
                return None;
            }
            let Node::Tuple(args) = self.graph().node(object.args) else { return None };
            let &data = args.first()?;
            Some((data, self.array_tensor(data)?))
        });
        data.collect()
    }
}

fn tensor(array: &Array<'_>, storage: u32, device: Device) -> Option<Tensor> {
    let dtype = array.dtype()?;
    let bytes = array.native_bytes();
    let as_i64 = |n: &usize| i64::try_from(*n).ok();
    let sizes: Vec<i64> = array.shape().iter().map(as_i64).collect::<Option<_>>()?;
    let strides: Vec<i64> = (0..sizes.len()).map(|n| as_i64(&array.stride(n))).collect::<Option<_>>()?;
    let nbytes = u64::try_from(bytes.len()).ok()?;
    let elements = nbytes / u64::try_from(dtype.itemsize()).ok()?;
    let geometry = Geometry::check(&sizes, &strides, 0, elements, &Limits::default()).ok()?;
    let location = device.to_string().into();
    let data = StorageData::Bytes(Arc::new(bytes.into()));
    Some(Tensor::new(TensorParts {
        storage: Storage::new(StorageParts { id: storage, key: "".into(), location, device, nbytes, data }),
        geometry,
        dtype,
        marks: Marks::default(),
        materialised_bytes: Limits::default().materialised_bytes,
        extra: Extra::default(),
    }))
}
