//! The building side of the graph: one method for each thing that an opcode makes. What is done to things already made is
//! in `extend`.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::graph::{GlobalId, GlobalName, Graph, LongBytes, Made, NodeId, Repr};
use super::key::Keys;
use super::literal::Integer;
use super::names::{Names, StringId};
use super::sequence::{Sequences, Span};
use crate::error::Error;
use crate::limits::Limits;

/// Owns a graph while the machine runs.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) graph: Graph,
    names: Names,
    pub(super) keys: Keys,
    /// The dicts, sets and objects that were given keys, whose duplicates go when the pickle is at its end. No key changes
    /// its value meanwhile, so that it makes no difference when they go.
    pub(super) keyed: Vec<NodeId>,
    /// Keys and values that may still be copied from one container to another: as many as the pickle has bytes.
    pub(super) copies_left: usize,
    /// The longest that the arena may grow.
    max_nodes: usize,
    allowed_nodes: u64,
    allowed_text: u64,
    /// Entries that mappings were made of, so far.
    pub(super) copied_entries: u64,
}

impl Builder {
    /// Nodes that every arena begins with: the constants of [`NodeId`].
    pub(super) const CONSTANTS: [Repr; 4] = [Repr::None, Repr::Bool(false), Repr::Bool(true), Repr::Tuple(Span::EMPTY)];
    /// Reserve for at most so many bytes of pickle in advance: a slice may hold more than its pickle.
    const RESERVE_FOR: usize = 16 << 20;

    pub(super) fn new(pickle_len: usize, limits: &Limits) -> Self {
        // Shares of the pickle's length in a state dict of torch.save; untouched capacity costs address space only.
        let len = pickle_len.min(Self::RESERVE_FOR);
        let mut nodes = Vec::with_capacity((len / 12).saturating_add(Self::CONSTANTS.len()));
        nodes.extend(Self::CONSTANTS);
        let graph = Graph {
            nodes,
            refs: Sequences::with_capacity(len / 7),
            pairs: Sequences::with_capacity(0),
            text: String::with_capacity(len / 4),
            raw: Vec::new(),
            long_bytes: Vec::new(),
            surrogates: Vec::new(),
            objects: Vec::new(),
            globals: Vec::new(),
            parts: Vec::new(),
            listed: Vec::new(),
            root: NodeId::NONE,
        };
        let allowed = limits.nodes.saturating_add(Self::CONSTANTS.len() as u64);
        Self {
            graph,
            names: Names::default(),
            keys: Keys::default(),
            keyed: Vec::new(),
            copies_left: pickle_len,
            max_nodes: usize::try_from(allowed).unwrap_or(usize::MAX),
            allowed_nodes: limits.nodes,
            allowed_text: limits.text_bytes,
            copied_entries: 0,
        }
    }

    /// A graph of nothing.
    pub(super) fn empty() -> Graph {
        Self::new(0, &Limits::default()).graph
    }

    /// The finished graph: equal keys merged, spare capacity given back.
    pub(super) fn finish(mut self, root: NodeId) -> Graph {
        self.merge_equal_keys();
        let mut graph = self.graph;
        graph.root = root;
        graph.nodes.shrink_to_fit();
        graph.refs.shrink_to_fit();
        graph.pairs.shrink_to_fit();
        graph.text.shrink_to_fit();
        graph.raw.shrink_to_fit();
        graph
    }

    #[inline(always)]
    fn add(&mut self, repr: Repr) -> Result<NodeId, Error> {
        let index = self.graph.nodes.len();
        match NodeId::at(index) {
            Some(id) if index < self.max_nodes => {
                self.graph.nodes.push(repr);
                Ok(id)
            }
            _ => Err(self.too_many_nodes()),
        }
    }

    #[cold]
    fn too_many_nodes(&self) -> Error {
        let asked = (self.graph.nodes.len() as u64).saturating_sub(Self::CONSTANTS.len() as u64).saturating_add(1);
        match Limits::check("nodes", asked, self.allowed_nodes) {
            Err(error) => error,
            Ok(()) => Error::limit("the pickle describes 2^31 objects, which is more than this crate can address"),
        }
    }

    pub(super) fn kind_name(&self, id: NodeId) -> &'static str {
        self.graph.kind_name(id)
    }

    #[inline]
    pub(super) fn int(&mut self, value: i64) -> Result<NodeId, Error> {
        match i32::try_from(value).ok().and_then(NodeId::small_int) {
            Some(id) => Ok(id),
            None => self.add(Repr::Int(value)),
        }
    }

    pub(super) fn integer(&mut self, value: Integer) -> Result<NodeId, Error> {
        match value {
            Integer::Small(value) => self.int(value),
            Integer::Big(bytes) => self.long(&bytes),
        }
    }

    /// An integer in two's complement, little endian, of any length; none at all is 0.
    pub(super) fn long(&mut self, bytes: &[u8]) -> Result<NodeId, Error> {
        let shortest = shortest(bytes);
        if shortest.len() <= size_of::<i64>() {
            let negative = shortest.last().is_some_and(|byte| byte >> 7 == 1);
            let mut wide = [if negative { 0xff } else { 0 }; size_of::<i64>()];
            wide.iter_mut().zip(shortest).for_each(|(wide, &byte)| *wide = byte);
            return self.int(i64::from_le_bytes(wide));
        }
        let span = self.push_raw(shortest)?;
        self.add(Repr::BigInt(span))
    }

    pub(super) fn float(&mut self, value: f64) -> Result<NodeId, Error> {
        self.add(Repr::Float(value))
    }

    #[inline]
    fn push_text(&mut self, text: &str) -> Result<Span, Error> {
        let span = Span::new(self.graph.text.len(), text.len())?;
        self.graph.text.push_str(text);
        Ok(span)
    }

    fn push_raw(&mut self, bytes: &[u8]) -> Result<Span, Error> {
        let span = Span::new(self.graph.raw.len(), bytes.len())?;
        self.graph.raw.extend_from_slice(bytes);
        Ok(span)
    }

    /// Text in UTF-8, lone surrogates allowed.
    #[inline]
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<NodeId, Error> {
        Limits::check("text_bytes", bytes.len() as u64, self.allowed_text)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let span = self.push_text(text)?;
                self.add(Repr::Str(span))
            }
            Err(_) => self.text_with_surrogates(bytes),
        }
    }

    fn text_with_surrogates(&mut self, bytes: &[u8]) -> Result<NodeId, Error> {
        let text = self.push_text(&replace_surrogates(bytes)?)?;
        let raw = self.push_raw(bytes)?;
        let index = Span::new(self.graph.surrogates.len(), 0)?.start();
        self.graph.surrogates.push((text, raw));
        self.add(Repr::SurrogateStr(index))
    }

    pub(super) fn py_string(&mut self, bytes: &[u8]) -> Result<NodeId, Error> {
        Limits::check("text_bytes", bytes.len() as u64, self.allowed_text)?;
        let span = self.push_raw(bytes)?;
        self.add(Repr::PyString(span))
    }

    /// A byte string, whose last byte lies in front of `end` in the pickle.
    pub(super) fn bytes(&mut self, bytes: &[u8], end: usize) -> Result<NodeId, Error> {
        if bytes.len() >= LongBytes::LEAST {
            let offset = Span::new(end.saturating_sub(bytes.len()), 0)?.start();
            let index = Span::new(self.graph.long_bytes.len(), 0)?.start();
            self.graph.long_bytes.push(LongBytes { offset, bytes: bytes.into() });
            return self.add(Repr::LongBytes(index));
        }
        let span = self.push_raw(bytes)?;
        self.add(Repr::Bytes(span))
    }

    pub(super) fn byte_array(&mut self, bytes: &[u8]) -> Result<NodeId, Error> {
        let span = self.push_raw(bytes)?;
        self.add(Repr::ByteArray(span))
    }

    #[inline(always)]
    pub(super) fn tuple(&mut self, items: &[NodeId]) -> Result<NodeId, Error> {
        if items.is_empty() {
            return Ok(NodeId::EMPTY_TUPLE);
        }
        let span = self.graph.refs.add_slice(items)?;
        self.add(Repr::Tuple(span))
    }

    pub(super) fn list(&mut self, items: &[NodeId]) -> Result<NodeId, Error> {
        let span = self.graph.refs.add_slice(items)?;
        self.add(Repr::List(span))
    }

    pub(super) fn dict(&mut self) -> Result<NodeId, Error> {
        self.add(Repr::Dict(Span::EMPTY))
    }

    pub(super) fn set(&mut self) -> Result<NodeId, Error> {
        self.add(Repr::Set(Span::EMPTY))
    }

    pub(super) fn frozen_set(&mut self, items: &[NodeId]) -> Result<NodeId, Error> {
        self.admit(items.iter())?;
        let span = self.graph.refs.add_slice(items)?;
        let id = self.add(Repr::FrozenSet(span))?;
        self.keyed.push(id);
        Ok(id)
    }

    /// A reference to an object outside the pickle. `offset` is that of the opcode, here and below.
    #[inline(always)]
    pub(super) fn persistent(&mut self, id: NodeId, offset: u32) -> Result<NodeId, Error> {
        self.add(Repr::Persistent { id, offset })
    }

    pub(super) fn extension(&mut self, code: i32) -> Result<NodeId, Error> {
        if code <= 0 {
            return Err(Error::malformed(format!("{code} is no code of an extension; the pickle is damaged")));
        }
        self.add(Repr::Extension(code))
    }

    /// A global whose names are written in the opcode.
    pub(super) fn global(&mut self, module: &[u8], name: &[u8], offset: u32) -> Result<NodeId, Error> {
        let (module, name) = (self.name_in_line(module)?, self.name_in_line(name)?);
        self.global_of(module, name, offset)
    }

    /// A global whose names are objects of the pickle.
    pub(super) fn stack_global(&mut self, module: NodeId, name: NodeId, offset: u32) -> Result<NodeId, Error> {
        let (module, name) = (self.name_of_node(module)?, self.name_of_node(name)?);
        self.global_of(module, name, offset)
    }

    fn name_in_line(&mut self, line: &[u8]) -> Result<StringId, Error> {
        let string = match std::str::from_utf8(line) {
            Ok("") => return Err(Error::malformed("the name of a global is empty; the pickle is damaged")),
            Ok(string) => string,
            Err(_) => return Err(Error::malformed("the name of a global is not UTF-8; the pickle is damaged")),
        };
        if let Some(id) = self.names.find(&self.graph.text, string) {
            return Ok(id);
        }
        let span = self.push_text(string)?;
        Ok(self.names.add(string, span))
    }

    fn name_of_node(&mut self, node: NodeId) -> Result<StringId, Error> {
        if let Some(id) = self.names.of_node(node) {
            return Ok(id);
        }
        let id = match self.graph.repr(node) {
            Some(Repr::Str(span)) => {
                let string = self.graph.text(span);
                self.names.find(&self.graph.text, string).unwrap_or_else(|| self.names.add(string, span))
            }
            Some(Repr::PyString(span)) if self.graph.raw(span).is_ascii() => {
                let string = String::from_utf8_lossy(self.graph.raw(span)).into_owned();
                self.name_in_line(string.as_bytes())?
            }
            _ => {
                return Err(Error::malformed(format!(
                    "the name of a global must be text, found {}; the pickle is damaged",
                    self.kind_name(node)
                )));
            }
        };
        self.names.set_of_node(node, id);
        Ok(id)
    }

    fn global_of(&mut self, module: StringId, name: StringId, offset: u32) -> Result<NodeId, Error> {
        if let Some(known) = self.names.global(module, name) {
            return Ok(known);
        }
        let id = GlobalId::at(self.graph.globals.len());
        let node = self.add(id.map_or(Repr::None, Repr::Global))?;
        self.graph.globals.push(GlobalName { module: self.names.span(module), name: self.names.span(name), offset });
        self.names.set_global(module, name, node);
        Ok(node)
    }

    #[inline(always)]
    pub(super) fn call(&mut self, made: Made, callable: NodeId, args: NodeId, offset: u32) -> Result<NodeId, Error> {
        self.add(Repr::Call { made, callable, args, offset })
    }

    /// An object made with keyword arguments.
    pub(super) fn call_with_kwargs(
        &mut self,
        callable: NodeId,
        args: NodeId,
        kwargs: NodeId,
        offset: u32,
    ) -> Result<NodeId, Error> {
        if !matches!(self.graph.repr(kwargs), Some(Repr::Dict(_))) {
            return Err(Error::malformed(format!(
                "keyword arguments must be a dict, found {}; the pickle is damaged",
                self.kind_name(kwargs)
            )));
        }
        let object = self.call(Made::NewObjEx, callable, args, offset)?;
        if let Some(data) = self.object(object)? {
            data.kwargs = Some(kwargs);
        }
        Ok(object)
    }

    pub(super) fn is_tuple(&self, id: NodeId) -> bool {
        matches!(self.graph.repr(id), Some(Repr::Tuple(_)))
    }
}

/// Two's complement, little endian, without the bytes that only repeat the sign.
fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., before, last] = bytes {
        let repeats_sign = (*last == 0 && before >> 7 == 0) || (*last == 0xff && before >> 7 == 1);
        if !repeats_sign {
            break;
        }
        bytes = bytes.split_last().map_or(rest, |(_, shorter)| shorter);
    }
    bytes
}

/// UTF-8 in which every lone surrogate (three bytes that proper UTF-8 forbids) became U+FFFD.
fn replace_surrogates(bytes: &[u8]) -> Result<String, Error> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Ok(text);
            }
            Err(error) => error,
        };
        let (valid, invalid) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        match invalid {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] => {
                text.push(char::REPLACEMENT_CHARACTER);
                rest = after;
            }
            _ => {
                let at = bytes.len().saturating_sub(invalid.len());
                return Err(Error::malformed(format!("byte {at} of the text is not UTF-8; the pickle is damaged")));
            }
        }
    }
}
