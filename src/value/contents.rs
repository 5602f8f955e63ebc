//! What a value is that holds no others: numbers, texts, bytes, tensors, names.

use std::borrow::Cow;

use super::Value;
use crate::device::Device;
use crate::tensor::{DType, Storage, Tensor};
use crate::torch::Meant;

impl<'a> Value<'a> {
    /// Whether it is `None`.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.meant(), Meant::None)
    }

    /// A `bool`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.meant() {
            Meant::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` that fits; `None` for wider ones ([`as_int_bytes`](Self::as_int_bytes), [`Display`](fmt::Display)) and
    /// for a `bool`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.meant() {
            Meant::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` of any size as two's complement, least significant byte first, without superfluous bytes.
    #[must_use]
    pub fn as_int_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Int(value) => Some(Cow::Owned(num_bigint::BigInt::from(value).to_signed_bytes_le())),
            Meant::BigInt(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A `float`. An `int` is not one: use [`as_i64`](Self::as_i64).
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.meant() {
            Meant::Float(value) => Some(value),
            _ => None,
        }
    }

    /// A `complex`: real and imaginary part.
    #[must_use]
    pub fn as_complex(&self) -> Option<(f64, f64)> {
        match self.meant() {
            Meant::Complex(re, im) => Some((re, im)),
            _ => None,
        }
    }

    /// A `str`. Lone surrogates, which Rust text cannot hold, are U+FFFD here; [`as_str_bytes`](Self::as_str_bytes) has
    /// them. `None` for a Python 2 byte string that is not UTF-8: [`to_text`](Self::to_text) decodes that as latin1.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Str(text) => Some(text.text),
            Meant::PyString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Any text: [`as_str`](Self::as_str), and Python 2 byte strings that are not UTF-8 read as latin1.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        self.program.text(self.node)
    }

    /// The bytes of a `str` as the file has them: UTF-8, in which lone surrogates may stand as three bytes; of a Python
    /// 2 byte string its bytes.
    #[must_use]
    pub fn as_str_bytes(&self) -> Option<&'a [u8]> {
        match self.meant() {
            Meant::Str(text) => Some(text.surrogates.unwrap_or(text.text.as_bytes())),
            Meant::PyString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// `bytes`, `bytearray`, or a byte string of Python 2.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Bytes(bytes) | Meant::ByteArray(bytes) => Some(bytes),
            Meant::PyString(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A tensor.
    #[must_use]
    pub fn as_tensor(&self) -> Option<&'a Tensor> {
        self.program.tensor(self.node)
    }

    /// A tensor, or a numeric numpy array as a tensor with memory of its own (C or Fortran order kept as strides).
    #[must_use]
    pub fn to_tensor(&self) -> Option<Tensor> {
        self.as_tensor().cloned().or_else(|| self.program.array_tensor(self.node))
    }

    /// A storage that was saved as such.
    #[must_use]
    pub fn as_storage(&self) -> Option<&'a Storage> {
        self.program.storage(self.node)
    }

    /// The dtype of a storage that was saved as such; `uint8` if it is untyped, as torch loads it.
    pub(crate) fn storage_dtype(&self) -> Option<DType> {
        self.program.storage_dtype(self.node)
    }

    /// A `torch.dtype`.
    #[must_use]
    pub fn as_dtype(&self) -> Option<DType> {
        match self.meant() {
            Meant::DType(dtype) => Some(dtype),
            _ => None,
        }
    }

    /// A `torch.device`.
    #[must_use]
    pub fn as_device(&self) -> Option<Device> {
        match self.meant() {
            Meant::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The bare name of a `torch.layout` (`sparse_coo`), `torch.qscheme` (`per_tensor_affine`), function or class.
    #[must_use]
    pub fn as_name(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Layout(name) | Meant::QScheme(name) => Some(name),
            Meant::Global(id) => Some(self.program.graph().global(id).1),
            _ => None,
        }
    }
}
