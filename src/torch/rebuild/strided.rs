//! Views of storages, the usual tensors; and those without data.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::device::Device;
use crate::error::Error;
use crate::pickle::graph::NodeId;
use crate::tensor::{DType, Extra, Geometry, Marks, Storage, StorageData, StorageParts, Tensor, TensorParts};
use crate::torch::globals::StorageType;

impl Rebuilder<'_, '_> {
    /// A view of a storage of the file. Without a `dtype` it has the storage's.
    #[inline]
    pub(super) fn strided(
        &mut self,
        storage: NodeId,
        dtype: Option<DType>,
        offset: NodeId,
        size: NodeId,
        stride: NodeId,
        marks: Marks,
    ) -> Result<Tensor, Stop> {
        let (storage, storage_type) = self.storage(storage)?;
        let dtype = match (dtype, storage_type) {
            (Some(dtype), _) | (None, StorageType::Typed(dtype)) => dtype,
            (None, StorageType::Untyped) => DType::UInt8,
        };
        let storage = storage.clone();
        let geometry = self.geometry(&storage, dtype, offset, size, stride)?;
        Ok(self.tensor(storage, geometry, dtype, marks))
    }

    /// The storage of the file that a node names, and its element type.
    #[inline]
    pub(super) fn storage(&self, node: NodeId) -> Result<(&Storage, StorageType), Error> {
        if self.graph.as_persistent(node).is_none() {
            return Err(Error::malformed(format!("a {} where the storage should be", self.graph.kind_name(node))));
        }
        self.slots
            .get(node)
            .and_then(|index| self.storages.get(index))
            .zip(self.storage_types.of_persistent(self.graph, node))
            .ok_or_else(|| Error::malformed("the storage is not one of the file's"))
    }

    /// Offset, size and stride, checked against the storage.
    #[inline]
    pub(super) fn geometry(
        &mut self,
        storage: &Storage,
        dtype: DType,
        offset: NodeId,
        size: NodeId,
        stride: NodeId,
    ) -> Result<Geometry, Error> {
        let declared_offset = self.int(offset, "the storage offset")?;
        let mut sizes = std::mem::take(&mut self.sizes);
        let mut strides = std::mem::take(&mut self.strides);
        self.ints(size, "the size", &mut sizes)?;
        self.ints(stride, "the stride", &mut strides)?;
        let geometry = if dtype.values_per_byte() > 1 && dtype.is_quantized() {
            Geometry::check_packed(&sizes, &strides, declared_offset, storage.nbytes(), dtype, self.limits)?
        } else {
            let itemsize = u64::try_from(dtype.itemsize()).unwrap_or(u64::MAX);
            let elements = storage.nbytes().checked_div(itemsize).unwrap_or(0);
            Geometry::check(&sizes, &strides, declared_offset, elements, self.limits)?
        };
        self.sizes = sizes;
        self.strides = strides;
        Ok(geometry)
    }

    #[inline]
    pub(super) fn tensor(&self, storage: Storage, geometry: Geometry, dtype: DType, marks: Marks) -> Tensor {
        self.tensor_with(storage, geometry, dtype, marks, Extra::default())
    }

    pub(super) fn tensor_with(
        &self,
        storage: Storage,
        geometry: Geometry,
        dtype: DType,
        marks: Marks,
        extra: Extra,
    ) -> Tensor {
        let materialised_bytes = self.limits.materialised_bytes;
        Tensor::new(TensorParts { storage, geometry, dtype, marks, materialised_bytes, extra })
    }

    /// A shape without data.
    pub(super) fn meta(&mut self, dtype: DType, size: NodeId, stride: NodeId, marks: Marks) -> Result<Tensor, Stop> {
        let (mut sizes, mut strides) = (Vec::new(), Vec::new());
        self.ints(size, "the size", &mut sizes)?;
        self.ints(stride, "the stride", &mut strides)?;
        let geometry = Geometry::check(&sizes, &strides, 0, u64::MAX, self.limits)?;
        let storage = self.new_storage(Device::Meta, StorageData::Meta)?;
        Ok(self.tensor(storage, geometry, dtype, marks))
    }

    /// `torch.Tensor()` without state: no elements.
    pub(super) fn empty(&mut self, dtype: DType, parameter: bool) -> Result<Tensor, Stop> {
        let geometry = Geometry::check(&[0], &[1], 0, 0, self.limits)?;
        let storage = self.new_storage(Device::Cpu, StorageData::empty())?;
        Ok(self.tensor(storage, geometry, dtype, Marks { is_parameter: parameter, ..Marks::default() }))
    }

    /// A storage for a tensor that has none in the file.
    pub(super) fn new_storage(&mut self, device: Device, data: StorageData) -> Result<Storage, Error> {
        let id = self.storage_number()?;
        let location = device.to_string().into();
        Ok(Storage::new(StorageParts { id, key: "".into(), location, device, nbytes: 0, data }))
    }

    /// The next number for a storage that the file does not have.
    pub(super) fn storage_number(&mut self) -> Result<u32, Error> {
        let number = self.storages.len().saturating_add(self.made_storages);
        self.made_storages = self.made_storages.saturating_add(1);
        u32::try_from(number).map_err(|_| Error::limit("more than 2^32 storages"))
    }
}
