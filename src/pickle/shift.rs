//! Where a graph's nodes, texts and lists are once it is part of another.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::build::Builder;
use super::graph::{GlobalId, NodeId, ObjectData, Repr};
use super::sequence::{Sequences, Span};
use crate::error::Error;

/// How far everything of a graph lies behind its own numbers once it is part of another.
pub(super) struct Shift {
    pub(super) nodes: usize,
    pub(super) text: usize,
    pub(super) raw: usize,
    pub(super) long_bytes: usize,
    /// Of the shared vector, and of the vectors that moved out.
    pub(super) refs: (usize, usize),
    pub(super) pairs: (usize, usize),
    pub(super) surrogates: usize,
    pub(super) objects: usize,
    /// By the graph's own numbers.
    pub(super) globals: Vec<GlobalId>,
}

impl Shift {
    pub(super) fn id(&self, id: NodeId) -> Result<NodeId, Error> {
        match id.index() {
            Some(index) if index >= Builder::CONSTANTS.len() => NodeId::at(index.saturating_add(self.nodes))
                .ok_or_else(|| Error::limit("the checkpoint describes 2^31 objects")),
            _ => Ok(id),
        }
    }

    pub(super) fn text(&self, span: Span) -> Result<Span, Error> {
        span.shifted(self.text)
    }

    pub(super) fn raw(&self, span: Span) -> Result<Span, Error> {
        span.shifted(self.raw)
    }

    fn refs(&self, span: Span) -> Result<Span, Error> {
        Sequences::<NodeId>::shifted(span, self.refs)
    }

    fn pairs(&self, span: Span) -> Result<Span, Error> {
        Sequences::<(NodeId, NodeId)>::shifted(span, self.pairs)
    }

    fn index(index: u32, by: usize) -> Result<u32, Error> {
        let shifted = u32::try_from(by).ok().and_then(|by| index.checked_add(by));
        shifted.ok_or_else(|| Error::limit("the checkpoint describes 2^32 objects"))
    }

    pub(super) fn object(&self, object: &ObjectData) -> Result<ObjectData, Error> {
        Ok(ObjectData {
            made: object.made,
            callable: self.id(object.callable)?,
            args: self.id(object.args)?,
            kwargs: object.kwargs.map(|kwargs| self.id(kwargs)).transpose()?,
            states: self.refs(object.states)?,
            items: self.refs(object.items)?,
            entries: self.pairs(object.entries)?,
        })
    }

    pub(super) fn repr(&self, repr: Repr) -> Result<Repr, Error> {
        Ok(match repr {
            Repr::None | Repr::Bool(_) | Repr::Int(_) | Repr::Float(_) | Repr::Extension(_) => repr,
            Repr::BigInt(span) => Repr::BigInt(self.raw(span)?),
            Repr::Str(span) => Repr::Str(self.text(span)?),
            Repr::SurrogateStr(index) => Repr::SurrogateStr(Self::index(index, self.surrogates)?),
            Repr::PyString(span) => Repr::PyString(self.raw(span)?),
            Repr::Bytes(span) => Repr::Bytes(self.raw(span)?),
            Repr::LongBytes(index) => Repr::LongBytes(Self::index(index, self.long_bytes)?),
            Repr::ByteArray(span) => Repr::ByteArray(self.raw(span)?),
            Repr::Tuple(span) => Repr::Tuple(self.refs(span)?),
            Repr::List(span) => Repr::List(self.refs(span)?),
            Repr::Dict(span) => Repr::Dict(self.pairs(span)?),
            Repr::Set(span) => Repr::Set(self.refs(span)?),
            Repr::FrozenSet(span) => Repr::FrozenSet(self.refs(span)?),
            Repr::Global(id) => Repr::Global(self.globals.get(id.index()).copied().unwrap_or(id)),
            Repr::Persistent { id, offset } => Repr::Persistent { id: self.id(id)?, offset },
            Repr::Call { made, callable, args, offset } => {
                Repr::Call { made, callable: self.id(callable)?, args: self.id(args)?, offset }
            }
            Repr::Object { index, offset } => Repr::Object { index: Self::index(index, self.objects)?, offset },
        })
    }
}
