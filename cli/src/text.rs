//! Text for people: names from files made safe to print, fitted to a width; sizes in human units.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text that cannot steer a terminal: control characters and those that turn the direction are escaped.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { clean.extend(c.escape_unicode()) } else { clean.push(c) }
    }
    Cow::Owned(clean)
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    // What most names are made of needs no table.
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The text, its middle left out if it is wider than `columns`: both ends of a name tell names apart.
pub(crate) fn fit_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(kept) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    let tail = kept / 2;
    let head = kept.saturating_sub(tail);
    let start: String = taken(text.chars(), head).collect();
    let mut end: Vec<char> = taken(text.chars().rev(), tail).collect();
    end.reverse();
    let mut fitted = start;
    fitted.push('…');
    fitted.extend(end);
    Cow::Owned(fitted)
}

/// The text, its end left out if it is wider than `columns`.
pub(crate) fn fit_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(kept) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    Cow::Owned(taken(text.chars(), kept).chain(['…']).collect())
}

/// As many characters as fit in `columns`.
fn taken(chars: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    let mut left = columns;
    chars.map_while(move |c| {
        left = left.checked_sub(c.width().unwrap_or(0))?;
        Some(c)
    })
}

/// A number of bytes in the largest unit that leaves at least one: `36.8 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes).saturating_mul(10);
    let mut unit = "";
    for larger in UNITS {
        tenths = tenths.div_ceil(2).div_ceil(512);
        unit = larger;
        if tenths < 10_240 {
            break;
        }
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A number with a comma after each three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && digits.len().saturating_sub(n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 tensor`, `2 tensors`.
pub(crate) fn plural(number: usize, one: &str) -> String {
    let mut text = count(u64::try_from(number).unwrap_or(u64::MAX));
    // Writing to a String does not fail.
    let _ = write!(text, " {one}{}", if number == 1 { "" } else { "s" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[2J\u{202e}b"), "a\\u{1b}[2J\\u{202e}b");
        assert_eq!(clean("größe.重み"), "größe.重み");
    }

    #[test]
    fn long_texts_lose_their_middle_or_end() {
        assert_eq!(fit_middle("encoder.layer.weight", 20), "encoder.layer.weight");
        assert_eq!(fit_middle("encoder.layer.weight", 9), "enco…ight");
        assert_eq!(fit_middle("encoder", 0), "");
        assert_eq!(fit_end("encoder", 4), "enc…");
        for columns in 0..12 {
            assert!(width(&fit_middle("重み重み重み", columns)) <= columns);
            assert!(width(&fit_end("重み重み重み", columns)) <= columns);
        }
    }

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (37_632, "36.8 KiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(count(25_557_032), "25,557,032");
        assert_eq!((count(999), count(0)), ("999".to_owned(), "0".to_owned()));
        assert_eq!((plural(1, "tensor"), plural(2000, "tensor")), ("1 tensor".to_owned(), "2,000 tensors".to_owned()));
    }
}
