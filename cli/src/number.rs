//! Numbers from tensors, for people and for JSON.

use serde::{Serialize, Serializer};

/// A number as a tensor has it: integers are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Float(f64),
    Int(i128),
}

impl Number {
    /// Four digits that count, three with an exponent; whole numbers of up to seven digits in full.
    pub(crate) fn short(self) -> String {
        match self {
            Self::Int(value) if value.unsigned_abs() < 10_000_000 => value.to_string(),
            Self::Int(value) => short(value as f64),
            Self::Float(value) => short(value),
        }
    }
}

/// JSON has no infinities and no NaN: they are text.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_i128(*value),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(value) => serializer.serialize_str(&special(*value)),
        }
    }
}

/// A share in per cent, which is 0 or 100 only if it is exactly so.
pub(crate) fn share(part: u64, whole: u64) -> String {
    match part {
        0 => "0".to_owned(),
        all if all == whole => "100%".to_owned(),
        some => match 100.0 * some as f64 / whole as f64 {
            share if share < 0.1 => "<0.1%".to_owned(),
            share => format!("{:.1}%", share.min(99.9)),
        },
    }
}

fn special(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { value.to_string() }
}

fn short(value: f64) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&size) {
        let text = format!("{value:.2e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", without_zeros(digits)),
            None => text,
        };
    }
    // From 6 decimals for a thousandth to none for thousands.
    let decimals = [1e4, 1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2].iter().position(|&limit| size >= limit);
    let decimals = decimals.unwrap_or(7).saturating_sub(1);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_the_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-0.031_25, "-0.03125"),
            (0.001, "0.001"),
            (0.123_456, "0.1235"),
            (12.345_6, "12.35"),
            (99_999.0, "99999"),
            (100_000.0, "1e5"),
            (-0.000_012_345, "-1.23e-5"),
            (f64::MAX, "1.8e308"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(Number::Float(value).short(), text, "{value:e}");
        }
        assert_eq!(Number::Int(-1_234_567).short(), "-1234567");
        assert_eq!(Number::Int(i128::from(u64::MAX)).short(), "1.84e19");
    }

    #[test]
    fn in_json_integers_are_exact_and_what_json_lacks_is_text() {
        let json = |number: Number| serde_json::to_string(&number).unwrap();
        assert_eq!(json(Number::Int(i128::from(u64::MAX))), "18446744073709551615");
        assert_eq!(json(Number::Float(0.5)), "0.5");
        assert_eq!(json(Number::Float(f64::NEG_INFINITY)), "\"-inf\"");
        assert_eq!(json(Number::Float(f64::NAN)), "\"nan\"");
    }

    #[test]
    fn a_share_is_nothing_or_all_only_if_it_is() {
        assert_eq!([share(0, 9), share(9, 9), share(1, 8)], ["0", "100%", "12.5%"]);
        assert_eq!([share(1, 1_000_000), share(999_999, 1_000_000)], ["<0.1%", "99.9%"]);
    }
}
