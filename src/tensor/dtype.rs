//! What is one element? Every dtype of torch 2.15, in one table.

use std::fmt;

/// What a dtype's bits mean, as far as reading them goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Bool,
    Integer,
    Float,
    Complex,
    /// Integers that a scale and a zero point turn into numbers.
    Quantized,
    /// Bits without a meaning of their own, and the integers below a byte, of which torch cannot save tensors.
    Opaque,
}

macro_rules! dtypes {
    ($($variant:ident $name:literal $scalar:literal $class:ident $itemsize:literal $swap:ident $doc:literal;)*) => {
        /// The type of a tensor's elements, under torch's own names.
        ///
        /// [`Display`](fmt::Display) gives torch's text without `torch.`; [`from_name`](Self::from_name) reads it.
        ///
        /// ```
        /// use torch_checkpoint::DType;
        ///
        /// assert_eq!(DType::BFloat16.to_string(), "bfloat16");
        /// assert_eq!(DType::from_name("half"), Some(DType::Float16));
        /// assert_eq!(DType::Complex64.itemsize(), 8);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DType {
            $(#[doc = $doc] $variant,)*
        }

        impl DType {
            /// Every dtype, in the order of torch's `ScalarType` (`torch/headeronly/core/ScalarType.h`): a dtype's place
            /// is its number there.
            ///
            /// ```
            /// use torch_checkpoint::DType;
            /// assert_eq!((DType::ALL[6], DType::ALL[15]), (DType::Float32, DType::BFloat16));
            /// ```
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// torch's canonical name: `float32`, never `float`.
            ///
            /// ```
            /// assert_eq!(torch_checkpoint::DType::Float8E4M3Fn.name(), "float8_e4m3fn");
            /// ```
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Bytes of one element. A packed dtype (`float4_e2m1fn_x2`, `quint4x2`, …) has 1: its element is the byte.
            ///
            /// ```
            /// use torch_checkpoint::DType::{BFloat16, Complex128, QUInt4x2};
            /// assert_eq!([BFloat16, Complex128, QUInt4x2].map(|dtype| dtype.itemsize()), [2, 16, 1]);
            /// ```
            #[must_use]
            pub const fn itemsize(self) -> usize {
                match self { $(Self::$variant => $itemsize,)* }
            }

            pub(crate) const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// Bytes that are reversed together when the byte order differs: a complex number is swapped by halves.
            pub(crate) const fn swap_unit(self) -> SwapUnit {
                match self { $(Self::$variant => SwapUnit::$swap,)* }
            }

            fn from_canonical_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// The dtype of a storage class: `FloatStorage`, and what TorchScript forms from the C++ scalar type, as
            /// `Float8_e4m3fnStorage`. `None` for `UntypedStorage` and `TypedStorage`, which carry no dtype.
            pub(crate) fn from_storage_name(name: &str) -> Option<Self> {
                match name { $(concat!($scalar, "Storage") => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

/// The width of a byte swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SwapUnit {
    One,
    Two,
    Four,
    Eight,
}

// variant, name, C++ scalar type (the storage class is that and `Storage`), class, itemsize, swap unit, documentation
dtypes! {
    UInt8 "uint8" "Byte" Integer 1 One "`u8`";
    Int8 "int8" "Char" Integer 1 One "`i8`";
    Int16 "int16" "Short" Integer 2 Two "`i16`";
    Int32 "int32" "Int" Integer 4 Four "`i32`";
    Int64 "int64" "Long" Integer 8 Eight "`i64`";
    Float16 "float16" "Half" Float 2 Two "IEEE half precision, [`half::f16`](struct@half::f16)";
    Float32 "float32" "Float" Float 4 Four "`f32`";
    Float64 "float64" "Double" Float 8 Eight "`f64`";
    Complex32 "complex32" "ComplexHalf" Complex 4 Two "Two `float16`, real part first";
    Complex64 "complex64" "ComplexFloat" Complex 8 Four "Two `float32`, real part first";
    Complex128 "complex128" "ComplexDouble" Complex 16 Eight "Two `float64`, real part first";
    Bool "bool" "Bool" Bool 1 One "One byte; any but zero is true";
    QInt8 "qint8" "QInt8" Quantized 1 One "Quantised, as `i8`";
    QUInt8 "quint8" "QUInt8" Quantized 1 One "Quantised, as `u8`";
    QInt32 "qint32" "QInt32" Quantized 4 Four "Quantised, as `i32`";
    BFloat16 "bfloat16" "BFloat16" Float 2 Two "The upper half of a `float32`, [`half::bf16`](half::bf16)";
    QUInt4x2 "quint4x2" "QUInt4x2" Quantized 1 One "Quantised, two values a byte, low nibble first";
    QUInt2x4 "quint2x4" "QUInt2x4" Quantized 1 One "Quantised, four values a byte, low bits first";
    Bits1x8 "bits1x8" "Bits1x8" Opaque 1 One "Eight uninterpreted bits";
    Bits2x4 "bits2x4" "Bits2x4" Opaque 1 One "Eight uninterpreted bits, by twos";
    Bits4x2 "bits4x2" "Bits4x2" Opaque 1 One "Eight uninterpreted bits, by fours";
    Bits8 "bits8" "Bits8" Opaque 1 One "Eight uninterpreted bits";
    Bits16 "bits16" "Bits16" Opaque 2 Two "Sixteen uninterpreted bits";
    Float8E5M2 "float8_e5m2" "Float8_e5m2" Float 1 One "5 bits of exponent, 2 of mantissa, with infinities";
    Float8E4M3Fn "float8_e4m3fn" "Float8_e4m3fn" Float 1 One "4 bits of exponent, 3 of mantissa, no infinity";
    Float8E5M2Fnuz "float8_e5m2fnuz" "Float8_e5m2fnuz" Float 1 One "As `float8_e5m2`, bias 16, one zero, one NaN";
    Float8E4M3Fnuz "float8_e4m3fnuz" "Float8_e4m3fnuz" Float 1 One "As `float8_e4m3fn`, bias 8, one zero, one NaN";
    UInt16 "uint16" "UInt16" Integer 2 Two "`u16`";
    UInt32 "uint32" "UInt32" Integer 4 Four "`u32`";
    UInt64 "uint64" "UInt64" Integer 8 Eight "`u64`";
    UInt1 "uint1" "UInt1" Opaque 1 One "One bit; torch cannot save such tensors";
    UInt2 "uint2" "UInt2" Opaque 1 One "Two bits; torch cannot save such tensors";
    UInt3 "uint3" "UInt3" Opaque 1 One "Three bits; torch cannot save such tensors";
    UInt4 "uint4" "UInt4" Opaque 1 One "Four bits; torch cannot save such tensors";
    UInt5 "uint5" "UInt5" Opaque 1 One "Five bits; torch cannot save such tensors";
    UInt6 "uint6" "UInt6" Opaque 1 One "Six bits; torch cannot save such tensors";
    UInt7 "uint7" "UInt7" Opaque 1 One "Seven bits; torch cannot save such tensors";
    Int1 "int1" "Int1" Opaque 1 One "One bit, signed; torch cannot save such tensors";
    Int2 "int2" "Int2" Opaque 1 One "Two bits, signed; torch cannot save such tensors";
    Int3 "int3" "Int3" Opaque 1 One "Three bits, signed; torch cannot save such tensors";
    Int4 "int4" "Int4" Opaque 1 One "Four bits, signed; torch cannot save such tensors";
    Int5 "int5" "Int5" Opaque 1 One "Five bits, signed; torch cannot save such tensors";
    Int6 "int6" "Int6" Opaque 1 One "Six bits, signed; torch cannot save such tensors";
    Int7 "int7" "Int7" Opaque 1 One "Seven bits, signed; torch cannot save such tensors";
    Float8E8M0Fnu "float8_e8m0fnu" "Float8_e8m0fnu" Float 1 One "A bare exponent: 2^(b - 127), FF is NaN";
    Float4E2M1FnX2 "float4_e2m1fn_x2" "Float4_e2m1fn_x2" Float 1 One
        "Two 4-bit floats a byte, low nibble first; shapes count bytes";
    BComplex32 "bcomplex32" "BComplex32" Complex 4 Two "Two `bfloat16`, real part first";
}

impl DType {
    /// The dtype of torch's name, canonical (`float16`) or alias (`half`); without `torch.` in front.
    ///
    /// ```
    /// use torch_checkpoint::DType;
    /// assert_eq!((DType::from_name("int64"), DType::from_name("long")), (Some(DType::Int64), Some(DType::Int64)));
    /// assert_eq!(DType::from_name("torch.int64"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        // The aliases are those of `torch/csrc/utils/tensor_dtypes.cpp`.
        match name {
            "half" => Some(Self::Float16),
            "float" => Some(Self::Float32),
            "double" => Some(Self::Float64),
            "short" => Some(Self::Int16),
            "int" => Some(Self::Int32),
            "long" => Some(Self::Int64),
            "chalf" => Some(Self::Complex32),
            "cfloat" => Some(Self::Complex64),
            "cdouble" => Some(Self::Complex128),
            canonical => Self::from_canonical_name(canonical),
        }
    }

    /// The dtype of a number in the JSON of `torch.export`, which has numbers of its own (`torch/_export/serde/schema.py`).
    pub(crate) fn from_export_code(code: i64) -> Option<Self> {
        Some(match code {
            1 => Self::UInt8,
            2 => Self::Int8,
            3 => Self::Int16,
            4 => Self::Int32,
            5 => Self::Int64,
            6 => Self::Float16,
            7 => Self::Float32,
            8 => Self::Float64,
            9 => Self::Complex32,
            10 => Self::Complex64,
            11 => Self::Complex128,
            12 => Self::Bool,
            13 => Self::BFloat16,
            28 => Self::UInt16,
            29 => Self::Float8E4M3Fn,
            30 => Self::Float8E5M2,
            31 => Self::Float8E4M3Fnuz,
            32 => Self::Float8E5M2Fnuz,
            33 => Self::Float8E8M0Fnu,
            34 => Self::UInt32,
            35 => Self::UInt64,
            _ => return None,
        })
    }

    /// Whether this is a real floating-point type, of any width.
    ///
    /// ```
    /// use torch_checkpoint::DType;
    /// assert!(DType::Float8E5M2.is_floating_point());
    /// assert!(!DType::Complex64.is_floating_point() && !DType::QInt8.is_floating_point());
    /// ```
    #[must_use]
    pub const fn is_floating_point(self) -> bool {
        matches!(self.class(), Class::Float)
    }

    /// Whether elements are pairs of a real and an imaginary part.
    ///
    /// ```
    /// use torch_checkpoint::DType;
    /// assert!(DType::Complex64.is_complex() && !DType::Float64.is_complex());
    /// ```
    #[must_use]
    pub const fn is_complex(self) -> bool {
        matches!(self.class(), Class::Complex)
    }

    /// Whether elements are integers that need a scale and a zero point to become numbers.
    ///
    /// ```
    /// use torch_checkpoint::DType;
    /// assert!(DType::QInt8.is_quantized() && !DType::Int8.is_quantized());
    /// ```
    #[must_use]
    pub const fn is_quantized(self) -> bool {
        matches!(self.class(), Class::Quantized)
    }

    /// How many of the values that shapes count share a byte: more than 1 only for `quint4x2` and `quint2x4`.
    pub(crate) const fn values_per_byte(self) -> usize {
        match self {
            Self::QUInt4x2 => 2,
            Self::QUInt2x4 => 4,
            _ => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the table is that of torch's `ScalarType` numbers.
    fn from_code(code: i64) -> Option<DType> {
        DType::ALL.get(usize::try_from(code).ok()?).copied()
    }

    #[test]
    fn names_and_codes_go_both_ways() {
        assert_eq!(DType::ALL.len(), 47);
        for (code, &dtype) in DType::ALL.iter().enumerate() {
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
            assert_eq!(from_code(i64::try_from(code).unwrap()), Some(dtype));
            assert_eq!(dtype as usize, code);
        }
        assert_eq!(from_code(-1), None);
        assert_eq!(from_code(47), None);
        assert_eq!(DType::from_name("torch.float32"), None);
        assert_eq!(DType::from_name("double"), Some(DType::Float64));
        assert_eq!(format!("{:>8}", DType::Bool), "    bool");
    }

    #[test]
    fn numbers_of_scalar_type_stay_where_torch_has_them() {
        for (code, name) in [
            (4, "int64"),
            (7, "float64"),
            (11, "bool"),
            (15, "bfloat16"),
            (22, "bits16"),
            (26, "float8_e4m3fnuz"),
            (29, "uint64"),
            (36, "uint7"),
            (43, "int7"),
            (44, "float8_e8m0fnu"),
            (45, "float4_e2m1fn_x2"),
            (46, "bcomplex32"),
        ] {
            assert_eq!(from_code(code).unwrap().name(), name);
        }
    }

    #[test]
    fn numbers_of_export_are_its_own() {
        let codes = (-1..100).filter_map(|code| Some((code, DType::from_export_code(code)?)));
        let known: Vec<(i64, &str)> = codes.map(|(code, dtype)| (code, dtype.name())).collect();
        assert_eq!(known.len(), 21);
        for expected in [(7, "float32"), (13, "bfloat16"), (28, "uint16"), (29, "float8_e4m3fn"), (35, "uint64")] {
            assert!(known.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn storage_classes_name_their_dtype() {
        for (name, dtype) in [
            ("FloatStorage", DType::Float32),
            ("ByteStorage", DType::UInt8),
            ("CharStorage", DType::Int8),
            ("ComplexDoubleStorage", DType::Complex128),
            ("QUInt2x4Storage", DType::QUInt2x4),
            ("Float8_e4m3fnStorage", DType::Float8E4M3Fn),
            ("ComplexHalfStorage", DType::Complex32),
        ] {
            assert_eq!(DType::from_storage_name(name), Some(dtype));
        }
        for name in ["UntypedStorage", "TypedStorage", "Storage", "Float", "floatStorage"] {
            assert_eq!(DType::from_storage_name(name), None);
        }
    }

    #[test]
    fn an_element_is_a_whole_number_of_swap_units() {
        for &dtype in DType::ALL {
            let unit = match dtype.swap_unit() {
                SwapUnit::One => 1,
                SwapUnit::Two => 2,
                SwapUnit::Four => 4,
                SwapUnit::Eight => 8,
            };
            let per_element = if dtype.is_complex() { 2 } else { 1 };
            assert_eq!(unit * per_element, dtype.itemsize(), "{dtype}");
        }
    }
}
