//! Reads a tensor piece by piece, whatever its size: no more is in memory than a piece, and the storage where the file has
//! it compressed.

use std::borrow::Cow;

use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{DType, Error, Layout, Tensor};
use zerocopy::{FromZeros, IntoBytes};

use super::kinds::Form;
use crate::failure::Failure;
use crate::hash::little_endian;

/// Bytes of a piece, as stored.
const PIECE: usize = 8 << 20;

/// Calls `sink` with the bytes of a tensor in its form, row-major and little-endian, one piece after the other.
///
/// # Errors
/// `located` makes a failure of an error of the tensor's.
pub(super) fn each(
    tensor: &Tensor,
    form: &Form,
    located: &dyn Fn(&Error) -> Failure,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let plain = plain(tensor).map_err(|e| located(&e))?;
    // Halved until the parts are small. A dimension can be halved only as often as its size has bits, so the list stays
    // short.
    let mut parts = vec![plain.into_owned()];
    while let Some(part) = parts.pop() {
        match halves(&part).map_err(|e| located(&e))? {
            Some((first, rest)) => {
                parts.extend(rest);
                parts.push(first);
            }
            None => match form.cast {
                Some(DType::Float32) => cast::<f32>(&part, form, located, sink)?,
                Some(DType::Float16) => cast::<f16>(&part, form, located, sink)?,
                Some(DType::BFloat16) => cast::<bf16>(&part, form, located, sink)?,
                _ => sink(&little_endian(part.bytes().map_err(|e| located(&e))?, form.written))?,
            },
        }
    }
    Ok(())
}

/// The tensor as a strided one of plain numbers.
fn plain(tensor: &Tensor) -> Result<Cow<'_, Tensor>, Error> {
    if tensor.quantization().is_some() {
        tensor.dequantize().map(Cow::Owned)
    } else if tensor.layout() != Layout::Strided {
        tensor.to_dense().map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(tensor))
    }
}

/// The first half of a large tensor and the other, or the only row of one that has one.
fn halves(tensor: &Tensor) -> Result<Option<(Tensor, Option<Tensor>)>, Error> {
    match tensor.shape().first() {
        Some(&size) if tensor.nbytes() > PIECE => {
            if size == 1 {
                return Ok(Some((tensor.select(0, 0)?, None)));
            }
            let half = size / 2;
            Ok(Some((tensor.narrow(0, 0, half)?, Some(tensor.narrow(0, half, size.saturating_sub(half))?))))
        }
        _ => Ok(None),
    }
}

fn cast<T: torch_checkpoint::Float + FromZeros + IntoBytes + zerocopy::Immutable>(
    part: &Tensor,
    form: &Form,
    located: &dyn Fn(&Error) -> Failure,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let numbers = part.cast::<T>().map_err(|e| located(&e))?;
    sink(&little_endian(Cow::Borrowed(numbers.as_bytes()), form.written))
}
