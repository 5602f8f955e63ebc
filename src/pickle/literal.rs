//! The arguments that protocols 0 and 1 write as text: numbers, memo indices and escaped strings.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use crate::error::{Error, Shown};
use num_bigint::BigInt;

/// Python's own bound for decimal text (`sys.int_info.default_max_str_digits`): converting is quadratic.
const MAX_DIGITS: usize = 4300;

/// An integer of any size.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Integer {
    Small(i64),
    /// Two's complement, little endian, shortest form, wider than 64 bits.
    Big(Vec<u8>),
}

/// A decimal integer, with a sign or without.
pub(super) fn integer(line: &[u8]) -> Result<Integer, Error> {
    let digits = line.strip_prefix(b"-").or_else(|| line.strip_prefix(b"+")).unwrap_or(line);
    // A leading zero is refused: Python's readers disagree on whether it means octal.
    let plain = digits == b"0" || (digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0"));
    let text = match std::str::from_utf8(line) {
        Ok(text) if plain && !digits.is_empty() => text,
        _ => return Err(not_a("a decimal integer", line)),
    };
    if let Ok(value) = text.parse() {
        return Ok(Integer::Small(value));
    }
    if digits.len() > MAX_DIGITS {
        return Err(Error::limit(format!(
            "the integer has {} decimal digits, and this crate reads at most {MAX_DIGITS}, as Python does",
            digits.len()
        )));
    }
    let value: BigInt = text.parse().map_err(|_| not_a("a decimal integer", line))?;
    Ok(Integer::Big(value.to_signed_bytes_le()))
}

/// A decimal float, `nan` and `inf` included.
pub(super) fn float(line: &[u8]) -> Result<f64, Error> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or_else(|| not_a("a float", line))
}

pub(super) fn memo_index(line: &[u8]) -> Result<u32, Error> {
    let digits = !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(line).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| not_a("a memo index of 32 bits", line))
}

/// The bytes of a quoted Python 2 string, as `PyBytes_DecodeEscape` reads it.
pub(super) fn quoted_string(line: &[u8]) -> Result<Vec<u8>, Error> {
    let quoted = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(not_a("a quoted string", line)),
    };
    let mut out = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(escape) = rest.next() else {
            return Err(Error::malformed("the string ends in a lone backslash; the pickle is damaged"));
        };
        match escape {
            b'\\' | b'\'' | b'"' => out.push(escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b'v' => out.push(11),
            b'a' => out.push(7),
            b'0'..=b'7' => {
                // Up to three octal digits, of which eight bits count.
                let mut value = escape.wrapping_sub(b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = rest.clone().next() else { break };
                    rest.next();
                    value = value.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0'));
                }
                out.push(value);
            }
            b'x' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(hex_digit));
                let [Some(high), Some(low)] = digits else {
                    return Err(Error::malformed(
                        "the string holds `\\x` without two hexadecimal digits; the pickle is damaged",
                    ));
                };
                out.push(high << 4 | low);
            }
            // Python keeps an escape that it does not know.
            other => out.extend([b'\\', other]),
        }
    }
    Ok(out)
}

/// Text in `raw-unicode-escape` (Latin-1 with `\uXXXX` and `\UXXXXXXXX`) as UTF-8, in which a lone surrogate keeps its
/// three bytes.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            push_code_point(&mut out, byte.into());
            continue;
        }
        let digits = match rest.next() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            // Any other escape stands for itself, an escaped backslash included.
            other => {
                out.push(b'\\');
                if let Some(other) = other {
                    push_code_point(&mut out, other.into());
                }
                continue;
            }
        };
        let mut code_point = 0_u32;
        for _ in 0..digits {
            let Some(digit) = rest.next().and_then(hex_digit) else {
                return Err(Error::malformed(format!(
                    "the text holds an escape without its {digits} hexadecimal digits; the pickle is damaged"
                )));
            };
            code_point = code_point << 4 | u32::from(digit);
        }
        if code_point > u32::from(char::MAX) {
            return Err(Error::malformed(format!("U+{code_point:X} is not a character; the pickle is damaged")));
        }
        push_code_point(&mut out, code_point);
    }
    Ok(out)
}

/// Appends a code point as UTF-8; a surrogate, which UTF-8 proper does not encode, in the three bytes that it would have.
fn push_code_point(out: &mut Vec<u8>, code_point: u32) {
    match char::from_u32(code_point) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let [_, _, high, low] = code_point.to_be_bytes();
            out.extend([0xe0 | high >> 4, 0x80 | (high & 0x0f) << 2 | low >> 6, 0x80 | low & 0x3f]);
        }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cold]
fn not_a(what: &str, line: &[u8]) -> Error {
    Error::malformed(format!("`{}` is not {what}; the pickle is damaged", Shown(&String::from_utf8_lossy(line))))
}
