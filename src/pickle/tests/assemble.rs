//! Writes pickles opcode by opcode, and can lie about every length.

use super::super::opcode::Opcode;

#[derive(Clone, Default)]
pub(super) struct Assembler(pub(super) Vec<u8>);

impl Assembler {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(super) fn op(self, opcode: Opcode) -> Self {
        self.raw([opcode as u8])
    }

    /// An opcode and its argument as bytes.
    pub(super) fn with(self, opcode: Opcode, argument: impl AsRef<[u8]>) -> Self {
        self.op(opcode).raw(argument)
    }

    pub(super) fn repeat(mut self, opcode: Opcode, times: usize) -> Self {
        self.0.extend(std::iter::repeat_n(opcode as u8, times));
        self
    }

    /// BINUNICODE.
    pub(super) fn text(self, text: &str) -> Self {
        self.counted(Opcode::BinUnicode, text.len() as u32, text)
    }

    /// An opcode with a 32-bit length, which need not be the data's.
    pub(super) fn counted(self, opcode: Opcode, declared_len: u32, data: impl AsRef<[u8]>) -> Self {
        self.with(opcode, declared_len.to_le_bytes()).raw(data)
    }

    /// An opcode with a 64-bit length, which need not be the data's.
    pub(super) fn counted64(self, opcode: Opcode, declared_len: u64, data: impl AsRef<[u8]>) -> Self {
        self.with(opcode, declared_len.to_le_bytes()).raw(data)
    }

    /// LONG_BINPUT.
    pub(super) fn put(self, index: u32) -> Self {
        self.with(Opcode::LongBinPut, index.to_le_bytes())
    }

    /// LONG_BINGET.
    pub(super) fn get(self, index: u32) -> Self {
        self.with(Opcode::LongBinGet, index.to_le_bytes())
    }

    /// BININT.
    pub(super) fn int(self, value: i32) -> Self {
        self.with(Opcode::BinInt, value.to_le_bytes())
    }

    pub(super) fn stop(self) -> Vec<u8> {
        self.op(Opcode::Stop).0
    }
}
