//! What number does each code of the 8- and 4-bit floats stand for? All of them are exact in `f32`.
//!
//! Sources: the OCP 8-bit Floating Point Specification (`e5m2`, `e4m3fn`), the OCP Microscaling Formats Specification
//! (`e8m0fnu`, `e2m1`) and `torch/headeronly/util/Float8_*.h` (the `fnuz` kinds).

pub(super) static E5M2: [f32; 256] = table(2, 15, Special::Ieee);
pub(super) static E4M3FN: [f32; 256] = table(3, 7, Special::LastIsNan);
pub(super) static E5M2FNUZ: [f32; 256] = table(2, 16, Special::MinusZeroIsNan);
pub(super) static E4M3FNUZ: [f32; 256] = table(3, 8, Special::MinusZeroIsNan);
pub(super) static E8M0FNU: [f32; 256] = powers_of_two();

/// The two values of each byte of `float4_e2m1fn_x2`, low nibble first.
pub(super) static E2M1_PAIRS: [[f32; 2]; 256] = pairs();

/// Which codes are no numbers.
#[derive(Clone, Copy)]
enum Special {
    /// The greatest exponent holds the infinities and NaN.
    Ieee,
    /// Only the code with all bits set is NaN; there is no infinity.
    LastIsNan,
    /// What would be minus zero is the one NaN; there is no infinity.
    MinusZeroIsNan,
}

const fn decode(code: u8, mantissa_bits: u32, bias: u32, special: Special) -> f32 {
    let magnitude = (code & 0x7f) as u32;
    let (exponent, mantissa) = (magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1));
    let value = match special {
        Special::MinusZeroIsNan if code == 0x80 => return f32::NAN,
        Special::LastIsNan if magnitude == 0x7f => return f32::NAN,
        Special::Ieee if magnitude >> mantissa_bits == 0x7f >> mantissa_bits => {
            if mantissa == 0 {
                f32::INFINITY
            } else {
                f32::NAN
            }
        }
        _ if exponent == 0 => mantissa as f32 * power_of_two(1 - bias as i32 - mantissa_bits as i32),
        _ => f32::from_bits((exponent + 127 - bias) << 23 | mantissa << (23 - mantissa_bits)),
    };
    if code & 0x80 == 0 { value } else { -value }
}

/// For exponents of normal `f32` numbers.
const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is compiled")]
const fn table(mantissa_bits: u32, bias: u32, special: Special) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode(code as u8, mantissa_bits, bias, special);
        code += 1;
    }
    table
}

/// 2^(code - 127), which is subnormal for code 0; FF is NaN.
#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is compiled")]
const fn powers_of_two() -> [f32; 256] {
    let mut table = [f32::NAN; 256];
    table[0] = f32::from_bits(1 << 22);
    let mut code = 1;
    while code < 255 {
        table[code] = power_of_two(code as i32 - 127);
        code += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "evaluated when the crate is compiled")]
const fn pairs() -> [[f32; 2]; 256] {
    const MAGNITUDES: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    const fn value(nibble: usize) -> f32 {
        let magnitude = MAGNITUDES[nibble & 7];
        if nibble & 8 == 0 { magnitude } else { -magnitude }
    }
    let mut table = [[0.0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [value(byte & 15), value(byte >> 4)];
        byte += 1;
    }
    table
}
