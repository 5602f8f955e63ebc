//! Quantised tensors: integers with the scale and zero point that make them numbers.

use super::Tensor;
use super::dtype::DType;
use super::geometry::Geometry;
use super::handle::TensorParts;
use crate::error::Error;
use crate::limits::Limits;
use crate::source::Memory;

/// How the integers of a quantised tensor become numbers: `(integer - zero_point) * scale` in every scheme.
///
/// ```
/// use torch_checkpoint::{QScheme, load_state_dict};
/// let weights = load_state_dict("fixtures/zip/torch-2.15/quantised_per_tensor.pt", None)?;
/// let (_, tensor) = weights.iter().next().unwrap();
/// let quantization = tensor.quantization().unwrap();
/// assert_eq!(quantization.scheme(), QScheme::PerTensorAffine);
/// let numbers: Vec<f32> = tensor.dequantize()?.to_vec()?;
/// assert_eq!(numbers.len(), tensor.numel());
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Quantization(Params);

#[derive(Clone, Debug)]
enum Params {
    PerTensor { scale: f64, zero_point: i64 },
    PerChannel(Box<PerChannel>),
}

#[derive(Clone, Debug)]
struct PerChannel {
    axis: usize,
    scales: Channels,
    zero_points: Channels,
}

/// One number a channel: a tensor as torch writes them now, or a list of old files.
#[derive(Clone, Debug)]
pub(crate) enum Channels {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
    Tensor(Tensor),
}

/// torch's name for a way of quantising.
///
/// ```
/// use torch_checkpoint::{QScheme, load_state_dict};
/// let weights = load_state_dict("fixtures/zip/torch-2.15/quantised_float_qparams.pt", "cpu")?;
/// let scheme = weights["axis_0"].quantization().unwrap().scheme();
/// assert_eq!(scheme, QScheme::PerChannelAffineFloatQparams);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QScheme {
    /// One scale and one integer zero point.
    PerTensorAffine,
    /// A scale and an integer zero point for each index along an axis.
    PerChannelAffine,
    /// A scale and a fractional zero point for each index along an axis. torch writes these as `per_channel_affine`; the
    /// dtype of the zero points tells them apart.
    PerChannelAffineFloatQparams,
}

impl QScheme {
    /// torch's text without `torch.`.
    ///
    /// ```
    /// assert_eq!(torch_checkpoint::QScheme::PerTensorAffine.name(), "per_tensor_affine");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerTensorAffine => "per_tensor_affine",
            Self::PerChannelAffine => "per_channel_affine",
            Self::PerChannelAffineFloatQparams => "per_channel_affine_float_qparams",
        }
    }
}

/// The zero points of a [`Quantization`].
///
/// ```
/// use torch_checkpoint::{ZeroPoints, load_state_dict};
/// let weights = load_state_dict("fixtures/zip/torch-2.15/quantised_float_qparams.pt", "cpu")?;
/// let points = weights["axis_0"].quantization().unwrap().zero_points()?;
/// assert!(matches!(points, ZeroPoints::Float(points) if points.len() == 3));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum ZeroPoints {
    /// Of the affine schemes.
    Int(Vec<i64>),
    /// Of [`QScheme::PerChannelAffineFloatQparams`].
    Float(Vec<f64>),
}

impl Channels {
    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Ints(values) => values.len(),
            Self::Tensor(tensor) => tensor.numel(),
        }
    }

    fn are_floats(&self) -> bool {
        match self {
            Self::Floats(_) => true,
            Self::Ints(_) => false,
            Self::Tensor(tensor) => tensor.dtype().is_floating_point(),
        }
    }

    fn floats(&self) -> Result<Vec<f64>, Error> {
        match self {
            Self::Floats(values) => Ok(values.clone()),
            Self::Ints(values) => Ok(values.iter().map(|&value| value as f64).collect()),
            Self::Tensor(tensor) => tensor.cast(),
        }
    }

    fn ints(&self) -> Result<Vec<i64>, Error> {
        match self {
            Self::Ints(values) => Ok(values.clone()),
            Self::Tensor(tensor) if tensor.dtype() == DType::Int64 => tensor.to_vec(),
            Self::Tensor(tensor) if tensor.dtype() == DType::Int32 => {
                Ok(tensor.to_vec::<i32>()?.into_iter().map(i64::from).collect())
            }
            _ => Err(Error::unsupported("zero points that are neither 32-bit nor 64-bit integers")),
        }
    }
}

impl Quantization {
    /// The tensors that hold the numbers of the channels.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let channels = match &self.0 {
            Params::PerTensor { .. } => None,
            Params::PerChannel(params) => Some([&params.scales, &params.zero_points]),
        };
        channels.into_iter().flatten().filter_map(|channels| match channels {
            Channels::Tensor(tensor) => Some(tensor),
            Channels::Floats(_) | Channels::Ints(_) => None,
        })
    }

    pub(crate) fn per_tensor(scale: f64, zero_point: i64) -> Self {
        Self(Params::PerTensor { scale, zero_point })
    }

    /// # Errors
    /// The axis is none of the shape's, or there is not one scale and one zero point for each index along it.
    pub(crate) fn per_channel(
        declared_axis: i64,
        scales: Channels,
        zero_points: Channels,
        shape: &[usize],
    ) -> Result<Self, Error> {
        let Some((axis, &size)) = usize::try_from(declared_axis).ok().and_then(|axis| Some((axis, shape.get(axis)?)))
        else {
            return Err(Error::malformed(format!(
                "the quantisation axis {declared_axis} is out of range for shape {shape:?}"
            )));
        };
        if scales.len() != size || zero_points.len() != size {
            return Err(Error::malformed(format!(
                "{} scales and {} zero points for an axis of size {size}",
                scales.len(),
                zero_points.len()
            )));
        }
        if !scales.are_floats() {
            return Err(Error::malformed("the quantisation scales are integers"));
        }
        Ok(Self(Params::PerChannel(Box::new(PerChannel { axis, scales, zero_points }))))
    }

    /// The scheme.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_channel.pt", "cpu")?;
    /// let quantization = weights["axis_0"].quantization().unwrap();
    /// assert_eq!(quantization.scheme(), torch_checkpoint::QScheme::PerChannelAffine);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn scheme(&self) -> QScheme {
        match &self.0 {
            Params::PerTensor { .. } => QScheme::PerTensorAffine,
            Params::PerChannel(channels) if channels.zero_points.are_floats() => QScheme::PerChannelAffineFloatQparams,
            Params::PerChannel(_) => QScheme::PerChannelAffine,
        }
    }

    /// The one scale of a tensor that is quantised as a whole.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_tensor.pt", "cpu")?;
    /// assert_eq!(weights["quint8"].quantization().unwrap().scale(), Some(0.25));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn scale(&self) -> Option<f64> {
        match &self.0 {
            Params::PerTensor { scale, .. } => Some(*scale),
            Params::PerChannel(_) => None,
        }
    }

    /// The one zero point of a tensor that is quantised as a whole.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_tensor.pt", "cpu")?;
    /// assert_eq!(weights["quint8"].quantization().unwrap().zero_point(), Some(128));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn zero_point(&self) -> Option<i64> {
        match &self.0 {
            Params::PerTensor { zero_point, .. } => Some(*zero_point),
            Params::PerChannel(_) => None,
        }
    }

    /// The dimension along which scale and zero point change.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_channel.pt", "cpu")?;
    /// assert_eq!(weights["axis_2_of_4"].quantization().unwrap().axis(), Some(2));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn axis(&self) -> Option<usize> {
        match &self.0 {
            Params::PerTensor { .. } => None,
            Params::PerChannel(channels) => Some(channels.axis),
        }
    }

    /// The scales, one for each index along the axis, or the only one.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_channel.pt", "cpu")?;
    /// assert_eq!(weights["axis_2_of_4"].quantization().unwrap().scales()?, [1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// The tensor that holds them cannot be read.
    pub fn scales(&self) -> Result<Vec<f64>, Error> {
        match &self.0 {
            Params::PerTensor { scale, .. } => Ok(vec![*scale]),
            Params::PerChannel(channels) => channels.scales.floats(),
        }
    }

    /// The zero points, one for each index along the axis, or the only one.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_channel.pt", "cpu")?;
    /// let points = weights["axis_0"].quantization().unwrap().zero_points()?;
    /// assert_eq!(points, torch_checkpoint::ZeroPoints::Int(vec![0, 4]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// The tensor that holds them cannot be read.
    pub fn zero_points(&self) -> Result<ZeroPoints, Error> {
        match &self.0 {
            Params::PerTensor { zero_point, .. } => Ok(ZeroPoints::Int(vec![*zero_point])),
            Params::PerChannel(channels) if channels.zero_points.are_floats() => {
                channels.zero_points.floats().map(ZeroPoints::Float)
            }
            Params::PerChannel(channels) => channels.zero_points.ints().map(ZeroPoints::Int),
        }
    }

    pub(super) fn is_per_channel(&self) -> bool {
        matches!(self.0, Params::PerChannel(_))
    }
}

impl Tensor {
    /// The numbers of a quantised tensor as a float32 tensor with memory of its own: `(integer - zero_point) * scale`,
    /// rounded as torch rounds (`affine_quantizer_base.cpp`, `QuantizedOpKernels.cpp`).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_tensor.pt", "cpu")?;
    /// let tensor = &weights["quint8"]; // of scale 0.25 and zero point 128
    /// assert_eq!(tensor.to_vec::<u8>()?, [0, 1, 2, 127, 128, 255]);
    /// assert_eq!(tensor.dequantize()?.to_vec::<f32>()?, [-32.0, -31.75, -31.5, -0.25, 0.0, 31.75]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): the tensor is not quantised. Otherwise as
    /// [`bytes`](Self::bytes).
    pub fn dequantize(&self) -> Result<Self, Error> {
        let Some(quantization) = self.quantization() else {
            return Err(Error::caller(format!("a tensor of dtype {} is not quantised", self.dtype())));
        };
        let numel = self.numel();
        let nbytes = u64::try_from(numel).unwrap_or(u64::MAX).saturating_mul(4);
        Limits::check("materialised_bytes", nbytes, self.materialised_bytes)?;
        let scales = quantization.scales()?;
        let zero_points = quantization.zero_points()?;
        let integers = self.integers()?;
        let mut numbers: Vec<f32> = Vec::new();
        numbers
            .try_reserve_exact(numel)
            .map_err(|_| Error::limit(format!("no memory for {nbytes} bytes of dequantised numbers")))?;
        // Runs of elements that share one channel: everything behind the axis.
        let run = match quantization.axis() {
            None => numel,
            Some(axis) => self.shape().iter().skip(axis.saturating_add(1)).product(),
        };
        let channels = scales.len().max(1);
        for (n, run) in integers.chunks(run.max(1)).enumerate() {
            let channel = n % channels;
            let scale = scales.get(channel).copied().unwrap_or_default();
            match &zero_points {
                // One scale: a difference of 32-bit integers, which wraps in torch too, in single precision.
                ZeroPoints::Int(points) if quantization.axis().is_none() => {
                    let point = points.get(channel).copied().unwrap_or_default() as i32;
                    numbers.extend(run.iter().map(|&q| q.wrapping_sub(point) as f32 * scale as f32));
                }
                // Scales of double precision are multiplied with in that.
                ZeroPoints::Int(points) => {
                    let point = points.get(channel).copied().unwrap_or_default() as f32;
                    numbers.extend(run.iter().map(|&q| (f64::from(q as f32 - point) * scale) as f32));
                }
                ZeroPoints::Float(points) => {
                    let point = points.get(channel).copied().unwrap_or_default() as f32;
                    numbers.extend(run.iter().map(|&q| (q as f32 - point) * scale as f32));
                }
            }
        }
        let storage = self.storage().with_bytes(Memory::copy_of(zerocopy::IntoBytes::as_bytes(numbers.as_slice()))?);
        Ok(Self::new(TensorParts {
            storage,
            geometry: Geometry::contiguous(self.shape()),
            dtype: DType::Float32,
            marks: self.marks,
            materialised_bytes: self.materialised_bytes,
            extra: super::extra::Extra::default(),
        }))
    }

    /// The same numbers as another floating-point dtype, in memory of their own.
    ///
    /// # Errors
    /// As [`cast`](Self::cast), and Unsupported for other dtypes.
    pub(crate) fn to_float(&self, dtype: DType) -> Result<Self, Error> {
        use zerocopy::IntoBytes as _;
        let bytes = match dtype {
            DType::Float64 => Memory::copy_of(self.cast::<f64>()?.as_bytes())?,
            DType::Float32 => Memory::copy_of(self.cast::<f32>()?.as_bytes())?,
            DType::Float16 => Memory::copy_of(self.cast::<half::f16>()?.as_bytes())?,
            DType::BFloat16 => Memory::copy_of(self.cast::<half::bf16>()?.as_bytes())?,
            other => {
                return Err(Error::unsupported(format!("a tensor saved as {} to be loaded as {other}", self.dtype())));
            }
        };
        Ok(Self { dtype, ..self.over(self.storage().with_bytes(bytes)) })
    }

    /// The integers of a quantised tensor in row-major order; of packed dtypes each value for itself.
    fn integers(&self) -> Result<Vec<i32>, Error> {
        let bytes = self.bytes()?;
        let unpacked = |bits: u32, mask: u8| {
            let per_byte = 8 / bits;
            // Low bits first (`aten/src/ATen/native/quantized`).
            let values =
                bytes.iter().flat_map(move |&byte| (0..per_byte).map(move |n| i32::from((byte >> (n * bits)) & mask)));
            values.take(self.numel()).collect()
        };
        Ok(match self.dtype() {
            DType::QInt8 => bytes.iter().map(|&byte| i32::from(byte.cast_signed())).collect(),
            DType::QUInt8 => bytes.iter().map(|&byte| i32::from(byte)).collect(),
            DType::QInt32 => bytes.as_chunks().0.iter().map(|&four| i32::from_ne_bytes(four)).collect(),
            DType::QUInt4x2 => unpacked(4, 0xf),
            DType::QUInt2x4 => unpacked(2, 0x3),
            other => return Err(Error::malformed(format!("quantisation parameters with the dtype {other}"))),
        })
    }
}
