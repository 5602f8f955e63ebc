//! The numbers of a tensor, piece by piece: memory is that of a few pieces, whatever the tensor's size.

use torch_checkpoint::{Complex, DType, Device, Error, Layout, Tensor, half};

use crate::hash::MOST;

/// Numbers in a piece.
const PIECE: usize = 1 << 16;

/// The numbers of a piece, all without loss.
#[derive(Debug)]
pub(crate) enum Numbers {
    /// Floats, `bool`, and integers of up to 32 bits.
    Real(Vec<f64>),
    /// Integers of 64 bits.
    Integer(Vec<i128>),
    Complex(Vec<Complex<f64>>),
}

/// Whether a tensor has numbers: there is data, and its bits mean numbers.
pub(crate) fn has_numbers(tensor: &Tensor) -> bool {
    let dtype = tensor.dtype();
    let integer = matches!(
        dtype,
        DType::Bool
            | DType::UInt8
            | DType::UInt16
            | DType::UInt32
            | DType::UInt64
            | DType::Int8
            | DType::Int16
            | DType::Int32
            | DType::Int64
    );
    let number = integer || dtype.is_floating_point() || dtype.is_complex() || tensor.quantization().is_some();
    number && *tensor.device() != Device::Meta
}

/// A tensor as strided ones of plain dtypes that have its elements in order: the dense one of a sparse tensor, the
/// components of a nested one, the numbers that a quantised one stands for.
pub(crate) fn plain(tensor: &Tensor) -> Result<Vec<Tensor>, Error> {
    if tensor.quantization().is_some() {
        return Ok(vec![tensor.dequantize()?]);
    }
    match tensor.layout() {
        Layout::Strided => Ok(vec![tensor.clone()]),
        Layout::Nested => tensor.unbind(),
        _ => Ok(vec![tensor.to_dense()?]),
    }
}

/// Views that have the elements of a strided tensor in row-major order, none of more than a piece. Tensors of one shape
/// come apart in the same way.
pub(crate) fn pieces(tensor: &Tensor) -> Result<Vec<Tensor>, Error> {
    // Four bytes may present themselves as an exabyte. Whoever reads that in one piece is told that it is too much.
    if tensor.nbytes() > MOST {
        return Ok(vec![tensor.clone()]);
    }
    split(tensor, PIECE)
}

/// The same, none of more than so many elements.
pub(crate) fn split(tensor: &Tensor, most: usize) -> Result<Vec<Tensor>, Error> {
    let mut pieces = Vec::new();
    let mut parts = vec![tensor.clone()];
    while let Some(part) = parts.pop() {
        match part.shape().first() {
            _ if part.numel() <= most => pieces.push(part),
            Some(1) => parts.push(part.select(0, 0)?),
            Some(&size) => {
                let half = size / 2;
                parts.push(part.narrow(0, half, size.saturating_sub(half))?);
                parts.push(part.narrow(0, 0, half)?);
            }
            None => pieces.push(part),
        }
    }
    Ok(pieces)
}

/// Reads a piece.
pub(crate) fn read(piece: &Tensor) -> Result<Numbers, Error> {
    fn complex<T: Copy + Into<f64>>(numbers: &[Complex<T>]) -> Numbers {
        Numbers::Complex(numbers.iter().map(|z| Complex::new(z.re.into(), z.im.into())).collect())
    }
    Ok(match piece.dtype() {
        DType::Int64 => Numbers::Integer(piece.to_vec::<i64>()?.into_iter().map(i128::from).collect()),
        DType::UInt64 => Numbers::Integer(piece.to_vec::<u64>()?.into_iter().map(i128::from).collect()),
        DType::Complex128 => Numbers::Complex(piece.to_vec()?),
        DType::Complex64 => complex::<f32>(&piece.to_vec()?),
        DType::Complex32 => complex::<half::f16>(&piece.to_vec()?),
        DType::BComplex32 => complex::<half::bf16>(&piece.to_vec()?),
        _ => Numbers::Real(piece.cast()?),
    })
}
