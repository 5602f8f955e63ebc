//! What a tensor is in safetensors, or why it cannot be there.

use safetensors::Dtype;
use torch_checkpoint::{DType, Device, Layout, Tensor};

use super::args::Convert;

/// A view may repeat its elements up to so many bytes: four bytes may present themselves as an exabyte, which would fill the
/// disk.
const MOST_REPEATED: usize = 1 << 30;
/// Converted numbers are wider than the stored ones at most by this: a `quint2x4` has two bits, a `float32` 32.
const WIDENED: u64 = 16;

/// How a tensor is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// What the floating-point numbers are converted to, if to anything.
    pub(super) cast: Option<DType>,
    /// The dtype that is written.
    pub(super) written: DType,
    /// Its name in safetensors.
    pub(super) dtype: Dtype,
    /// The shape as safetensors counts it.
    pub(super) shape: Vec<usize>,
    pub(super) nbytes: usize,
}

/// The form of a tensor, or the reason why it has none, with the remedy.
pub(super) fn form(tensor: &Tensor, args: &Convert) -> Result<Form, String> {
    let stored = there(tensor, args)?;
    let cast = args.dtype.map(super::args::Float::dtype).filter(|&to| stored.is_floating_point() && to != stored);
    if cast.is_some() && stored == DType::Float4E2M1FnX2 {
        return Err(format!("an element of {stored} is two numbers, which --dtype does not take apart"));
    }
    let written = cast.unwrap_or(stored);
    let Some(dtype) = named(written) else { return Err(format!("safetensors has no dtype for {written}")) };
    let mut shape = tensor.shape().to_vec();
    let nbytes = shape.iter().try_fold(written.itemsize(), |bytes, &size| bytes.checked_mul(size));
    let Some(nbytes) = nbytes else { return Err(format!("shape {shape:?} has more bytes than can be addressed")) };
    let repeats = u64::try_from(nbytes).map_or(true, |n| n > tensor.storage().nbytes().saturating_mul(WIDENED));
    if tensor.layout() == Layout::Strided && repeats && nbytes > MOST_REPEATED {
        return Err(format!(
            "it repeats the {} bytes of its storage until they are {nbytes} (an expanded view), which is not written out",
            tensor.storage().nbytes()
        ));
    }
    if dtype == Dtype::F4 {
        // Whose shapes count half bytes.
        let doubled = shape.last_mut().and_then(|last| last.checked_mul(2).map(|twice| *last = twice));
        doubled.ok_or("a float4_e2m1fn_x2 tensor without dimensions, whose two numbers safetensors cannot count")?;
    }
    Ok(Form { cast, written, dtype, shape, nbytes })
}

/// The dtype that its elements have when they are read.
fn there(tensor: &Tensor, args: &Convert) -> Result<DType, String> {
    if *tensor.device() == Device::Meta {
        return Err("it is on the device `meta`: it has a shape, but no data".to_owned());
    }
    if let Some(shard) = tensor.shard()
        && shard.global_shape() != tensor.shape()
        && !args.local
    {
        return Err(format!(
            "the file has one rank's part of it, {:?} of {:?}; put the ranks together with torch first, or write the parts with --local",
            tensor.shape(),
            shard.global_shape()
        ));
    }
    match tensor.layout() {
        Layout::Strided => {}
        Layout::Nested => {
            return Err("it is nested: tensors of several shapes, which safetensors cannot have".to_owned());
        }
        layout if layout.is_sparse() && args.dense => {}
        layout => return Err(format!("it is {layout}; write it in full with --dense")),
    }
    match tensor.quantization() {
        None => Ok(tensor.dtype()),
        Some(_) if args.dequantize => Ok(DType::Float32),
        Some(quantization) => Err(format!(
            "it is quantised ({}, {}); write its numbers as float32 with --dequantize",
            tensor.dtype(),
            quantization.scheme().name()
        )),
    }
}

/// The name of a dtype in safetensors, as the Python package gives it.
fn named(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::UInt8 => Dtype::U8,
        DType::Int8 => Dtype::I8,
        DType::Int16 => Dtype::I16,
        DType::UInt16 => Dtype::U16,
        DType::Int32 => Dtype::I32,
        DType::UInt32 => Dtype::U32,
        DType::Int64 => Dtype::I64,
        DType::UInt64 => Dtype::U64,
        DType::Float4E2M1FnX2 => Dtype::F4,
        DType::Float8E5M2 => Dtype::F8_E5M2,
        DType::Float8E4M3Fn => Dtype::F8_E4M3,
        DType::Float8E8M0Fnu => Dtype::F8_E8M0,
        DType::Float8E4M3Fnuz => Dtype::F8_E4M3FNUZ,
        DType::Float8E5M2Fnuz => Dtype::F8_E5M2FNUZ,
        DType::Float16 => Dtype::F16,
        DType::BFloat16 => Dtype::BF16,
        DType::Float32 => Dtype::F32,
        DType::Float64 => Dtype::F64,
        DType::Complex64 => Dtype::C64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtypes_have_the_same_width_there() {
        let known = DType::ALL.iter().filter_map(|&dtype| Some((dtype, named(dtype)?)));
        let known: Vec<(DType, Dtype)> = known.collect();
        assert_eq!(known.len(), 20);
        for (dtype, there) in known {
            let pair = if there == Dtype::F4 { 2 } else { 1 };
            assert_eq!(there.bitsize() * pair, dtype.itemsize() * 8, "{dtype}");
        }
    }
}
