//! Bytes to instructions. Every length is held against the bytes that are left before it is used, and arguments are
//! borrowed from the pickle, so decoding allocates nothing.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::opcode::{Argument, Opcode};
use crate::error::Error;
use crate::limits::Limits;

/// An opcode with its argument. Opcodes that differ only in how they write their argument are one instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Instruction<'p> {
    Mark,
    Stop,
    Pop,
    PopMark,
    Dup,
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, little endian, any length.
    Long(&'p [u8]),
    /// A decimal integer, as text.
    Decimal(&'p [u8]),
    Float(f64),
    /// A float as text.
    FloatLine(&'p [u8]),
    /// UTF-8, not yet checked.
    Text(&'p [u8]),
    /// Text in Python's `raw-unicode-escape`.
    RawUnicodeEscape(&'p [u8]),
    PyString(&'p [u8]),
    /// A quoted Python 2 string with its escapes.
    QuotedString(&'p [u8]),
    Bytes(&'p [u8]),
    ByteArray(&'p [u8]),
    EmptyTuple,
    Tuple1,
    Tuple2,
    Tuple3,
    Tuple,
    EmptyList,
    List,
    EmptyDict,
    Dict,
    EmptySet,
    FrozenSet,
    Append,
    Appends,
    SetItem,
    SetItems,
    AddItems,
    Global(&'p [u8], &'p [u8]),
    StackGlobal,
    PersistentText(&'p [u8]),
    Persistent,
    Reduce,
    NewObj,
    NewObjEx,
    Inst(&'p [u8], &'p [u8]),
    Obj,
    Build,
    Get(u32),
    Put(u32),
    /// Memo indices as text.
    GetLine(&'p [u8]),
    PutLine(&'p [u8]),
    Memoize,
    Protocol(u8),
    Frame(u64),
    Extension(i32),
    Buffer,
}

/// Reads instructions off the front of a pickle.
pub(super) struct Decoder<'p> {
    pickle: &'p [u8],
    rest: &'p [u8],
    /// What was left when the current opcode began.
    opening: &'p [u8],
    /// Set if the slice goes on past the limit, to the limit and the slice's length.
    withheld: Option<(u64, u64)>,
}

impl<'p> Decoder<'p> {
    /// Decodes no further than `Limits::pickle_bytes`; that more bytes follow is an error only if the pickle needs them.
    pub(super) fn new(pickle: &'p [u8], limits: &Limits) -> Self {
        let allowed = limits.pickle_bytes.min(Limits::MAX_PICKLE_BYTES);
        let visible = usize::try_from(allowed).ok().and_then(|allowed| pickle.get(..allowed)).unwrap_or(pickle);
        let withheld = (visible.len() < pickle.len()).then_some((allowed, pickle.len() as u64));
        Self { pickle: visible, rest: visible, opening: visible, withheld }
    }

    /// The offset of the current opcode.
    pub(super) fn offset(&self) -> usize {
        self.pickle.len().saturating_sub(self.opening.len())
    }

    /// The bytes read so far.
    pub(super) fn consumed(&self) -> usize {
        self.pickle.len().saturating_sub(self.rest.len())
    }

    /// Whether there was no opcode left to read.
    pub(super) fn is_at_end(&self) -> bool {
        self.opening.is_empty()
    }

    /// The opcode that is being read or was read last.
    pub(super) fn opcode(&self) -> Option<Opcode> {
        self.opening.first().and_then(|&byte| Opcode::from_byte(byte))
    }

    /// Adds the place of the current opcode to an error.
    #[cold]
    pub(super) fn locate(&self, error: Error) -> Error {
        let error = error.at(self.offset() as u64);
        match self.opcode() {
            Some(opcode) => error.in_opcode(opcode.name()),
            None => error,
        }
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Instruction<'p>, Error> {
        self.opening = self.rest;
        let Some((&byte, rest)) = self.rest.split_first() else {
            return Err(self.ended());
        };
        self.rest = rest;
        let Some(opcode) = Opcode::from_byte(byte) else {
            return Err(unknown(byte));
        };
        // No catch-all: an opcode without a meaning does not compile.
        Ok(match opcode {
            Opcode::Mark => Instruction::Mark,
            Opcode::Stop => Instruction::Stop,
            Opcode::Pop => Instruction::Pop,
            Opcode::PopMark => Instruction::PopMark,
            Opcode::Dup => Instruction::Dup,
            Opcode::None => Instruction::None,
            Opcode::NewTrue => Instruction::Bool(true),
            Opcode::NewFalse => Instruction::Bool(false),
            Opcode::BinInt => Instruction::Int(i32::from_le_bytes(self.array()?).into()),
            Opcode::BinInt1 => Instruction::Int(self.u8()?.into()),
            Opcode::BinInt2 => Instruction::Int(u16::from_le_bytes(self.array()?).into()),
            Opcode::Int => match self.line()? {
                // Booleans of protocols 0 and 1.
                b"00" => Instruction::Bool(false),
                b"01" => Instruction::Bool(true),
                line => Instruction::Decimal(line),
            },
            Opcode::Long => {
                let line = self.line()?;
                Instruction::Decimal(line.strip_suffix(b"L").unwrap_or(line))
            }
            Opcode::Long1 => Instruction::Long(self.counted8()?),
            Opcode::Long4 => Instruction::Long(self.counted_i32()?),
            Opcode::Float => Instruction::FloatLine(self.line()?),
            Opcode::BinFloat => Instruction::Float(f64::from_be_bytes(self.array()?)),
            Opcode::Unicode => Instruction::RawUnicodeEscape(self.line()?),
            Opcode::ShortBinUnicode => Instruction::Text(self.counted8()?),
            Opcode::BinUnicode => Instruction::Text(self.counted32()?),
            Opcode::BinUnicode8 => Instruction::Text(self.counted64()?),
            Opcode::String => Instruction::QuotedString(self.line()?),
            Opcode::ShortBinString => Instruction::PyString(self.counted8()?),
            Opcode::BinString => Instruction::PyString(self.counted_i32()?),
            Opcode::ShortBinBytes => Instruction::Bytes(self.counted8()?),
            Opcode::BinBytes => Instruction::Bytes(self.counted32()?),
            Opcode::BinBytes8 => Instruction::Bytes(self.counted64()?),
            Opcode::ByteArray8 => Instruction::ByteArray(self.counted64()?),
            Opcode::EmptyTuple => Instruction::EmptyTuple,
            Opcode::Tuple1 => Instruction::Tuple1,
            Opcode::Tuple2 => Instruction::Tuple2,
            Opcode::Tuple3 => Instruction::Tuple3,
            Opcode::Tuple => Instruction::Tuple,
            Opcode::EmptyList => Instruction::EmptyList,
            Opcode::List => Instruction::List,
            Opcode::EmptyDict => Instruction::EmptyDict,
            Opcode::Dict => Instruction::Dict,
            Opcode::EmptySet => Instruction::EmptySet,
            Opcode::FrozenSet => Instruction::FrozenSet,
            Opcode::Append => Instruction::Append,
            Opcode::Appends => Instruction::Appends,
            Opcode::SetItem => Instruction::SetItem,
            Opcode::SetItems => Instruction::SetItems,
            Opcode::AddItems => Instruction::AddItems,
            Opcode::Global => Instruction::Global(self.line()?, self.line()?),
            Opcode::StackGlobal => Instruction::StackGlobal,
            Opcode::PersId => Instruction::PersistentText(self.line()?),
            Opcode::BinPersId => Instruction::Persistent,
            Opcode::Reduce => Instruction::Reduce,
            Opcode::NewObj => Instruction::NewObj,
            Opcode::NewObjEx => Instruction::NewObjEx,
            Opcode::Inst => Instruction::Inst(self.line()?, self.line()?),
            Opcode::Obj => Instruction::Obj,
            Opcode::Build => Instruction::Build,
            Opcode::Get => Instruction::GetLine(self.line()?),
            Opcode::BinGet => Instruction::Get(self.u8()?.into()),
            Opcode::LongBinGet => Instruction::Get(u32::from_le_bytes(self.array()?)),
            Opcode::Put => Instruction::PutLine(self.line()?),
            Opcode::BinPut => Instruction::Put(self.u8()?.into()),
            Opcode::LongBinPut => Instruction::Put(u32::from_le_bytes(self.array()?)),
            Opcode::Memoize => Instruction::Memoize,
            Opcode::Proto => Instruction::Protocol(self.u8()?),
            Opcode::Frame => Instruction::Frame(u64::from_le_bytes(self.array()?)),
            Opcode::Ext1 => Instruction::Extension(self.u8()?.into()),
            Opcode::Ext2 => Instruction::Extension(u16::from_le_bytes(self.array()?).into()),
            Opcode::Ext4 => Instruction::Extension(i32::from_le_bytes(self.array()?)),
            Opcode::NextBuffer | Opcode::ReadOnlyBuffer => Instruction::Buffer,
        })
    }

    /// Reads the index of a BINPUT or LONG_BINPUT, if that is what comes next, and spares it a round of `next`.
    #[inline(always)]
    pub(super) fn take_put(&mut self) -> Option<u32> {
        const BINPUT: u8 = Opcode::BinPut as u8;
        const LONG_BINPUT: u8 = Opcode::LongBinPut as u8;
        match *self.rest {
            [LONG_BINPUT, a, b, c, d, ref rest @ ..] => {
                self.rest = rest;
                Some(u32::from_le_bytes([a, b, c, d]))
            }
            [BINPUT, index, ref rest @ ..] => {
                self.rest = rest;
                Some(index.into())
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn u8(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.truncated(N as u64)),
        }
    }

    #[inline(always)]
    fn take(&mut self, declared_len: usize) -> Result<&'p [u8], Error> {
        match self.rest.split_at_checked(declared_len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.truncated(declared_len as u64)),
        }
    }

    #[inline(always)]
    fn counted8(&mut self) -> Result<&'p [u8], Error> {
        let declared_len = self.u8()?;
        self.take(declared_len.into())
    }

    #[inline(always)]
    fn counted32(&mut self) -> Result<&'p [u8], Error> {
        let declared_len = u32::from_le_bytes(self.array()?);
        self.take(declared_len as usize)
    }

    fn counted_i32(&mut self) -> Result<&'p [u8], Error> {
        let declared_len = i32::from_le_bytes(self.array()?);
        match usize::try_from(declared_len) {
            Ok(len) => self.take(len),
            Err(_) => Err(Error::malformed(format!("its length is negative ({declared_len}); the pickle is damaged"))),
        }
    }

    fn counted64(&mut self) -> Result<&'p [u8], Error> {
        let declared_len = u64::from_le_bytes(self.array()?);
        match usize::try_from(declared_len) {
            Ok(len) => self.take(len),
            Err(_) => Err(self.truncated(declared_len)),
        }
    }

    /// The bytes up to a newline, which is consumed.
    fn line(&mut self) -> Result<&'p [u8], Error> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((line, rest)) => {
                self.rest = rest.split_first().map_or(rest, |(_, rest)| rest);
                Ok(line)
            }
            None => Err(self.cut_short(format_args!("its argument has no newline at its end"))),
        }
    }

    #[cold]
    fn truncated(&self, needed: u64) -> Error {
        let left = self.rest.len();
        let argument = match self.opcode().map(Opcode::argument) {
            Some(Argument::Counted8 | Argument::Counted32 | Argument::CountedI32 | Argument::Counted64) => {
                "its length and data"
            }
            _ => "its argument",
        };
        self.cut_short(format_args!("reading {argument} needs {needed} more bytes, but {left} are left"))
    }

    #[cold]
    fn ended(&self) -> Error {
        self.cut_short(format_args!("it ends without STOP"))
    }

    /// The bytes end too early: because of the limit, or because the pickle is truncated.
    #[cold]
    fn cut_short(&self, how: std::fmt::Arguments<'_>) -> Error {
        if let Some((allowed, len)) = self.withheld
            && let Err(error) = Limits::check("pickle_bytes", len, allowed)
        {
            return error;
        }
        Error::malformed(format!("the pickle is truncated: {how}"))
    }
}

#[cold]
fn unknown(byte: u8) -> Error {
    Error::malformed(format!(
        "0x{byte:02x} is not an opcode of pickle protocols 0 to 5; the pickle is damaged, or not a pickle"
    ))
}
