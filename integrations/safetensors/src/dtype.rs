//! What safetensors calls a dtype and a shape.

use safetensors::Dtype;
use torch_checkpoint::{DType, Layout, Tensor};

use crate::error::Error;

/// The dtype and shape of a tensor in the header.
pub(crate) fn of(name: &str, tensor: &Tensor) -> Result<(Dtype, Vec<usize>), Error> {
    if tensor.layout() != Layout::Strided {
        return Err(Error::Layout { name: name.to_owned(), layout: tensor.layout() });
    }
    let Some(dtype) = dtype(tensor.dtype()) else {
        return Err(Error::DType { name: name.to_owned(), dtype: tensor.dtype() });
    };
    let mut shape = tensor.shape().to_vec();
    if dtype == Dtype::F4 {
        // torch counts bytes, safetensors the two numbers in each; the library `safetensors.torch` writes it so as well.
        let last = shape.last_mut().ok_or_else(|| Error::NoDimension { name: name.to_owned() })?;
        *last = last.saturating_mul(2);
    }
    Ok((dtype, shape))
}

fn dtype(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::UInt8 => Dtype::U8,
        DType::Int8 => Dtype::I8,
        DType::UInt16 => Dtype::U16,
        DType::Int16 => Dtype::I16,
        DType::UInt32 => Dtype::U32,
        DType::Int32 => Dtype::I32,
        DType::UInt64 => Dtype::U64,
        DType::Int64 => Dtype::I64,
        DType::Float64 => Dtype::F64,
        DType::Float32 => Dtype::F32,
        DType::Float16 => Dtype::F16,
        DType::BFloat16 => Dtype::BF16,
        DType::Float8E5M2 => Dtype::F8_E5M2,
        DType::Float8E4M3Fn => Dtype::F8_E4M3,
        DType::Float8E5M2Fnuz => Dtype::F8_E5M2FNUZ,
        DType::Float8E4M3Fnuz => Dtype::F8_E4M3FNUZ,
        DType::Float8E8M0Fnu => Dtype::F8_E8M0,
        DType::Float4E2M1FnX2 => Dtype::F4,
        DType::Complex64 => Dtype::C64,
        _ => return None,
    })
}
