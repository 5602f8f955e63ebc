//! Reads a checkpoint in every way there is: for files that may lie, in tests and in the fuzz targets. What must agree is
//! asserted; errors are as good as values.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor};
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{Checkpoint, Complex, Element, Error, ErrorKind, Float, StateDict, Tensor, Value};

/// Everything in a file.
pub fn read_everything(checkpoint: &Checkpoint) {
    let entries = checkpoint.tensors().unwrap_or_default();
    let mut seen = HashSet::new();
    for entry in &entries {
        let (_, tensor) = (entry.name(), entry.tensor());
        // A tensor under a thousand names is read once.
        let place = (tensor.storage_offset(), tensor.shape().to_vec(), tensor.strides().to_vec(), tensor.dtype());
        if seen.insert((tensor.storage().id(), place, tensor.is_conj(), tensor.is_neg())) || seen.len() < 16 {
            read_tensor(tensor);
        }
    }
    read_values(checkpoint);
    if let Ok(weights) = checkpoint.state_dict() {
        read_state_dict(&weights);
    }
    for storage in checkpoint.storages() {
        let _ = (storage.id(), storage.key().len(), storage.location().len(), storage.device().to_string());
        let _ = storage.nbytes();
    }
    for defect in checkpoint.verify() {
        one_sentence(&defect);
    }
    assert!(format!("{checkpoint:?}").len() < 10_000);
}

/// An error is one line that a person can read.
pub fn one_sentence(error: &Error) {
    let sentence = error.to_string();
    assert!(sentence.lines().count() == 1 && sentence.len() < 8000, "{sentence}");
}

fn read_state_dict(weights: &StateDict) {
    let _ = (weights.tied().len(), weights.metadata().map(|value| value.to_string()), weights.others().count());
    let _ = (weights.strip_prefix("module.").map(|dict| dict.len()), weights.check(["x"]), weights.prefix("a").len());
    for (name, tensor) in weights.iter().take(16) {
        assert!(weights.contains_key(name));
        weights.require(name, tensor.dtype(), tensor.shape()).unwrap();
    }
    assert_eq!(weights.clone().into_iter().count(), weights.len());
    let bytes = |tensor: &Tensor| tensor.bytes().map(|bytes| bytes.into_owned()).ok();
    let before: Vec<Option<Vec<u8>>> = weights.values().take(16).map(bytes).collect();
    if let Err(error) = weights.load_into_memory(|progress| assert!(progress.done <= progress.total)) {
        one_sentence(&error);
    }
    assert!(weights.values().take(16).map(bytes).eq(before), "memory has other bytes than the file");
}

fn read_values(checkpoint: &Checkpoint) {
    let mut texts = 0_usize;
    let mut read = |value: Value<'_>| {
        // The same long text under ten thousand names is read a few times.
        if texts < 1 << 20 {
            texts += read_value(value);
        }
    };
    if let Ok(listing) = checkpoint.leaves("") {
        listing.leaves.iter().for_each(|leaf| read(leaf.value));
    }
    read(checkpoint.root());
    checkpoint.constants().into_iter().for_each(&mut read);
    for entry in checkpoint.root().entries().take(100) {
        let (key, value) = entry;
        assert!(key.as_str().is_none() || checkpoint.get(key.as_str().unwrap()).is_some());
        read(key);
        read(value);
    }
    let _ = (checkpoint.get("a.b").is_some(), checkpoint.globals().count(), checkpoint.consumed());
    let _ = (checkpoint.format().to_string(), checkpoint.version(), checkpoint.writer().map(str::len));
    let _ = (checkpoint.deserialize::<Anything>(""), checkpoint.deserialize::<IgnoredAny>(""));
    #[cfg(feature = "serde-pickle")]
    let _ = checkpoint.root().to_serde_pickle();
}

/// Gives the length of its text.
fn read_value(value: Value<'_>) -> usize {
    let text = value.to_string();
    let _ = (value.kind(), value.type_name().len(), value.len(), value.attributes().count(), value.args().len());
    let _ = (value.as_bool(), value.as_i64(), value.as_f64(), value.as_complex(), value.as_str(), value.to_text());
    let _ = (value.as_bytes(), value.as_str_bytes(), value.as_int_bytes(), value.as_device(), value.as_name());
    let _ = (value.get("x").is_some(), value.get(0).is_some(), value.iter().len(), value.entries().count());
    let _ = (value.as_dtype(), value.as_storage().is_some(), value.as_tensor().is_some(), value.state().is_some());
    let _ = (value.kwargs().is_some(), value.is_empty(), value.is_none(), value.is(&value));
    if let Some(tensor) = value.to_tensor() {
        let _ = tensor.bytes();
    }
    let _ = (value.deserialize::<String>(), value.deserialize::<f64>(), value.deserialize::<Vec<i64>>());
    text.len()
}

/// Every way of reading a tensor, and every view of it.
pub fn read_tensor(tensor: &Tensor) {
    read_bytes(tensor);
    let _ = (read_as::<f64>(tensor), read_as::<f32>(tensor), read_as::<f16>(tensor), read_as::<bf16>(tensor));
    let _ = (read_as::<i64>(tensor), read_as::<i32>(tensor), read_as::<i16>(tensor), read_as::<i8>(tensor));
    let _ = (read_as::<u64>(tensor), read_as::<u32>(tensor), read_as::<u16>(tensor), read_as::<u8>(tensor));
    let _ = (read_as::<bool>(tensor), read_as::<Complex<f64>>(tensor), read_as::<Complex<f32>>(tensor));
    let _ = (read_as::<Complex<f16>>(tensor), read_as::<Complex<bf16>>(tensor));
    cast_to::<f64>(tensor);
    cast_to::<f32>(tensor);
    cast_to::<f16>(tensor);
    cast_to::<bf16>(tensor);
    let dims = tensor.shape().len();
    for dim in 0..dims.min(3) {
        read_view(tensor.select(dim, 0));
        read_view(tensor.select(dim, tensor.shape()[dim].wrapping_sub(1)));
        read_view(tensor.narrow(dim, 0, 1));
        read_view(tensor.narrow(dim, tensor.shape()[dim] / 2, tensor.shape()[dim].div_ceil(2)));
        read_view(tensor.transpose(0, dim));
        assert!(tensor.select(dim, usize::MAX).is_err() && tensor.narrow(dim, usize::MAX, 2).is_err());
    }
    assert!(tensor.select(dims, 0).is_err() && tensor.transpose(dims, 0).is_err());
    read_view(tensor.reshape(&[tensor.numel()]));
    read_view(tensor.permute(&(0..dims).rev().collect::<Vec<_>>()));
    for (_, component) in tensor.components() {
        let _ = component.bytes();
    }
    if let Ok(dense) = tensor.to_dense() {
        assert_eq!(dense.shape(), tensor.shape());
        read_bytes(&dense);
    }
    for component in tensor.unbind().unwrap_or_default().iter().take(64) {
        read_bytes(component);
    }
    if let Some(quantization) = tensor.quantization() {
        let _ = (quantization.scheme(), quantization.scale(), quantization.zero_point(), quantization.axis());
        let _ = (quantization.scales(), quantization.zero_points());
    }
    if let Ok(numbers) = tensor.dequantize() {
        assert_eq!(numbers.shape(), tensor.shape());
        read_bytes(&numbers);
    }
    if let Some(shard) = tensor.shard() {
        let _ = (shard.global_shape().len(), shard.placements().len(), shard.offsets().map(<[usize]>::len));
    }
    let _ = (tensor.nnz(), tensor.is_coalesced(), tensor.is_contiguous(), tensor.location().len(), tensor.layout());
    assert!(format!("{tensor:?}").len() < 4000);
}

fn read_bytes(tensor: &Tensor) {
    let Ok(bytes) = tensor.bytes() else { return };
    assert_eq!(bytes.len(), tensor.nbytes());
    let mut copy = vec![0; bytes.len()];
    tensor.copy_to(&mut copy).unwrap();
    assert_eq!(*bytes, *copy);
    assert!(tensor.copy_to(&mut vec![0; bytes.len() + 1]).is_err());
    // What can be borrowed may be larger than what may be copied.
    match tensor.detach() {
        Ok(copy) => assert_eq!(*copy.bytes().unwrap(), *bytes),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Limit, "{error}"),
    }
}

fn read_as<T: Element>(tensor: &Tensor) -> Result<(), Error> {
    let copy = tensor.to_vec::<T>().map(|values| values.len());
    if let (Ok(slice), Ok(len)) = (tensor.as_slice::<T>(), &copy) {
        assert_eq!(slice.len(), *len);
    }
    if let Ok(stored) = tensor.as_strided_slice::<T>() {
        let steps = tensor.shape().iter().zip(tensor.strides()).map(|(size, stride)| size.saturating_sub(1) * stride);
        assert_eq!(stored.len(), if tensor.numel() == 0 { 0 } else { 1 + steps.sum::<usize>() });
    }
    copy.map(drop)
}

fn cast_to<T: Float + Copy>(tensor: &Tensor) {
    let Ok(mut values) = tensor.cast::<T>() else { return };
    tensor.cast_into(&mut values).unwrap();
    let one_less = values.len().saturating_sub(1);
    assert!(values.is_empty() || tensor.cast_into(&mut values[..one_less]).is_err());
}

fn read_view(view: Result<Tensor, Error>) {
    if let Ok(view) = view {
        read_bytes(&view);
    }
}

/// Whatever a value is, read to its end and dropped.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_none<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Self, A::Error> {
        let (variant, content) = data.variant::<Self>()?;
        content.newtype_variant::<IgnoredAny>().map(|_| variant)
    }
}
