//! One header of the central directory (APPNOTE 4.3.12), as it is written: every field is read once, so that a file that
//! changes meanwhile cannot say two things.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::bytes::{u16_at, u32_at, u64_at};
use super::end::CENTRAL_HEADER_LEN;

const SIGNATURE: &[u8] = b"PK\x01\x02";
/// Extra fields: APPNOTE 4.5.3 and 4.6.9.
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

/// What the header declares.
pub(super) struct CentralHeader<'a> {
    pub(super) raw_name: &'a [u8],
    pub(super) flags: u16,
    /// The number of the compression method (APPNOTE 4.4.5).
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed_len: u64,
    pub(super) len: u64,
    pub(super) header_start: u64,
    /// The name that an extra field gives instead (Info-ZIP's Unicode path).
    pub(super) second_name: Option<&'a [u8]>,
    /// The bytes that the header takes.
    pub(super) header_len: usize,
}

impl<'a> CentralHeader<'a> {
    /// The header at the start of `bytes`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        if !bytes.starts_with(SIGNATURE) {
            return Err("no header starts here");
        }
        let (fixed, rest) = usize::try_from(CENTRAL_HEADER_LEN)
            .ok()
            .and_then(|len| bytes.split_at_checked(len))
            .ok_or("a header is cut off")?;
        let mut header = Self::fixed(fixed).ok_or("a header is cut off")?;
        let lens = (u16_at(fixed, 28), u16_at(fixed, 30), u16_at(fixed, 32));
        let (Some(name_len), Some(extra_len), Some(comment_len)) = lens else { return Err("a header is cut off") };
        let (name, rest) = rest.split_at_checked(name_len.into()).ok_or("a record's name is cut off")?;
        let (extra, rest) = rest.split_at_checked(extra_len.into()).ok_or("a record's extra fields are cut off")?;
        let (_, rest) = rest.split_at_checked(comment_len.into()).ok_or("a record's comment is cut off")?;
        header.raw_name = name;
        header.header_len = bytes.len().saturating_sub(rest.len());
        if !extra.is_empty() {
            header.extra_fields(extra)?;
        }
        Ok(header)
    }

    fn fixed(fixed: &[u8]) -> Option<Self> {
        Some(Self {
            raw_name: &[],
            flags: u16_at(fixed, 8)?,
            method: u16_at(fixed, 10)?,
            crc: u32_at(fixed, 16)?,
            packed_len: u32_at(fixed, 20)?.into(),
            len: u32_at(fixed, 24)?.into(),
            header_start: u32_at(fixed, 42)?.into(),
            second_name: None,
            header_len: 0,
        })
    }

    fn extra_fields(&mut self, mut extra: &'a [u8]) -> Result<(), &'static str> {
        // Fewer bytes than a field needs are padding.
        while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let field = extra.get(4..).and_then(|rest| rest.split_at_checked(len.into()));
            let (field, rest) = field.ok_or("a record's extra fields are longer than their room")?;
            extra = rest;
            match id {
                ZIP64 => self.zip64(field)?,
                // A version and a checksum come first.
                UNICODE_PATH => self.second_name = Some(field.get(5..).ok_or("a record's second name is cut off")?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The true numbers of those fields that are saturated, in this order.
    fn zip64(&mut self, mut field: &[u8]) -> Result<(), &'static str> {
        for number in [&mut self.len, &mut self.packed_len, &mut self.header_start] {
            if *number == u64::from(u32::MAX) {
                *number = u64_at(field, 0).ok_or("a record's zip64 field lacks a number")?;
                field = field.get(8..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// A name that is not UTF-8, in code page 437 (APPNOTE appendix D).
pub(super) fn code_page_437(raw_name: &[u8]) -> String {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    let decoded = |&byte: &u8| match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(upper) => UPPER.chars().nth(upper.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    raw_name.iter().map(decoded).collect()
}

/// The names of APPNOTE 4.4.5.
pub(super) fn method_name(method: u16) -> String {
    let name = match method {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "XZ",
        98 => "PPMd",
        99 => "AES encryption",
        _ => return format!("the unknown method {method}"),
    };
    format!("{name} (method {method})")
}

#[cfg(test)]
mod tests {
    use super::code_page_437;

    #[test]
    fn every_byte_has_its_own_character_in_code_page_437() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = code_page_437(&bytes);
        let characters: std::collections::HashSet<char> = text.chars().collect();
        assert_eq!((text.chars().count(), characters.len()), (256, 256));
        assert!(!characters.contains(&char::REPLACEMENT_CHARACTER));
        assert_eq!(code_page_437(b"m\x81dchen \xe1 \xb0 \xf8"), "müdchen ß ░ °");
    }
}
