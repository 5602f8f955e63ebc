//! Tensors over storages in memory, for the tests beside.

use std::sync::Arc;

use zerocopy::{Immutable, IntoBytes};

use super::{DType, Geometry, Marks, Storage, StorageData, StorageParts, Tensor, TensorParts};
use crate::device::Device;
use crate::error::Error;
use crate::limits::Limits;
use crate::source::{ByteOrder, RecordId, Records};

mod casts;
mod chunks;
mod float8;
mod layout;
mod reading;
mod storages;
mod tiling;

const _: () = {
    const fn thread_safe<T: Clone + Send + Sync + 'static>() {}
    thread_safe::<Tensor>();
    thread_safe::<Storage>();
};

/// One record in memory that can be every kind of record.
#[derive(Debug)]
struct Memory {
    bytes: Vec<u8>,
    /// Bytes in front that are not the record's, to make its start unaligned.
    skipped: usize,
    compressed: bool,
    stable: bool,
}

impl Records for Memory {
    fn borrow(&self, _: RecordId) -> Result<Option<&[u8]>, Error> {
        Ok((!self.compressed).then_some(&self.bytes[self.skipped..]))
    }

    fn produce(&self, _: RecordId) -> Result<Vec<u8>, Error> {
        Ok(self.bytes[self.skipped..].to_vec())
    }

    fn is_stable(&self) -> bool {
        self.stable
    }

    fn name(&self, _: RecordId) -> &str {
        "archive/data/0"
    }

    fn len(&self) -> u64 {
        0
    }

    fn defects(&self, _progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
        Vec::new()
    }
}

fn storage_with(bytes: Vec<u8>, edit: impl FnOnce(&mut Memory, &mut ByteOrder)) -> Storage {
    let nbytes = bytes.len() as u64;
    let mut memory = Memory { bytes, skipped: 0, compressed: false, stable: true };
    let mut byte_order = ByteOrder::NATIVE;
    edit(&mut memory, &mut byte_order);
    Storage::new(StorageParts {
        id: 0,
        key: "0".into(),
        location: "cuda:1".into(),
        device: Device::Cpu,
        nbytes,
        data: StorageData::Record { records: Arc::new(memory), record: RecordId(0), byte_order },
    })
}

fn storage(bytes: Vec<u8>) -> Storage {
    storage_with(bytes, |_, _| {})
}

/// Bytes without a pattern, the same in every run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A view that goes through the view check, as a file's does.
fn tensor(storage: &Storage, dtype: DType, sizes: &[i64], strides: &[i64], offset: i64) -> Result<Tensor, Error> {
    marked(storage, dtype, sizes, strides, offset, Marks::default())
}

fn marked(
    storage: &Storage,
    dtype: DType,
    sizes: &[i64],
    strides: &[i64],
    offset: i64,
    marks: Marks,
) -> Result<Tensor, Error> {
    let limits = Limits::default();
    let elements = storage.nbytes() / dtype.itemsize() as u64;
    Ok(Tensor::new(TensorParts {
        storage: storage.clone(),
        geometry: Geometry::check(sizes, strides, offset, elements, &limits)?,
        dtype,
        marks,
        materialised_bytes: limits.materialised_bytes,
        extra: crate::tensor::Extra::default(),
    }))
}

/// All of a storage as a vector.
fn vector(storage: &Storage, dtype: DType) -> Tensor {
    let elements = storage.nbytes() as i64 / dtype.itemsize() as i64;
    tensor(storage, dtype, &[elements], &[1], 0).unwrap()
}

fn bytes_of<T: IntoBytes + Immutable>(elements: &[T]) -> Vec<u8> {
    elements.as_bytes().to_vec()
}
