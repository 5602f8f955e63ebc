//! Numbers of every real dtype, converted to floats as torch converts them.
//!
//! Everything but `f64` and the wide integers on their way to `f64` goes through `f32`: torch narrows `float64` to
//! `float16` and `bfloat16` so (`c10/util/TypeCast.h`), and integers too.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use zerocopy::{FromBytes, IntoBytes};

use super::dtype::{Class, DType};
use super::element::{Float, sealed};
use super::float8;
use crate::error::Error;

/// Elements that are converted at once where an intermediate form is needed: it stays in the nearest cache.
const CHUNK: usize = 1024;

/// How many numbers an element of the dtype gives: two for `float4_e2m1fn_x2`, else one.
///
/// # Errors
/// The dtype's elements are no real numbers by themselves.
pub(super) fn numbers_per_element(dtype: DType) -> Result<usize, Error> {
    match dtype.class() {
        Class::Bool | Class::Integer => Ok(1),
        Class::Float => Ok(if dtype == DType::Float4E2M1FnX2 { 2 } else { 1 }),
        Class::Complex => Err(Error::caller(format!(
            "{dtype} numbers have two parts and do not cast to one: read them with `to_vec` as `Complex`"
        ))),
        Class::Quantized => Err(Error::caller(format!(
            "{dtype} elements are integers that still need their scale and zero point: call `dequantize()`"
        ))),
        Class::Opaque => {
            Err(Error::caller(format!("{dtype} elements have no numeric value: read them with `bytes()`")))
        }
    }
}

/// Each element of type `$from` in native bytes, as a number of type `$to`.
macro_rules! each {
    ($elements:expr, $into:expr, $from:ty as $to:ty) => {
        for (into, bytes) in $into.iter_mut().zip($elements.as_chunks().0) {
            *into = <$from>::from_ne_bytes(*bytes) as $to;
        }
    };
}

impl Float for f32 {}
impl sealed::Float for f32 {
    fn convert(dtype: DType, elements: &[u8], into: &mut [Self]) {
        match dtype {
            DType::Float32 => copy(elements, into),
            DType::Float16 => f16_to_f32(elements, into),
            // A shift, which keeps even a signalling NaN, as in torch.
            DType::BFloat16 => {
                for (into, bytes) in into.iter_mut().zip(elements.as_chunks().0) {
                    *into = Self::from_bits(u32::from(u16::from_ne_bytes(*bytes)) << 16);
                }
            }
            DType::Float64 => each!(elements, into, f64 as f32),
            DType::UInt8 => each!(elements, into, u8 as f32),
            DType::UInt16 => each!(elements, into, u16 as f32),
            DType::UInt32 => each!(elements, into, u32 as f32),
            DType::UInt64 => each!(elements, into, u64 as f32),
            DType::Int8 => each!(elements, into, i8 as f32),
            DType::Int16 => each!(elements, into, i16 as f32),
            DType::Int32 => each!(elements, into, i32 as f32),
            DType::Int64 => each!(elements, into, i64 as f32),
            DType::Bool => into.iter_mut().zip(elements).for_each(|(into, &byte)| *into = f32::from(byte != 0)),
            DType::Float8E5M2 => look_up(&float8::E5M2, elements, into),
            DType::Float8E4M3Fn => look_up(&float8::E4M3FN, elements, into),
            DType::Float8E5M2Fnuz => look_up(&float8::E5M2FNUZ, elements, into),
            DType::Float8E4M3Fnuz => look_up(&float8::E4M3FNUZ, elements, into),
            DType::Float8E8M0Fnu => look_up(&float8::E8M0FNU, elements, into),
            DType::Float4E2M1FnX2 => look_up(&float8::E2M1_PAIRS, elements, into.as_chunks_mut().0),
            _ => {}
        }
    }
}

impl Float for f64 {}
impl sealed::Float for f64 {
    fn convert(dtype: DType, elements: &[u8], into: &mut [Self]) {
        match dtype {
            DType::Float64 => copy(elements, into),
            DType::Float32 => each!(elements, into, f32 as f64),
            DType::UInt32 => each!(elements, into, u32 as f64),
            DType::UInt64 => each!(elements, into, u64 as f64),
            DType::Int32 => each!(elements, into, i32 as f64),
            DType::Int64 => each!(elements, into, i64 as f64),
            // What is left is exact in `f32`.
            _ => through_f32(dtype, elements, into, |numbers, into| {
                into.iter_mut().zip(numbers).for_each(|(into, &number)| *into = Self::from(number));
            }),
        }
    }
}

impl Float for f16 {}
impl sealed::Float for f16 {
    fn convert(dtype: DType, elements: &[u8], into: &mut [Self]) {
        match dtype {
            DType::Float16 => copy(elements, into),
            _ => through_f32(dtype, elements, into, |numbers, into| into.convert_from_f32_slice(numbers)),
        }
    }
}

impl Float for bf16 {}
impl sealed::Float for bf16 {
    fn convert(dtype: DType, elements: &[u8], into: &mut [Self]) {
        match dtype {
            DType::BFloat16 => copy(elements, into),
            _ => through_f32(dtype, elements, into, |numbers, into| into.convert_from_f32_slice(numbers)),
        }
    }
}

fn copy<T: Float>(elements: &[u8], into: &mut [T]) {
    let into = into.as_mut_bytes();
    let len = into.len().min(elements.len());
    if let (Some(elements), Some(into)) = (elements.get(..len), into.get_mut(..len)) {
        into.copy_from_slice(elements);
    }
}

fn look_up<T: Copy>(table: &[T; 256], elements: &[u8], into: &mut [T]) {
    for (into, &code) in into.iter_mut().zip(elements) {
        // A byte has no other values; the bound is not checked when compiled.
        if let Some(&value) = table.get(usize::from(code)) {
            *into = value;
        }
    }
}

/// Uses the processor's own conversion where there is one (`half` finds out when it runs). That needs aligned elements.
fn f16_to_f32(elements: &[u8], into: &mut [f32]) {
    let mut aligned = [f16::ZERO; CHUNK];
    for (elements, into) in elements.chunks(CHUNK * size_of::<f16>()).zip(into.chunks_mut(CHUNK)) {
        let halves = match <[f16]>::ref_from_bytes(elements) {
            Ok(halves) => halves,
            Err(_) => {
                copy(elements, &mut aligned);
                &aligned
            }
        };
        // `half` panics if the lengths differ.
        let len = halves.len().min(into.len());
        if let (Some(halves), Some(into)) = (halves.get(..len), into.get_mut(..len)) {
            halves.convert_to_f32_slice(into);
        }
    }
}

/// Converts to `f32` by the chunk, and each chunk onwards with `narrow`, which gets slices of equal length.
fn through_f32<T>(dtype: DType, elements: &[u8], into: &mut [T], narrow: impl Fn(&[f32], &mut [T])) {
    let mut numbers = [0.0; CHUNK];
    // Every element gives as many numbers as the chunk's bytes say: two of a byte for `float4_e2m1fn_x2`.
    let bytes = if dtype == DType::Float4E2M1FnX2 { CHUNK / 2 } else { CHUNK * dtype.itemsize() };
    for (elements, into) in elements.chunks(bytes).zip(into.chunks_mut(CHUNK)) {
        if let Some(numbers) = numbers.get_mut(..into.len()) {
            sealed::Float::convert(dtype, elements, numbers);
            narrow(numbers, into);
        }
    }
}
