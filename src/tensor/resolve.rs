//! The lazy conjugate and negative: the stored bytes are the base's, the tensor's are these resolved (FORMAT.md 6.1).

use super::dtype::{Class, DType, SwapUnit};
use super::handle::Marks;
use crate::error::Error;

/// What has to be done to elements after they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolve {
    dtype: DType,
    /// Negate the imaginary parts.
    conj: bool,
    /// Negate everything.
    neg: bool,
}

impl Resolve {
    /// `None` if the bytes are good as they are.
    ///
    /// # Errors
    /// The file marks as negated what has no negative in torch.
    pub(super) fn of(dtype: DType, marks: Marks) -> Result<Option<Self>, Error> {
        // A real number is its own conjugate.
        let conj = marks.conj && dtype.is_complex();
        if !conj && !marks.neg {
            return Ok(None);
        }
        let negatable = match dtype.class() {
            Class::Integer | Class::Complex => true,
            Class::Float => dtype.itemsize() > 1,
            Class::Bool | Class::Quantized | Class::Opaque => false,
        };
        if marks.neg && !negatable {
            return Err(Error::unsupported(format!(
                "the file marks this tensor as negated, but torch has no negative of {dtype}"
            )));
        }
        Ok(Some(Self { dtype, conj, neg: marks.neg }))
    }

    pub(super) fn apply(self, elements: &mut [u8]) {
        match (self.dtype.class(), self.dtype.swap_unit()) {
            (Class::Integer, SwapUnit::One) => {
                negate_integers(elements, |n| i8::from_ne_bytes(n).wrapping_neg().to_ne_bytes())
            }
            (Class::Integer, SwapUnit::Two) => {
                negate_integers(elements, |n| i16::from_ne_bytes(n).wrapping_neg().to_ne_bytes())
            }
            (Class::Integer, SwapUnit::Four) => {
                negate_integers(elements, |n| i32::from_ne_bytes(n).wrapping_neg().to_ne_bytes())
            }
            (Class::Integer, SwapUnit::Eight) => {
                negate_integers(elements, |n| i64::from_ne_bytes(n).wrapping_neg().to_ne_bytes())
            }
            // The swap unit is one real number: the element, or a half of it.
            (_, SwapUnit::One) => {}
            (_, SwapUnit::Two) => self.flip_signs::<2>(elements),
            (_, SwapUnit::Four) => self.flip_signs::<4>(elements),
            (_, SwapUnit::Eight) => self.flip_signs::<8>(elements),
        }
    }

    fn flip_signs<const N: usize>(self, elements: &mut [u8]) {
        let flip = |number: &mut [u8; N]| {
            let sign = if cfg!(target_endian = "big") { number.first_mut() } else { number.last_mut() };
            if let Some(byte) = sign {
                *byte ^= 0x80;
            }
        };
        let numbers = elements.as_chunks_mut::<N>().0;
        if self.neg {
            numbers.iter_mut().for_each(flip);
        }
        if self.conj {
            numbers.iter_mut().skip(1).step_by(2).for_each(flip);
        }
    }
}

fn negate_integers<const N: usize>(elements: &mut [u8], negate: impl Fn([u8; N]) -> [u8; N]) {
    elements.as_chunks_mut().0.iter_mut().for_each(|number| *number = negate(*number));
}
