//! A tensor of a checkpoint as an entry of burn-store: described now, read when it is asked for.

use std::borrow::Cow;

use burn_core::tensor::{AllocationProperty, BoolStore, Bytes, DType, Shape, TensorData};
use burn_store::bridge;
use burn_store::burn_pack::{Error as PackError, Tensor as Entry};
use torch_checkpoint::{DType as TorchDType, Error, ErrorKind, Layout, Tensor};

/// The entry of a tensor. What burn has no dtype for is promised as `f32`: it becomes that if it is numbers (the float8,
/// quantised tensors), and else an error when it is read, so that a tensor nobody wants does no harm.
pub(crate) fn entry(name: &str, tensor: &Tensor, zero_copy: bool) -> Entry {
    let dtype = match tensor.quantization() {
        None => same_dtype(tensor.dtype()).unwrap_or(DType::F32),
        Some(_) => DType::F32,
    };
    // burn multiplies the sizes unchecked. Only a sparse tensor's can be too large; it is not readable either.
    let bytes = tensor.shape().iter().try_fold(dtype.size(), |bytes, &size| bytes.checked_mul(size));
    let shape = Shape::from(if bytes.is_some() { tensor.shape().to_vec() } else { vec![0] });
    let (tensor, declared) = (tensor.clone(), shape.clone());
    bridge::deferred(name.to_owned(), dtype, shape, None, move || {
        if tensor.dtype() == TorchDType::Float4E2M1FnX2 {
            return Err(PackError::ValidationError(
                "an element of float4_e2m1fn_x2 is two numbers, which burn has no dtype for: read them with `torch_checkpoint::Tensor::cast`".to_owned(),
            ));
        }
        let bytes = read(&tensor, dtype, zero_copy).map_err(|error| match error.kind() {
            ErrorKind::Io => PackError::IoError(error.to_string()),
            _ => PackError::ValidationError(error.to_string()),
        })?;
        TensorData::try_from_bytes(bytes, declared.clone(), dtype)
            .map_err(|error| PackError::TensorBytesSizeMismatch(error.to_string()))
    })
}

/// burn's dtype with the same values in the same bytes.
fn same_dtype(dtype: TorchDType) -> Option<DType> {
    Some(match dtype {
        TorchDType::Float64 => DType::F64,
        TorchDType::Float32 => DType::F32,
        TorchDType::Float16 => DType::F16,
        TorchDType::BFloat16 => DType::BF16,
        TorchDType::Int64 => DType::I64,
        TorchDType::Int32 => DType::I32,
        TorchDType::Int16 => DType::I16,
        TorchDType::Int8 => DType::I8,
        TorchDType::UInt64 => DType::U64,
        TorchDType::UInt32 => DType::U32,
        TorchDType::UInt16 => DType::U16,
        TorchDType::UInt8 => DType::U8,
        TorchDType::Bool => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}

/// The elements in row-major order, as the promised dtype.
fn read(tensor: &Tensor, dtype: DType, zero_copy: bool) -> Result<Bytes, Error> {
    let tensor = match tensor.layout() {
        Layout::Strided if tensor.quantization().is_some() => Cow::Owned(tensor.dequantize()?),
        // Of a nested tensor the reading below says what to do.
        Layout::Strided | Layout::Nested => Cow::Borrowed(tensor),
        _ => Cow::Owned(tensor.to_dense()?),
    };
    match dtype {
        // A file may hold any byte for true.
        DType::Bool(_) => return Ok(Bytes::from_elems(tensor.to_vec::<bool>()?)),
        DType::F32 if tensor.dtype() != TorchDType::Float32 => return Ok(Bytes::from_elems(tensor.cast::<f32>()?)),
        _ => {}
    }
    let elements = tensor.bytes()?;
    if zero_copy && matches!(elements, Cow::Borrowed(_)) && elements.as_ptr().addr().is_multiple_of(dtype.size()) {
        let lent = bytes::Bytes::from_owner(Lent(tensor.clone().into_owned()));
        return Ok(Bytes::from_shared(lent, AllocationProperty::File));
    }
    Ok(Bytes::from_bytes_vec(elements.into_owned()))
}

/// A tensor whose bytes are borrowed from the file.
struct Lent(Tensor);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        match self.0.bytes() {
            Ok(Cow::Borrowed(bytes)) => bytes,
            // They were borrowed a moment ago. If not, burn-store finds that they are too few.
            _ => &[],
        }
    }
}
