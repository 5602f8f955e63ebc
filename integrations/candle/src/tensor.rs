//! One tensor.

use candle_core::{DType, Device, Error, Result, Tensor, WithDType};
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{DType as Torch, Element, Float};

/// What candle makes of a tensor.
pub trait TensorExt {
    /// The tensor in its own dtype (`bool` as `u8`), in row-major order. On the CPU its elements are copied once, from the
    /// mapped file, whatever the strides; to another device they go from there.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use torch_checkpoint_candle::TensorExt;
    ///
    /// # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
    /// let weights = torch_checkpoint::load_state_dict(path, "cpu")?;
    /// let kernel = weights["conv1.weight"].to_candle(&Device::Cpu)?;
    /// let columns = weights["head.3.weight"].transpose(0, 1)?.to_candle(&Device::Cpu)?;
    /// # assert_eq!((kernel.dtype(), columns.dims().len()), (DType::F32, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// candle has no such dtype (the error names the cast that helps), or the tensor cannot be read: it is sparse, nested or
    /// on `meta`, or the file is damaged.
    fn to_candle(&self, device: &Device) -> Result<Tensor>;

    /// The tensor in another dtype. To a float, every real dtype is converted while it is read, and rounded as torch does,
    /// also those that candle lacks; to an integer, candle converts.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use torch_checkpoint_candle::TensorExt;
    ///
    /// # let path = "../../fixtures/zip/torch-2.15/all_dtypes.pt";
    /// # let weights = torch_checkpoint::LoadOptions::new().flatten().load_state_dict(path)?;
    /// # let w = weights.values().find(|w| w.dtype() == torch_checkpoint::DType::Float8E5M2).ok_or("no float8")?;
    /// assert!(w.to_candle(&Device::Cpu).unwrap_err().to_string().contains("to_candle_as"));
    /// let w = w.to_candle_as(DType::BF16, &Device::Cpu)?;
    /// # assert_eq!(w.dtype(), DType::BF16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The elements are no real numbers (complex, quantised), candle cannot convert them, and those of
    /// [`to_candle`](Self::to_candle).
    fn to_candle_as(&self, dtype: DType, device: &Device) -> Result<Tensor>;
}

impl TensorExt for torch_checkpoint::Tensor {
    fn to_candle(&self, device: &Device) -> Result<Tensor> {
        match self.dtype() {
            Torch::Bool => {
                let values = self.to_vec::<bool>().map_err(Error::wrap)?;
                Tensor::from_vec(values.into_iter().map(u8::from).collect::<Vec<u8>>(), self.shape(), device)
            }
            Torch::UInt8 => read::<u8>(self, device),
            Torch::UInt32 => read::<u32>(self, device),
            Torch::Int16 => read::<i16>(self, device),
            Torch::Int32 => read::<i32>(self, device),
            Torch::Int64 => read::<i64>(self, device),
            Torch::BFloat16 => read::<bf16>(self, device),
            Torch::Float16 => read::<f16>(self, device),
            Torch::Float32 => read::<f32>(self, device),
            Torch::Float64 => read::<f64>(self, device),
            Torch::Float8E4M3Fn => read_bytes(self, DType::F8E4M3, device),
            Torch::Float8E8M0Fnu => read_bytes(self, DType::F8E8M0, device),
            other => Err(Error::Msg(format!("candle has no dtype for {other}: {}", remedy(other))).bt()),
        }
    }

    fn to_candle_as(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        match (self.dtype(), dtype) {
            // What it is already is copied bit by bit.
            (Torch::Float64, DType::F64) | (Torch::Float32, DType::F32) => self.to_candle(device),
            (Torch::Float16, DType::F16) | (Torch::BFloat16, DType::BF16) => self.to_candle(device),
            (_, DType::F64) => cast::<f64>(self, device),
            (_, DType::F32) => cast::<f32>(self, device),
            (_, DType::F16) => cast::<f16>(self, device),
            (_, DType::BF16) => cast::<bf16>(self, device),
            _ => self.to_candle(device)?.to_dtype(dtype),
        }
    }
}

/// In the type that both sides have.
fn read<T: Element + WithDType>(tensor: &torch_checkpoint::Tensor, device: &Device) -> Result<Tensor> {
    if !device.is_cpu()
        && let Ok(elements) = tensor.as_slice::<T>()
    {
        return Tensor::from_slice(elements, tensor.shape(), device);
    }
    Tensor::from_vec(tensor.to_vec::<T>().map_err(Error::wrap)?, tensor.shape(), device)
}

/// In a type of candle's own.
fn read_bytes(tensor: &torch_checkpoint::Tensor, dtype: DType, device: &Device) -> Result<Tensor> {
    Tensor::from_raw_buffer(&tensor.bytes().map_err(Error::wrap)?, dtype, tensor.shape(), device)
}

fn cast<T: Float + WithDType>(tensor: &torch_checkpoint::Tensor, device: &Device) -> Result<Tensor> {
    Tensor::from_vec(tensor.cast::<T>().map_err(Error::wrap)?, shape(tensor), device)
}

/// The shape of the numbers: of 4-bit floats torch counts bytes, of which each has two.
pub(crate) fn shape(tensor: &torch_checkpoint::Tensor) -> Vec<usize> {
    let mut shape = tensor.shape().to_vec();
    if tensor.dtype() == Torch::Float4E2M1FnX2 {
        match shape.last_mut() {
            Some(last) => *last = last.saturating_mul(2),
            None => shape.push(2),
        }
    }
    shape
}

fn remedy(dtype: Torch) -> &'static str {
    match dtype {
        _ if dtype.is_quantized() => "take its `dequantize()`",
        _ if dtype.is_complex() => "read its numbers with `to_vec`, and make two tensors of their parts",
        Torch::Bits1x8 | Torch::Bits2x4 | Torch::Bits4x2 | Torch::Bits8 | Torch::Bits16 => "read it with `bytes()`",
        _ => "cast it, with `to_candle_as(DType::F32, …)` or the dtype of the `VarBuilder`",
    }
}
