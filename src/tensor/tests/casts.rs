//! Numbers of every dtype as floats: all codes of the narrow floats, and torch's rounding.

use half::{bf16, f16};

use super::float8::FROM_TORCH;
use super::*;
use crate::error::ErrorKind;
use crate::tensor::{Element, Float};

fn cast<T: Float>(dtype: DType, bytes: Vec<u8>) -> Vec<T> {
    vector(&storage(bytes), dtype).cast().unwrap()
}

/// Equal in every bit, NaN being equal to NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn case_071_every_code_of_the_8_bit_floats_is_torchs() {
    for (name, expected) in FROM_TORCH {
        let read: Vec<f32> = cast(DType::from_name(name).unwrap(), (0..=255).collect());
        for (code, (&read, bits)) in read.iter().zip(expected).enumerate() {
            assert!(same(read, f32::from_bits(bits)), "{name} {code:02x}: {read}");
        }
    }
}

/// The definitions of the formats, in real arithmetic.
#[test]
fn case_071_every_code_of_the_8_bit_floats_is_its_formula() {
    for (dtype, mantissa_bits, bias) in [
        (DType::Float8E5M2, 2, 15),
        (DType::Float8E4M3Fn, 3, 7),
        (DType::Float8E5M2Fnuz, 2, 16),
        (DType::Float8E4M3Fnuz, 3, 8),
    ] {
        let read: Vec<f64> = cast(dtype, (0..=255).collect());
        for code in 0..=255_u8 {
            let sign = if code > 0x7f { -1.0 } else { 1.0 };
            let exponent = i32::from((code & 0x7f) >> mantissa_bits);
            let fraction = f64::from(code & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
            let value = match exponent {
                0 => fraction * 2_f64.powi(1 - bias),
                exponent => (1.0 + fraction) * 2_f64.powi(exponent - bias),
            };
            let expected = match (dtype, code) {
                (DType::Float8E5M2, 0x7c | 0xfc) => sign * f64::INFINITY,
                (DType::Float8E5M2, 0x7d..=0x7f | 0xfd..=0xff) => f64::NAN,
                (DType::Float8E4M3Fn, 0x7f | 0xff) => f64::NAN,
                (DType::Float8E5M2Fnuz | DType::Float8E4M3Fnuz, 0x80) => f64::NAN,
                _ => sign * value,
            };
            let read = read[usize::from(code)];
            assert!(
                read.to_bits() == expected.to_bits() || read.is_nan() && expected.is_nan(),
                "{dtype} {code:02x}: {read} {expected}"
            );
        }
    }
    let powers: Vec<f64> = cast(DType::Float8E8M0Fnu, (0..=254).collect());
    assert!(powers.iter().zip(-127..).all(|(&power, exponent)| power == 2_f64.powi(exponent)));
    assert!(cast::<f32>(DType::Float8E8M0Fnu, vec![0xff])[0].is_nan());
}

#[test]
fn case_071_4_bit_floats_come_in_pairs_low_nibble_first() {
    let values = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let all: Vec<f32> = cast(DType::Float4E2M1FnX2, (0..=255).collect());
    assert_eq!(all.len(), 512);
    for (byte, pair) in all.chunks(2).enumerate() {
        for (nibble, &read) in [byte & 15, byte >> 4].into_iter().zip(pair) {
            let expected = if nibble & 8 == 0 { values[nibble & 7] } else { -values[nibble & 7] };
            assert!(same(read, expected), "{byte:02x}");
        }
    }
    let f4 = storage(vec![0x21, 0x43, 0x65, 0x87]);
    let strided = tensor(&f4, DType::Float4E2M1FnX2, &[2], &[2], 1).unwrap();
    assert_eq!(strided.numel(), 2);
    assert_eq!(strided.cast::<bf16>().unwrap(), [1.5, 2.0, 6.0, -0.0].map(bf16::from_f32));
    // More than one chunk, to every target.
    let long = storage(noise(3000));
    let t = vector(&long, DType::Float4E2M1FnX2);
    let f32s: Vec<f32> = t.cast().unwrap();
    assert!(t.cast::<f64>().unwrap().iter().zip(&f32s).all(|(&a, &b)| a == f64::from(b)));
    assert!(t.cast::<f16>().unwrap().iter().zip(&f32s).all(|(a, &b)| a.to_f32() == b));
}

#[test]
fn every_half_widens_as_half_does() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    let (read16, readb16): (Vec<f32>, Vec<f32>) =
        (cast(DType::Float16, bytes_of(&bits)), cast(DType::BFloat16, bytes_of(&bits)));
    let (wide16, wideb16): (Vec<f64>, Vec<f64>) =
        (cast(DType::Float16, bytes_of(&bits)), cast(DType::BFloat16, bytes_of(&bits)));
    for (n, &bits) in bits.iter().enumerate() {
        let (exact, exactb) = (f16::from_bits(bits).to_f32(), bf16::from_bits(bits).to_f32());
        assert!(same(read16[n], exact) && same(readb16[n], exactb), "{bits:04x}");
        assert!(same(wide16[n] as f32, exact) && same(wideb16[n] as f32, exactb), "{bits:04x}");
        // torch shifts, so that even the payload of a signalling NaN stays.
        assert_eq!(readb16[n].to_bits(), u32::from(bits) << 16);
    }
    let unchanged: Vec<f16> = cast(DType::Float16, bytes_of(&bits));
    assert_eq!(bytes_of(&unchanged), bytes_of(&bits));
    let unchanged: Vec<bf16> = cast(DType::BFloat16, bytes_of(&bits));
    assert_eq!(bytes_of(&unchanged), bytes_of(&bits));
    // And from one to the other, through `f32`.
    let crossed: Vec<bf16> = cast(DType::Float16, bytes_of(&bits));
    for (&bits, read) in bits.iter().zip(&crossed) {
        let expected = bf16::from_f32(f16::from_bits(bits).to_f32());
        assert!(same(read.to_f32(), expected.to_f32()), "{bits:04x}");
    }
}

#[test]
fn halves_widen_from_any_alignment_and_stride() {
    for skipped in 0..4 {
        let bytes = noise(skipped + 2 * 5000);
        let expected: Vec<f32> =
            bytes[skipped..].chunks(2).map(|b| f16::from_ne_bytes([b[0], b[1]]).to_f32()).collect();
        let storage = Storage::new(StorageParts {
            id: 0,
            key: "0".into(),
            location: "cpu".into(),
            device: Device::Cpu,
            nbytes: 2 * 5000,
            data: StorageData::Record {
                records: Arc::new(Memory { bytes, skipped, compressed: false, stable: false }),
                record: RecordId(0),
                byte_order: ByteOrder::NATIVE,
            },
        });
        let all: Vec<f32> = vector(&storage, DType::Float16).cast().unwrap();
        assert!(all.iter().zip(&expected).all(|(&a, &b)| same(a, b)));
        let t = tensor(&storage, DType::Float16, &[50, 100], &[1, 50], 0).unwrap();
        let read: Vec<f32> = t.cast().unwrap();
        for (n, &read) in read.iter().enumerate() {
            assert!(same(read, expected[n / 100 + n % 100 * 50]));
        }
    }
}

#[test]
fn doubles_narrow_through_f32_as_torch_narrows_them() {
    let above = 1.0 + 2_f64.powi(-8) + 2_f64.powi(-22);
    assert_eq!(cast::<bf16>(DType::Float64, bytes_of(&[above]))[0].to_f32(), 1.0078125);
    // Just above a tie, which `f32` does not see any more: directly this would be 1.0078125.
    let hidden = 1.0 + 2_f64.powi(-8) + 2_f64.powi(-30);
    assert_eq!(cast::<bf16>(DType::Float64, bytes_of(&[hidden]))[0].to_f32(), 1.0);
    let samples: Vec<f64> = (0..4096).map(|n| (f64::from(n) - 2000.3) * 1.000_000_17_f64.powi(n * 37)).collect();
    let narrow: Vec<f16> = cast(DType::Float64, bytes_of(&samples));
    assert!(narrow.iter().zip(&samples).all(|(read, &sample)| *read == f16::from_f32(sample as f32)));
    assert_eq!(cast::<f32>(DType::Float64, bytes_of(&[1e300, -1e-300, 0.1])), [f32::INFINITY, -0.0, 0.1]);
    assert_eq!(cast::<f16>(DType::Float32, bytes_of(&[70000_f32, 1e-8, 0.1]))[0], f16::INFINITY);
}

#[test]
fn integers_round_to_nearest_even() {
    let longs = [(1_i64 << 53) + 1, (1 << 24) + 1, i64::MIN, i64::MAX];
    assert_eq!(
        cast::<f32>(DType::Int64, bytes_of(&longs)),
        [9007199254740992.0, 16777216.0, -(2_f32.powi(63)), 2_f32.powi(63)]
    );
    assert_eq!(cast::<f64>(DType::Int64, bytes_of(&longs))[..2], [9007199254740992.0, 16777217.0]);
    assert_eq!(cast::<f32>(DType::UInt64, bytes_of(&[u64::MAX])), [18446744073709551616.0]);
    assert_eq!(cast::<f64>(DType::UInt32, bytes_of(&[u32::MAX])), [4294967295.0]);
    let halves: Vec<f16> = cast(DType::Int64, bytes_of(&[70000_i64, 2049, 2051]));
    assert_eq!(halves, [f16::INFINITY, f16::from_f32(2048.), f16::from_f32(2052.)]);
    let brains: Vec<bf16> = cast(DType::Int32, bytes_of(&[257_i32, 259, (1 << 24) + 1]));
    assert_eq!(brains, [256., 260., 16777216.].map(bf16::from_f32));
}

fn check_integers<T: Element>(dtype: DType, bytes: &[u8], widen: impl Fn(T) -> f64) {
    let t = vector(&storage(bytes.to_vec()), dtype);
    let exact: Vec<f64> = t.to_vec::<T>().unwrap().into_iter().map(widen).collect();
    assert_eq!(t.cast::<f64>().unwrap(), exact, "{dtype}");
    assert!(t.cast::<f32>().unwrap().iter().zip(&exact).all(|(&a, &b)| a == b as f32), "{dtype}");
}

#[test]
fn every_integer_dtype_casts() {
    let bytes = noise(8 * 2000);
    check_integers::<u8>(DType::UInt8, &bytes, f64::from);
    check_integers::<i8>(DType::Int8, &bytes, f64::from);
    check_integers::<u16>(DType::UInt16, &bytes, f64::from);
    check_integers::<i16>(DType::Int16, &bytes, f64::from);
    check_integers::<u32>(DType::UInt32, &bytes, f64::from);
    check_integers::<i32>(DType::Int32, &bytes, f64::from);
}

#[test]
fn what_is_no_real_number_says_what_to_do() {
    for (dtype, words) in [
        (DType::Complex64, "read them with `to_vec` as `Complex`"),
        (DType::QInt8, "call `dequantize()`"),
        (DType::QUInt4x2, "call `dequantize()`"),
        (DType::Bits8, "read them with `bytes()`"),
        (DType::UInt4, "read them with `bytes()`"),
    ] {
        let error = vector(&storage(vec![0; 8]), dtype).cast::<f32>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.message().contains(words), "{error}");
    }
    // Every dtype either converts or says so: none leaves zeros behind.
    for &dtype in DType::ALL {
        if crate::tensor::cast::numbers_per_element(dtype).is_ok() {
            let bytes = match dtype {
                DType::Float64 => bytes_of(&[1_f64]),
                DType::Float16 => bytes_of(&[f16::ONE; 4]),
                DType::BFloat16 => bytes_of(&[bf16::ONE; 4]),
                DType::Float32 => bytes_of(&[1_f32; 2]),
                _ => vec![0x11; 8],
            };
            assert!(cast::<f32>(dtype, bytes.clone()).iter().all(|&n| n != 0.0), "{dtype}");
            assert!(cast::<f64>(dtype, bytes).iter().all(|&n| n != 0.0), "{dtype}");
        }
    }
}
