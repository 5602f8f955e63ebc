//! Builds legacy streams (torch 0.1.10 to 1.5), in which every part can be a lie. Only for tests.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]

use crate::pickle_builder::{Code, bool, dict, int, list, long, pickle, text};

/// 0x1950A86A20F9469CFC6C
pub const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// A stream, piece by piece.
pub struct LegacyBuilder {
    pub magic: Vec<u8>,
    pub version: Vec<u8>,
    pub facts: Vec<u8>,
    pub object: Vec<u8>,
    pub keys: Vec<u8>,
    /// For each storage the number in front of its data, and the data.
    pub blobs: Vec<(i64, Vec<u8>)>,
    pub trailing: Vec<u8>,
}

impl LegacyBuilder {
    /// The stream that torch writes for an object: `root` is the code that makes it, with ids of five items, to which the
    /// sixth is added. A storage that the object does not mention keeps its place all the same.
    pub fn new(root: &[u8], storages: &[(&str, &[u8])]) -> Self {
        let object = pickle(&with_view_metadata(root));
        let mentioned = mentions(root);
        // Only what is mentioned is written, sorted as text.
        let mut written: Vec<(&str, &[u8], usize)> = storages
            .iter()
            .filter_map(|&(key, data)| {
                let (_, itemsize) = mentioned.iter().find(|(other, _)| other == key)?;
                Some((key, data, *itemsize))
            })
            .collect();
        written.sort_unstable();
        let keys = keys(written.iter().map(|&(key, ..)| key));
        let (magic, version) = (pickle(&long(&MAGIC)), pickle(&int(1001)));
        // The first storage's data are aligned, as tests that borrow need it.
        let before = magic.len() + version.len() + facts(true, "").len() + object.len() + keys.len() + 8;
        let facts = facts(true, &" ".repeat(before.wrapping_neg() % 16));
        Self {
            magic,
            version,
            facts,
            object,
            keys,
            blobs: written
                .iter()
                .map(|&(_, data, itemsize)| ((data.len() / itemsize).try_into().unwrap(), data.to_vec()))
                .collect(),
            trailing: Vec::new(),
        }
    }

    pub fn build(&self) -> Vec<u8> {
        let mut stream = [&*self.magic, &self.version, &self.facts, &self.object, &self.keys].concat();
        for (count, data) in &self.blobs {
            stream.extend(count.to_le_bytes());
            stream.extend(data);
        }
        stream.extend(&self.trailing);
        stream
    }
}

/// The third pickle, in which torch looks at nothing.
pub fn facts(little_endian: bool, padding: &str) -> Vec<u8> {
    let sizes = dict([("short", int(2)), ("int", int(4)), ("long", int(4))]);
    pickle(&dict([
        ("protocol_version", int(1001)),
        ("little_endian", bool(little_endian)),
        ("type_sizes", sizes),
        ("padding", text(padding)),
    ]))
}

/// The fifth pickle.
pub fn keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let keys: Vec<Code> = keys.into_iter().map(text).collect();
    pickle(&if keys.is_empty() { vec![b']'] } else { list(keys) })
}

/// `None` as the sixth item of every id.
fn with_view_metadata(root: &[u8]) -> Vec<u8> {
    let mut code = Vec::with_capacity(root.len() + 64);
    let mut rest = root;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"tQ") {
        code.extend(&rest[..at]);
        code.extend(b"NtQ");
        rest = &rest[at + 2..];
    }
    code.extend(rest);
    code
}

/// The keys of the storages that code mentions, as `StorageId` writes them, each with the size of its elements.
fn mentions(root: &[u8]) -> Vec<(String, usize)> {
    const WORD: &[u8] = b"X\x07\0\0\0storagec";
    let mut found = Vec::new();
    for at in (0..root.len()).filter(|&at| root[at..].starts_with(WORD)) {
        let mut rest = &root[at + WORD.len()..];
        let mut line = || {
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap();
            let line = std::str::from_utf8(&rest[..end]).unwrap();
            rest = &rest[end + 1..];
            line
        };
        let (_module, class) = (line(), line());
        let [b'X', a, b, c, d, text @ ..] = rest else { continue };
        let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some(Ok(key)) = text.get(..len).map(std::str::from_utf8) else { continue };
        found.push((key.to_owned(), itemsize(class)));
    }
    found
}

fn itemsize(class: &str) -> usize {
    match class.trim_end_matches("Storage") {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" => 8,
        "Float" | "Int" | "QInt32" => 4,
        "Half" | "BFloat16" | "Short" => 2,
        _ => 1,
    }
}
