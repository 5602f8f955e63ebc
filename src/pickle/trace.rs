//! What would a pickle do? A second machine over the same opcodes, to look at pickles rather than to load them: it goes on
//! wherever some unpickler would, and what it has seen before a break is kept, because what ran before the break has run.
//! Values are kept only as far as they can become the name of a global, an argument of a call or a state.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use hashbrown::HashMap;

use super::decode::{Decoder, Instruction};
use super::graph::Made;
use super::machine::{narrow, no_mark, underflow};
use super::opcode::Opcode;
use super::traced::{Build, Call, Item, MAX_NAME_LEN, Mention, Stored, StringId, TextForm, Trace};
use crate::error::Error;
use crate::limits::Limits;

/// Follows the pickle at the start of `bytes` to its STOP, or to where no unpickler can go on.
pub(crate) fn trace<'p>(bytes: &'p [u8], limits: &Limits) -> Trace<'p> {
    let mut tracer = Tracer {
        decoder: Decoder::new(bytes, limits),
        trace: Trace::new(bytes),
        stack: Vec::new(),
        marks: Vec::new(),
        floor: 0,
        memo: HashMap::new(),
        strings: HashMap::new(),
        texts: HashMap::new(),
        known: HashMap::new(),
        allowed_items: limits.nodes,
    };
    let error = tracer.run().map_err(|error| tracer.decoder.locate(error)).err();
    let Tracer { decoder, mut trace, .. } = tracer;
    trace.consumed = decoder.consumed();
    trace.error = error;
    trace
}

struct Tracer<'p> {
    decoder: Decoder<'p>,
    trace: Trace<'p>,
    stack: Vec<Item>,
    marks: Vec<usize>,
    /// Where the last mark lies in the stack.
    floor: usize,
    memo: HashMap<u64, Item>,
    /// The names by their text, and those of the texts that were asked for. A text is read once, however often it serves
    /// as a name.
    strings: HashMap<Box<str>, StringId>,
    texts: HashMap<Item, Option<StringId>>,
    /// The globals by their names.
    known: HashMap<(StringId, StringId), Item>,
    allowed_items: u64,
}

impl Tracer<'_> {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let instruction = match self.decoder.next() {
                Ok(instruction) => instruction,
                Err(error) => {
                    self.trace.ran_out = self.decoder.opcode().is_some() || self.decoder.is_at_end();
                    return Err(error);
                }
            };
            self.note_opcode();
            if instruction == Instruction::Stop {
                return self.top().map(drop);
            }
            self.execute(instruction)?;
        }
    }

    /// torch's unpickler stops at the first opcode that it does not know.
    fn note_opcode(&mut self) {
        if self.trace.refused_opcode.is_none()
            && let Some(opcode) = self.decoder.opcode().filter(|&opcode| !is_known_to_torch(opcode))
        {
            self.trace.refused_opcode = Some((self.decoder.offset(), opcode.name()));
        }
    }

    fn execute(&mut self, instruction: Instruction<'_>) -> Result<(), Error> {
        let made = match instruction {
            Instruction::Mark => {
                self.marks.push(self.floor);
                self.floor = self.stack.len();
                return Ok(());
            }
            Instruction::Pop if self.stack.len() == self.floor && !self.marks.is_empty() => {
                return self.since_mark().map(drop);
            }
            Instruction::Pop => return self.pop().map(drop),
            Instruction::PopMark => return self.since_mark().map(drop),
            Instruction::Dup => self.top()?,
            Instruction::None
            | Instruction::Bool(_)
            | Instruction::Int(_)
            | Instruction::Long(_)
            | Instruction::Decimal(_)
            | Instruction::Float(_)
            | Instruction::FloatLine(_) => Item::INERT,
            Instruction::Buffer => Item::UNKNOWN,
            Instruction::Text(bytes) => self.text(bytes, TextForm::Utf8)?,
            Instruction::RawUnicodeEscape(line) => self.text(line, TextForm::RawUnicodeEscape)?,
            Instruction::PyString(bytes) => self.text(bytes, TextForm::Python2)?,
            Instruction::QuotedString(line) => self.text(line, TextForm::Quoted)?,
            Instruction::Bytes(bytes) | Instruction::ByteArray(bytes) => {
                let (start, len) = self.place(bytes)?;
                self.add(Stored::Bytes { start, len })?
            }
            Instruction::EmptyTuple => self.group(Vec::new(), false)?,
            Instruction::Tuple1 => self.tuple_of(1)?,
            Instruction::Tuple2 => self.tuple_of(2)?,
            Instruction::Tuple3 => self.tuple_of(3)?,
            Instruction::Tuple | Instruction::List | Instruction::FrozenSet => {
                let items = self.since_mark()?;
                self.group(items, false)?
            }
            Instruction::Dict => {
                let items = self.since_mark()?;
                self.group(items, true)?
            }
            Instruction::EmptyList | Instruction::EmptySet => self.group(Vec::new(), false)?,
            Instruction::EmptyDict => self.group(Vec::new(), true)?,
            Instruction::Append => {
                let item = self.pop()?;
                return self.give(&[item]);
            }
            Instruction::SetItem => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.give(&[key, value]);
            }
            Instruction::Appends | Instruction::SetItems | Instruction::AddItems => {
                let items = self.since_mark()?;
                return self.give(&items);
            }
            Instruction::Global(module, name) => self.global_in_lines(module, name)?,
            Instruction::StackGlobal => {
                let (name, module) = (self.pop()?, self.pop()?);
                let names = self.name_of(module)?.zip(self.name_of(name)?);
                self.global(names)?
            }
            Instruction::PersistentText(_) => self.add(Stored::Persistent(Item::INERT))?,
            Instruction::Persistent => {
                let id = self.pop()?;
                self.add(Stored::Persistent(id))?
            }
            Instruction::Reduce => self.call(Made::Reduce)?,
            Instruction::NewObj => self.call(Made::NewObj)?,
            Instruction::NewObjEx => {
                let kwargs = self.pop()?;
                let call = self.call(Made::NewObjEx)?;
                self.trace.keyword_arguments(call, kwargs);
                call
            }
            Instruction::Inst(module, name) => {
                let class = self.global_in_lines(module, name)?;
                let args = self.since_mark()?;
                let args = self.group(args, false)?;
                self.call_of(Made::Inst, class, args)?
            }
            Instruction::Obj => {
                let items = self.since_mark()?;
                let Some((&class, args)) = items.split_first() else { return Err(underflow(false)) };
                let args = self.group(args.to_vec(), false)?;
                self.call_of(Made::Obj, class, args)?
            }
            Instruction::Build => {
                let state = self.pop()?;
                let target = self.top()?;
                let offset = narrow(self.decoder.offset())?;
                self.trace.builds.push(Build { target, state, offset });
                return Ok(());
            }
            Instruction::Get(index) => self.fetch(Some(index.into()))?,
            Instruction::GetLine(line) => self.fetch(memo_index(line))?,
            Instruction::Put(index) => return self.store(Some(index.into())),
            Instruction::PutLine(line) => return self.store(memo_index(line)),
            Instruction::Memoize => return self.store(u64::try_from(self.memo.len()).ok()),
            Instruction::Extension(code) => {
                let offset = narrow(self.decoder.offset())?;
                self.add(Stored::Extension { code, offset })?
            }
            // A later protocol, or a frame longer than the pickle, does not stop every unpickler.
            Instruction::Protocol(_) | Instruction::Frame(_) | Instruction::Stop => return Ok(()),
        };
        self.stack.push(made);
        Ok(())
    }

    fn add(&mut self, stored: Stored) -> Result<Item, Error> {
        let asked = u64::try_from(self.trace.items.len()).unwrap_or(u64::MAX);
        Limits::check("nodes", asked, self.allowed_items)?;
        self.trace.add(stored)
    }

    fn group(&mut self, items: Vec<Item>, is_dict: bool) -> Result<Item, Error> {
        let index = narrow(self.trace.groups.len())?;
        self.trace.groups.push(items);
        self.add(Stored::Group { index, is_dict })
    }

    fn tuple_of(&mut self, len: usize) -> Result<Item, Error> {
        let start = self.stack.len().checked_sub(len).filter(|&start| start >= self.floor);
        let start = start.ok_or_else(|| underflow(!self.marks.is_empty()))?;
        let items = self.stack.split_off(start);
        self.group(items, false)
    }

    /// Where the argument of the current opcode lies: it is the last that was read.
    fn place(&self, bytes: &[u8]) -> Result<(u32, u32), Error> {
        let start = self.decoder.consumed().saturating_sub(bytes.len());
        Ok((narrow(start)?, narrow(bytes.len())?))
    }

    fn text(&mut self, bytes: &[u8], form: TextForm) -> Result<Item, Error> {
        let (start, len) = self.place(bytes)?;
        // A line's end lies between.
        let start = match form {
            TextForm::Utf8 | TextForm::Python2 => start,
            TextForm::RawUnicodeEscape | TextForm::Quoted => start.saturating_sub(1),
        };
        self.add(Stored::Text { start, len, form })
    }

    fn global_in_lines(&mut self, module: &[u8], name: &[u8]) -> Result<Item, Error> {
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).ok();
        let (Some(module), Some(name)) = (text(module), text(name)) else {
            // Every unpickler decodes these before it imports anything.
            return Err(Error::malformed("the name of a global is not UTF-8; the pickle is damaged, or not a pickle"));
        };
        let names = self.string(module)?.zip(self.string(name)?);
        self.global(names)
    }

    /// `None`: it is not written in the pickle, or too long for a name.
    fn name_of(&mut self, item: Item) -> Result<Option<StringId>, Error> {
        if let Some(&known) = self.texts.get(&item) {
            return Ok(known);
        }
        let id = match self.trace.text(item) {
            Some(text) => self.string(text)?,
            None => None,
        };
        self.texts.insert(item, id);
        Ok(id)
    }

    fn string(&mut self, text: String) -> Result<Option<StringId>, Error> {
        if text.len() > MAX_NAME_LEN as usize {
            return Ok(None);
        }
        if let Some(&known) = self.strings.get(&*text) {
            return Ok(Some(known));
        }
        let id = narrow(self.trace.strings.len())?;
        let text = text.into_boxed_str();
        self.trace.strings.push(text.clone());
        self.strings.insert(text, id);
        Ok(Some(id))
    }

    fn global(&mut self, names: Option<(StringId, StringId)>) -> Result<Item, Error> {
        if let Some(&known) = names.and_then(|names| self.known.get(&names)) {
            return Ok(known);
        }
        let index = narrow(self.trace.mentions.len())?;
        let item = self.add(Stored::Global(index))?;
        let offset = narrow(self.decoder.offset())?;
        if let Some(names) = names {
            self.known.insert(names, item);
        }
        self.trace.mentions.push(Mention { names, offset });
        Ok(item)
    }

    fn call(&mut self, made: Made) -> Result<Item, Error> {
        let (args, callable) = (self.pop()?, self.pop()?);
        self.call_of(made, callable, args)
    }

    fn call_of(&mut self, made: Made, callable: Item, args: Item) -> Result<Item, Error> {
        let index = narrow(self.trace.calls.len())?;
        let offset = narrow(self.decoder.offset())?;
        self.trace.calls.push(Call { made, callable, args, kwargs: None, given: Vec::new(), offset });
        self.add(Stored::Call(index))
    }

    /// Items for the container or object on top.
    fn give(&mut self, items: &[Item]) -> Result<(), Error> {
        let target = self.top()?;
        if let Some(given) = self.trace.contents_mut(target) {
            given.extend_from_slice(items);
        }
        Ok(())
    }

    fn fetch(&self, index: Option<u64>) -> Result<Item, Error> {
        let found = index.and_then(|index| self.memo.get(&index)).copied();
        found.ok_or_else(|| Error::malformed("nothing was stored in the memo there; the pickle is damaged"))
    }

    fn store(&mut self, index: Option<u64>) -> Result<(), Error> {
        let index = index.ok_or_else(|| Error::malformed("this is no index of the memo; the pickle is damaged"))?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn top(&self) -> Result<Item, Error> {
        match self.stack.last() {
            Some(&item) if self.stack.len() > self.floor => Ok(item),
            _ => Err(underflow(!self.marks.is_empty())),
        }
    }

    fn pop(&mut self) -> Result<Item, Error> {
        let item = self.top()?;
        self.stack.pop();
        Ok(item)
    }

    fn since_mark(&mut self) -> Result<Vec<Item>, Error> {
        let floor = self.marks.pop().ok_or_else(no_mark)?;
        let items = self.stack.split_off(self.floor.min(self.stack.len()));
        self.floor = floor;
        Ok(items)
    }
}

/// A memo index as Python's `int` reads it.
fn memo_index(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.replace('_', "").parse().ok()
}

/// The opcodes that torch's `weights_only` unpickler reads (`torch/_weights_only_unpickler.py`).
fn is_known_to_torch(opcode: Opcode) -> bool {
    use Opcode::{
        AddItems, Append, Appends, BinBytes, BinBytes8, BinFloat, BinGet, BinInt, BinInt1, BinInt2, BinPersId, BinPut,
        BinString, BinUnicode, BinUnicode8, Build, ByteArray8, Dict, Dup, EmptyDict, EmptyList, EmptySet, EmptyTuple,
        Ext1, Ext2, Ext4, Float, Frame, FrozenSet, Get, Global, Inst, Int, List, Long, Long1, Long4, LongBinGet,
        LongBinPut, Mark, Memoize, NewFalse, NewObj, NewObjEx, NewTrue, NextBuffer, None, Obj, PersId, Pop, PopMark,
        Proto, Put, ReadOnlyBuffer, Reduce, SetItem, SetItems, ShortBinBytes, ShortBinString, ShortBinUnicode,
        StackGlobal, Stop, String, Tuple, Tuple1, Tuple2, Tuple3, Unicode,
    };
    match opcode {
        Mark | EmptyTuple | Stop | BinFloat | BinInt | BinInt1 | BinInt2 | None | BinPersId | Reduce
        | ShortBinString | BinUnicode | EmptyList | Append | Build | Global | Appends | BinGet | LongBinGet
        | BinPut | LongBinPut | SetItem | Tuple | SetItems | EmptyDict | Proto | NewObj | Tuple1 | Tuple2 | Tuple3
        | NewTrue | NewFalse | Long1 | EmptySet => true,
        Pop | PopMark | Dup | BinBytes | ShortBinBytes | Float | Int | Long | PersId | String | BinString | Unicode
        | Dict | Get | Inst | List | Obj | Put | Ext1 | Ext2 | Ext4 | Long4 | ShortBinUnicode | BinUnicode8
        | BinBytes8 | AddItems | FrozenSet | NewObjEx | StackGlobal | Memoize | Frame | ByteArray8 | NextBuffer
        | ReadOnlyBuffer => false,
    }
}

/// Whether the first byte is an opcode at all.
pub(crate) fn begins_with_opcode(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&byte| Opcode::from_byte(byte).is_some())
}
