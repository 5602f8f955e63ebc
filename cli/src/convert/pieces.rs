//! Reads a tensor piece by piece, whatever its size: no more is in memory than a piece, and the storage where the file has
//! it compressed.

use std::borrow::Cow;

use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{DType, Error, Tensor};
use zerocopy::{FromZeros, IntoBytes};

use super::kinds::Form;
use crate::failure::Failure;
use crate::hash::little_endian;
use crate::pieces::{plain, split};

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
    for plain in plain(tensor).map_err(|e| located(&e))? {
        let most = PIECE / plain.dtype().itemsize().max(1);
        for piece in split(&plain, most).map_err(|e| located(&e))? {
            match form.cast {
                Some(DType::Float32) => cast::<f32>(&piece, form, located, sink)?,
                Some(DType::Float16) => cast::<f16>(&piece, form, located, sink)?,
                Some(DType::BFloat16) => cast::<bf16>(&piece, form, located, sink)?,
                _ => sink(&little_endian(piece.bytes().map_err(|e| located(&e))?, form.written))?,
            }
        }
    }
    Ok(())
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
