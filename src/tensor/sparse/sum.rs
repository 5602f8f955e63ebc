//! Stored elements added to the zeros of a dense tensor, as torch adds: in the dtype's own precision, in their order.

use half::{bf16, f16};

use super::Places;
use crate::error::Error;
use crate::tensor::DType;
use crate::tensor::dtype::Class;

/// # Errors
/// torch has no sum of this dtype. The 8-bit floats and uninterpreted bits have none.
pub(super) fn supported(dtype: DType) -> Result<(), Error> {
    match dtype.class() {
        Class::Bool | Class::Integer | Class::Complex => Ok(()),
        Class::Float if dtype.itemsize() > 1 => Ok(()),
        _ => Err(Error::unsupported(format!(
            "{dtype} elements cannot be added up, in torch neither: read the `components()` of the sparse tensor"
        ))),
    }
}

/// Adds `values` to `dense` at their places. `None` if one of those is out of range, or if there is no sum.
pub(super) fn add(dtype: DType, dense: &mut [u8], values: &[u8], places: &impl Places) -> Option<()> {
    /// Numbers of type `$number`, of which an element has `$per`.
    macro_rules! sum {
        ($number:ty, $per:literal, $add:expr) => {
            add_all(dense, values, places, $per, |a, b| {
                let add: fn($number, $number) -> $number = $add;
                add(<$number>::from_ne_bytes(a), <$number>::from_ne_bytes(b)).to_ne_bytes()
            })
        };
    }
    match (dtype, dtype.class(), dtype.itemsize()) {
        (_, Class::Bool, _) => add_all(dense, values, places, 1, |[a]: [u8; 1], [b]| [u8::from(a | b != 0)]),
        // Wrapping sums are the same with and without a sign.
        (_, Class::Integer, 1) => sum!(u8, 1, u8::wrapping_add),
        (_, Class::Integer, 2) => sum!(u16, 1, u16::wrapping_add),
        (_, Class::Integer, 4) => sum!(u32, 1, u32::wrapping_add),
        (_, Class::Integer, 8) => sum!(u64, 1, u64::wrapping_add),
        (DType::Float16, ..) => sum!(f16, 1, |a, b| a + b),
        (DType::BFloat16, ..) => sum!(bf16, 1, |a, b| a + b),
        (DType::Float32, ..) => sum!(f32, 1, |a, b| a + b),
        (DType::Float64, ..) => sum!(f64, 1, |a, b| a + b),
        (DType::Complex32, ..) => sum!(f16, 2, |a, b| a + b),
        (DType::BComplex32, ..) => sum!(bf16, 2, |a, b| a + b),
        (DType::Complex64, ..) => sum!(f32, 2, |a, b| a + b),
        (DType::Complex128, ..) => sum!(f64, 2, |a, b| a + b),
        _ => None,
    }
}

fn add_all<const N: usize>(
    dense: &mut [u8],
    values: &[u8],
    places: &impl Places,
    per_element: usize,
    add: impl Fn([u8; N], [u8; N]) -> [u8; N],
) -> Option<()> {
    let dense = dense.as_chunks_mut::<N>().0;
    let values = values.as_chunks::<N>().0;
    let mut all = Some(());
    places.each(|to, from, len| {
        let len = len.saturating_mul(per_element);
        let into = dense.get_mut(to.saturating_mul(per_element)..).and_then(|rest| rest.get_mut(..len));
        let values = values.get(from.saturating_mul(per_element)..).and_then(|rest| rest.get(..len));
        match (into, values) {
            (Some(into), Some(values)) => {
                into.iter_mut().zip(values).for_each(|(into, value)| *into = add(*into, *value))
            }
            // A run of no elements has no place either.
            _ if len == 0 => {}
            _ => all = None,
        }
    });
    all
}
