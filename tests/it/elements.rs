//! The elements of each dtype: every code of small floats, extreme values, and casts (cases 71 and 72).

use torch_checkpoint::half::{bf16, f16};

use crate::pickle_builder::*;
use crate::support::{open, says, tensor};

/// Sign, exponent and mantissa of an 8-bit float as its name says them; `None` is NaN.
fn float8(name: &str, code: u8) -> Option<f64> {
    let (mantissa_bits, bias) = match name {
        "float8_e5m2" => (2, 15),
        "float8_e4m3fn" => (3, 7),
        "float8_e5m2fnuz" => (2, 16),
        "float8_e4m3fnuz" => (3, 8),
        "float8_e8m0fnu" => return (code != 0xff).then(|| 2_f64.powi(i32::from(code) - 127)),
        other => panic!("{other}"),
    };
    let magnitude = code & 0x7f;
    let exponent = i32::from(magnitude >> mantissa_bits);
    let mantissa = f64::from(magnitude & ((1 << mantissa_bits) - 1));
    let scale = f64::from(1_u8 << mantissa_bits);
    let value = match (name, magnitude, exponent) {
        ("float8_e5m2fnuz" | "float8_e4m3fnuz", 0, _) if code == 0x80 => return None,
        ("float8_e4m3fn", 0x7f, _) => return None,
        ("float8_e5m2", 0x7c, _) => f64::INFINITY,
        ("float8_e5m2", 0x7d..=0x7f, _) => return None,
        (_, _, 0) => mantissa / scale * 2_f64.powi(1 - bias),
        (_, _, exponent) => (1.0 + mantissa / scale) * 2_f64.powi(exponent - bias),
    };
    Some(if code & 0x80 == 0 { value } else { -value })
}

#[test]
pub(crate) fn case_071_every_code_of_every_8_bit_float() {
    let codes: Vec<u8> = (0..=255).collect();
    for name in ["float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e8m0fnu"] {
        let call = TensorCall::new(&StorageId::untyped("0", 256), &[256]).dtype(name).code();
        let t = tensor(&open(torch_file(&dict([("t", call)]), &[("0", &codes)])), "t");
        assert_eq!(t.as_slice::<u8>().unwrap(), codes);
        let (wide, narrow) = (t.cast::<f64>().unwrap(), t.cast::<f32>().unwrap());
        for code in 0..=255_u8 {
            let wanted = float8(name, code);
            let found = wide[usize::from(code)];
            match wanted {
                None => assert!(found.is_nan(), "{name} {code:#x}: {found}"),
                Some(wanted) => {
                    assert_eq!(found.to_bits(), wanted.to_bits(), "{name} {code:#x}: {found} {wanted}");
                    assert_eq!(f64::from(narrow[usize::from(code)]), wanted);
                }
            }
        }
    }
}

#[test]
pub(crate) fn case_071_two_values_in_a_byte() {
    let call = TensorCall::new(&StorageId::untyped("0", 2), &[2]).dtype("float4_e2m1fn_x2").code();
    let t = tensor(&open(torch_file(&dict([("t", call)]), &[("0", &[0x21, 0xf7])])), "t");
    // Low nibble first.
    assert_eq!(t.cast::<f32>().unwrap(), [0.5, 1.0, 6.0, -6.0]);
    assert_eq!((t.shape(), t.nbytes()), (&[2][..], 2));
}

#[test]
pub(crate) fn case_072_extreme_values_are_exact() {
    let u64s = TensorCall::new(&StorageId::untyped("0", 8), &[1]).dtype("uint64").code();
    let i64s = TensorCall::new(&StorageId::new("LongStorage", "1", 2), &[2]).code();
    let bools = TensorCall::new(&StorageId::new("BoolStorage", "2", 4), &[4]).code();
    let code = dict([("u64", u64s), ("i64", i64s), ("bool", bools)]);
    let longs = [i64::MIN.to_le_bytes(), i64::MAX.to_le_bytes()].concat();
    let checkpoint = open(torch_file(&code, &[("0", &[0xff; 8]), ("1", &longs), ("2", &[0, 1, 0x80, 0x3f])]));
    assert_eq!(tensor(&checkpoint, "u64").to_vec::<u64>().unwrap(), [u64::MAX]);
    assert_eq!(tensor(&checkpoint, "u64").cast::<f64>().unwrap(), [18_446_744_073_709_551_616.0]);
    assert_eq!(tensor(&checkpoint, "i64").as_slice::<i64>().unwrap(), [i64::MIN, i64::MAX]);
    let bools = tensor(&checkpoint, "bool");
    assert_eq!(bools.to_vec::<bool>().unwrap(), [false, true, true, true]);
    assert_eq!(bools.bytes().unwrap(), [0, 1, 0x80, 0x3f].as_slice());
    assert_eq!(bools.cast::<f32>().unwrap(), [0.0, 1.0, 1.0, 1.0]);
    says(&bools.as_slice::<bool>().unwrap_err(), &["bool", "to_vec"]);
}

/// torch narrows through `float32`, which rounds twice: what `float32` cannot hold (the second value) no longer decides.
#[test]
pub(crate) fn casts_round_as_torch_does() {
    for (value, as_bf16) in
        [(1.0 + 2_f64.powi(-8) + 2_f64.powi(-22), 1.007_812_5), (1.0 + 2_f64.powi(-8) + 2_f64.powi(-30), 1.0)]
    {
        let call = TensorCall::new(&StorageId::new("DoubleStorage", "0", 1), &[1]).code();
        let t = tensor(&open(torch_file(&dict([("t", call)]), &[("0", &value.to_le_bytes())])), "t");
        assert_eq!(t.cast::<bf16>().unwrap()[0].to_f64(), as_bf16);
        assert_eq!(t.cast::<f32>().unwrap(), [value as f32]);
        assert_eq!(t.cast::<f16>().unwrap(), [f16::from_f32(value as f32)]);
        assert_eq!(t.cast::<f64>().unwrap(), [value]);
    }
}
