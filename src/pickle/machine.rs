//! The pickle machine: a stack, marks and a memo, whose every effect is a record in the graph. Nothing is imported or called.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::build::Builder;
use super::decode::{Decoder, Instruction};
use super::graph::{Graph, Made, NodeId};
use super::literal;
use super::memo::Memo;
use crate::error::Error;
use crate::limits::Limits;

/// A decoded pickle.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) graph: Graph,
    /// The pickle's length: it ends right after its STOP.
    pub(crate) consumed: usize,
}

/// Decodes the pickle at the start of `pickle`; bytes after its STOP are not looked at.
///
/// Errors name the offset and the opcode. The cost, in time and in memory, is proportional to the bytes consumed.
pub(crate) fn decode(pickle: &[u8], limits: &Limits) -> Result<Decoded, Error> {
    let mut machine = Machine {
        decoder: Decoder::new(pickle, limits),
        builder: Builder::new(pickle.len(), limits),
        stack: Vec::new(),
        marks: Vec::new(),
        floor: 0,
        frame_end: 0,
        memo: Memo::with_capacity(pickle.len().min(1 << 24) / 14),
    };
    match machine.run() {
        Ok(root) => Ok(Decoded { consumed: machine.decoder.consumed(), graph: machine.builder.finish(root) }),
        Err(error) => Err(machine.decoder.locate(error)),
    }
}

/// The length of the pickle at the start of `bytes`, up to its STOP, told by its opcodes alone: for bytes that another
/// process may change, which have to be copied before [`decode`] takes them.
pub(crate) fn measure(bytes: &[u8], limits: &Limits) -> Result<usize, Error> {
    let mut decoder = Decoder::new(bytes, limits);
    loop {
        match decoder.next() {
            Ok(Instruction::Stop) => return Ok(decoder.consumed()),
            Ok(_) => {
                decoder.take_put();
            }
            Err(error) => return Err(decoder.locate(error)),
        }
    }
}

struct Machine<'p> {
    decoder: Decoder<'p>,
    builder: Builder,
    stack: Vec<NodeId>,
    /// The floors below the marks that are set.
    marks: Vec<u32>,
    /// Where the last mark lies in the stack: nothing below it can be popped.
    floor: u32,
    /// The furthest that a frame reaches.
    frame_end: u64,
    memo: Memo,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<NodeId, Error> {
        loop {
            match self.decoder.next()? {
                Instruction::Stop => {
                    self.check_frames()?;
                    return self.top();
                }
                instruction => self.execute(instruction)?,
            }
        }
    }

    #[inline(always)]
    fn execute(&mut self, instruction: Instruction<'_>) -> Result<(), Error> {
        let made = match instruction {
            Instruction::Mark => {
                self.marks.push(self.floor);
                self.floor = narrow(self.stack.len())?;
                return Ok(());
            }
            Instruction::Pop => {
                // A mark counts as an item here.
                if self.stack.len() == self.floor as usize && !self.marks.is_empty() {
                    self.since_mark()?;
                } else {
                    self.pop()?;
                }
                return Ok(());
            }
            Instruction::PopMark => {
                let start = self.since_mark()?;
                self.stack.truncate(start);
                return Ok(());
            }
            Instruction::Dup => self.top()?,
            Instruction::None => NodeId::NONE,
            Instruction::Bool(value) => NodeId::bool(value),
            Instruction::Int(value) => self.builder.int(value)?,
            Instruction::Long(bytes) => self.builder.long(bytes)?,
            Instruction::Decimal(line) => self.builder.integer(literal::integer(line)?)?,
            Instruction::Float(value) => self.builder.float(value)?,
            Instruction::FloatLine(line) => self.builder.float(literal::float(line)?)?,
            Instruction::Text(bytes) => self.builder.text(bytes)?,
            Instruction::RawUnicodeEscape(line) => self.builder.text(&literal::raw_unicode_escape(line)?)?,
            Instruction::PyString(bytes) => self.builder.py_string(bytes)?,
            Instruction::QuotedString(line) => self.builder.py_string(&literal::quoted_string(line)?)?,
            Instruction::Bytes(bytes) => self.builder.bytes(bytes, self.decoder.consumed())?,
            Instruction::ByteArray(bytes) => self.builder.byte_array(bytes)?,
            Instruction::EmptyTuple => NodeId::EMPTY_TUPLE,
            Instruction::Tuple1 => self.tuple_of::<1>()?,
            Instruction::Tuple2 => self.tuple_of::<2>()?,
            Instruction::Tuple3 => self.tuple_of::<3>()?,
            Instruction::Tuple => self.collect(|builder, items| builder.tuple(items))?,
            Instruction::EmptyList => self.builder.list(&[])?,
            Instruction::List => self.collect(|builder, items| builder.list(items))?,
            Instruction::EmptyDict => self.builder.dict()?,
            Instruction::Dict => self.collect(|builder, items| {
                let dict = builder.dict()?;
                builder.set_items(dict, items)?;
                Ok(dict)
            })?,
            Instruction::EmptySet => self.builder.set()?,
            Instruction::FrozenSet => self.collect(|builder, items| builder.frozen_set(items))?,
            Instruction::Append => {
                let item = self.pop()?;
                return self.builder.append(self.top()?, &[item]);
            }
            Instruction::Appends => return self.extend(Builder::append),
            Instruction::SetItem => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.builder.set_items(self.top()?, &[key, value]);
            }
            Instruction::SetItems => return self.extend(Builder::set_items),
            Instruction::AddItems => return self.extend(Builder::add_items),
            Instruction::Global(module, name) => self.builder.global(module, name, self.offset()?)?,
            Instruction::StackGlobal => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.builder.stack_global(module, name, self.offset()?)?
            }
            Instruction::PersistentText(line) => {
                let id = self.builder.text(line)?;
                self.builder.persistent(id, self.offset()?)?
            }
            Instruction::Persistent => {
                let id = self.pop()?;
                self.builder.persistent(id, self.offset()?)?
            }
            Instruction::Reduce => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.builder.reduce(callable, args, self.offset()?)?
            }
            Instruction::NewObj => {
                let (args, class) = (self.pop_tuple()?, self.pop()?);
                self.builder.call(Made::NewObj, class, args, self.offset()?)?
            }
            Instruction::NewObjEx => {
                let (kwargs, args, class) = (self.pop()?, self.pop_tuple()?, self.pop()?);
                self.builder.call_with_kwargs(class, args, kwargs, self.offset()?)?
            }
            Instruction::Inst(module, name) => {
                let offset = self.offset()?;
                let class = self.builder.global(module, name, offset)?;
                let args = self.collect(|builder, items| builder.tuple(items))?;
                self.builder.call(Made::Inst, class, args, offset)?
            }
            Instruction::Obj => {
                let offset = self.offset()?;
                self.collect(|builder, items| {
                    let Some((&class, args)) = items.split_first() else { return Err(underflow(false)) };
                    let args = builder.tuple(args)?;
                    builder.call(Made::Obj, class, args, offset)
                })?
            }
            Instruction::Build => {
                let state = self.pop()?;
                return self.builder.set_state(self.top()?, state);
            }
            Instruction::Get(index) => self.fetch(index)?,
            Instruction::GetLine(line) => self.fetch(literal::memo_index(line)?)?,
            Instruction::Put(index) => {
                self.memo.put(index, self.top()?);
                return Ok(());
            }
            Instruction::PutLine(line) => {
                self.memo.put(literal::memo_index(line)?, self.top()?);
                return Ok(());
            }
            Instruction::Memoize => {
                self.memo.put(narrow(self.memo.stored())?, self.top()?);
                return Ok(());
            }
            Instruction::Protocol(version) => return check_protocol(version),
            Instruction::Frame(declared_len) => {
                self.frame_end = self.frame_end.max(declared_len.saturating_add(self.decoder.consumed() as u64));
                return Ok(());
            }
            Instruction::Extension(code) => self.builder.extension(code)?,
            Instruction::Buffer => return Err(out_of_band()),
            // `run` ends there.
            Instruction::Stop => return Ok(()),
        };
        self.stack.push(made);
        // Almost everything is stored in the memo as soon as it is made.
        if let Some(index) = self.decoder.take_put() {
            self.memo.put(index, made);
        }
        Ok(())
    }

    fn offset(&self) -> Result<u32, Error> {
        narrow(self.decoder.offset())
    }

    #[inline(always)]
    fn top(&self) -> Result<NodeId, Error> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor as usize => Ok(id),
            _ => Err(underflow(!self.marks.is_empty())),
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Result<NodeId, Error> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    #[inline(always)]
    fn fetch(&self, index: u32) -> Result<NodeId, Error> {
        match self.memo.get(index) {
            Some(id) => Ok(id),
            None => Err(unset(index)),
        }
    }

    fn pop_tuple(&mut self) -> Result<NodeId, Error> {
        let id = self.pop()?;
        if self.builder.is_tuple(id) {
            return Ok(id);
        }
        Err(Error::malformed(format!(
            "arguments must be a tuple, found {}; the pickle is damaged",
            self.builder.kind_name(id)
        )))
    }

    /// Where the items since the last mark begin; the mark is dropped.
    #[inline]
    fn since_mark(&mut self) -> Result<usize, Error> {
        let start = self.floor;
        match self.marks.pop() {
            Some(floor) => {
                self.floor = floor;
                Ok(start as usize)
            }
            None => Err(no_mark()),
        }
    }

    /// Makes one node of the items since the mark.
    #[inline]
    fn collect(
        &mut self,
        make: impl FnOnce(&mut Builder, &[NodeId]) -> Result<NodeId, Error>,
    ) -> Result<NodeId, Error> {
        let start = self.since_mark()?;
        let made = make(&mut self.builder, self.stack.get(start..).unwrap_or_default())?;
        self.stack.truncate(start);
        Ok(made)
    }

    /// Gives the items since the mark to the container below the mark.
    #[inline]
    fn extend(
        &mut self,
        extend: impl FnOnce(&mut Builder, NodeId, &[NodeId]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = self.since_mark()?;
        match self.stack.split_at_checked(start) {
            Some(([.., target], items)) if start > self.floor as usize => extend(&mut self.builder, *target, items)?,
            _ => return Err(underflow(!self.marks.is_empty())),
        }
        self.stack.truncate(start);
        Ok(())
    }

    #[inline(always)]
    fn tuple_of<const N: usize>(&mut self) -> Result<NodeId, Error> {
        let start = self.stack.len().checked_sub(N).filter(|&start| start >= self.floor as usize);
        let (Some(start), Some(&items)) = (start, self.stack.last_chunk::<N>()) else {
            return Err(underflow(!self.marks.is_empty()));
        };
        self.stack.truncate(start);
        self.builder.tuple(&items)
    }

    /// Frames say how much to read at once, which means nothing to a decoder that holds all bytes; but none reaches beyond
    /// the pickle. Held against its STOP: what follows the pickle must not matter.
    fn check_frames(&self) -> Result<(), Error> {
        match self.frame_end.checked_sub(self.decoder.consumed() as u64) {
            None | Some(0) => Ok(()),
            Some(beyond) => Err(Error::malformed(format!(
                "a frame of the pickle reaches {beyond} bytes beyond its end; the pickle is damaged"
            ))),
        }
    }
}

fn check_protocol(version: u8) -> Result<(), Error> {
    const HIGHEST: u8 = 5;
    if version <= HIGHEST {
        return Ok(());
    }
    Err(Error::unsupported(format!("the pickle uses protocol {version}, and this crate reads 0 to {HIGHEST}")))
}

/// Positions in a pickle, and on its stack, fit 32 bits because its length does.
#[inline(always)]
pub(super) fn narrow(position: usize) -> Result<u32, Error> {
    u32::try_from(position)
        .map_err(|_| Error::limit("the pickle has more than 2^32 bytes, which this crate cannot address"))
}

#[cold]
pub(super) fn no_mark() -> Error {
    Error::malformed("no mark is set on the stack; the pickle is damaged")
}

#[cold]
pub(super) fn underflow(marked: bool) -> Error {
    Error::malformed(if marked {
        "the stack holds too few items above its last mark; the pickle is damaged"
    } else {
        "the stack holds too few items; the pickle is damaged"
    })
}

#[cold]
fn unset(index: u32) -> Error {
    Error::malformed(format!("nothing was stored in the memo under {index}; the pickle is damaged"))
}

#[cold]
fn out_of_band() -> Error {
    Error::unsupported(
        "the pickle refers to a buffer that was passed beside it (protocol 5, `buffer_callback`), and only the program that wrote it has that; write it without `buffer_callback`",
    )
}
