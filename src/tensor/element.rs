//! The Rust types that elements are read as.

use std::fmt;

use half::{bf16, f16};
use zerocopy::{FromBytes, Immutable, KnownLayout, TryCastError, TryFromBytes};

use self::sealed::Unfit;
use super::dtype::DType;

/// A complex number as torch stores it, real part first.
///
/// ```
/// use torch_checkpoint::Complex;
///
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/conj_neg.pt", "cpu")?;
/// let spectrum: Vec<Complex<f32>> = weights["conj"].to_vec()?;
/// let energy: f32 = spectrum.iter().map(|z| z.re * z.re + z.im * z.im).sum();
/// # let _ = energy;
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Complex<T> {
    /// The real part.
    pub re: T,
    /// The imaginary part.
    pub im: T,
}

impl<T> Complex<T> {
    /// A number of its two parts.
    ///
    /// ```
    /// use torch_checkpoint::Complex;
    /// let z = Complex::new(1.5, -2.0);
    /// assert_eq!((z.re, z.im, z.to_string().as_str()), (1.5, -2.0, "1.5-2i"));
    /// ```
    pub const fn new(re: T, im: T) -> Self {
        Self { re, im }
    }
}

impl<T: fmt::Display> fmt::Display for Complex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:+}i", self.re, self.im)
    }
}

/// A type that [`Tensor::as_slice`](crate::Tensor::as_slice) and [`Tensor::to_vec`](crate::Tensor::to_vec) read elements
/// as. It is sealed; these are all:
///
/// | type | dtypes |
/// | --- | --- |
/// | `f64`, `f32`, [`f16`](struct@f16), [`bf16`] | `float64`, `float32`, `float16`, `bfloat16` |
/// | `i64`, `i32`, `i16`, `i8` | `int64`, `int32`, `int16`, `int8`; the integers of `qint32` and `qint8` |
/// | `u64`, `u32`, `u16` | `uint64`, `uint32`, `uint16`; `bits16` |
/// | `u8` | `uint8`, and the bytes as stored of `bool`, `quint8`, the 8- and 4-bit floats and the bits of a byte |
/// | `bool` | `bool` |
/// | [`Complex`]`<f64>`, `<f32>`, `<f16>`, `<bf16>` | `complex128`, `complex64`, `complex32`, `bcomplex32` |
///
/// ```
/// use torch_checkpoint::{Element, Error, Tensor, load_state_dict};
/// fn last<T: Element>(tensor: &Tensor) -> Result<Option<T>, Error> {
///     Ok(tensor.to_vec::<T>()?.pop())
/// }
/// let weights = load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
/// assert_eq!((last::<f32>(&weights["base"])?, last::<u8>(&weights["detached_tail"])?), (Some(23.0), Some(99)));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
pub trait Element: sealed::Element {}

/// A type that [`Tensor::cast`](crate::Tensor::cast) converts numbers to: `f64`, `f32`, [`f16`](struct@f16) and [`bf16`]. It is sealed.
///
/// ```
/// use torch_checkpoint::{Error, Float, Tensor, load_state_dict};
/// fn column<T: Float>(tensor: &Tensor, index: usize) -> Result<Vec<T>, Error> {
///     tensor.select(1, index)?.cast()
/// }
/// let weights = load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
/// assert_eq!(column::<f64>(&weights["matrix"], 2)?, [2.0, 8.0, 14.0, 20.0]);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
pub trait Float: Element + sealed::Float {}

pub(super) mod sealed {
    use zerocopy::{FromBytes, Immutable, IntoBytes};

    use super::DType;

    /// Why bytes cannot be seen as elements.
    pub enum Unfit {
        Alignment,
        Value,
    }

    pub trait Element: Copy + Send + Sync + 'static {
        /// The type's name as the crate's users write it.
        const NAME: &str;
        /// Whether there are bytes that are no value: these are validated, in memory that cannot change afterwards.
        const VALIDATED: bool = false;
        /// What bytes are copied into: a type of the same size and alignment for which all bytes are good.
        type Raw: FromBytes + IntoBytes + Immutable + Copy;

        fn reads(dtype: DType) -> bool;
        fn view(bytes: &[u8]) -> Result<&[Self], Unfit>;
        fn from_raw(raw: Vec<Self::Raw>) -> Vec<Self>;
    }

    pub trait Float: Element + FromBytes + IntoBytes {
        /// Converts elements of any real dtype, which lie one after the other, into as many numbers (`float4` into twice
        /// as many). Other dtypes leave `into` as it is.
        fn convert(dtype: DType, elements: &[u8], into: &mut [Self]);
    }
}

fn view<T: TryFromBytes + Immutable + KnownLayout>(bytes: &[u8]) -> Result<&[T], Unfit>
where
    [T]: TryFromBytes + Immutable + KnownLayout<PointerMetadata = usize>,
{
    <[T]>::try_ref_from_bytes(bytes).map_err(|error| match error {
        TryCastError::Validity(_) => Unfit::Value,
        TryCastError::Alignment(_) | TryCastError::Size(_) => Unfit::Alignment,
    })
}

macro_rules! elements {
    ($($type:ty: $($dtype:ident)|+;)*) => {$(
        impl Element for $type {}
        impl sealed::Element for $type {
            const NAME: &str = stringify!($type);
            type Raw = Self;
            fn reads(dtype: DType) -> bool { matches!(dtype, $(DType::$dtype)|+) }
            fn view(bytes: &[u8]) -> Result<&[Self], Unfit> { view(bytes) }
            fn from_raw(raw: Vec<Self>) -> Vec<Self> { raw }
        }
    )*};
}

elements! {
    f64: Float64;
    f32: Float32;
    f16: Float16;
    bf16: BFloat16;
    i64: Int64;
    i32: Int32 | QInt32;
    i16: Int16;
    i8: Int8 | QInt8 | Int1 | Int2 | Int3 | Int4 | Int5 | Int6 | Int7;
    u64: UInt64;
    u32: UInt32;
    u16: UInt16 | Bits16;
    u8: UInt8 | Bool | QUInt8 | QUInt4x2 | QUInt2x4 | Bits1x8 | Bits2x4 | Bits4x2 | Bits8 | Float8E5M2 | Float8E4M3Fn
        | Float8E5M2Fnuz | Float8E4M3Fnuz | Float8E8M0Fnu | Float4E2M1FnX2 | UInt1 | UInt2 | UInt3 | UInt4 | UInt5
        | UInt6 | UInt7;
}

impl Element for bool {}
impl sealed::Element for bool {
    const NAME: &str = "bool";
    const VALIDATED: bool = true;
    type Raw = u8;

    fn reads(dtype: DType) -> bool {
        dtype == DType::Bool
    }

    fn view(bytes: &[u8]) -> Result<&[Self], Unfit> {
        view(bytes)
    }

    fn from_raw(raw: Vec<u8>) -> Vec<Self> {
        // Any byte but zero is true, as torch reads it. The standard library collects this in place.
        raw.into_iter().map(|byte| byte != 0).collect()
    }
}

macro_rules! complex_elements {
    ($($part:ty: $dtype:ident;)*) => {$(
        impl Element for Complex<$part> {}
        impl sealed::Element for Complex<$part> {
            const NAME: &str = concat!("Complex<", stringify!($part), ">");
            type Raw = [$part; 2];
            fn reads(dtype: DType) -> bool { dtype == DType::$dtype }
            fn view(bytes: &[u8]) -> Result<&[Self], Unfit> { view(bytes) }
            fn from_raw(raw: Vec<[$part; 2]>) -> Vec<Self> {
                // Collected in place as well.
                raw.into_iter().map(|[re, im]| Self { re, im }).collect()
            }
        }
    )*};
}

complex_elements! {
    f64: Complex128;
    f32: Complex64;
    f16: Complex32;
    bf16: BComplex32;
}
