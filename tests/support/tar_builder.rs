//! Writes tar files, and the numbers that torch wrote into them before 0.1.10. Only for tests.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

/// A tar file, member by member, in which every header can lie.
#[derive(Default)]
pub struct TarBuilder {
    bytes: Vec<u8>,
}

impl TarBuilder {
    pub fn with(self, name: &str, data: &[u8]) -> Self {
        self.member(name, b'0', data.len() as u64, data)
    }

    pub fn member(mut self, name: &str, kind: u8, declared_size: u64, data: &[u8]) -> Self {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{declared_size:011o}").as_bytes());
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.extend(header);
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn build(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

/// The numbers behind a tensor's pickle.
pub fn place(sizes: &[i64], strides: &[i64], offset: i64) -> Vec<u8> {
    let dimensions = i32::try_from(sizes.len()).unwrap().to_le_bytes();
    let numbers = sizes.iter().chain(strides).chain([&offset]).flat_map(|number| number.to_le_bytes());
    dimensions.into_iter().chain([0xee; 4]).chain(numbers).collect()
}
