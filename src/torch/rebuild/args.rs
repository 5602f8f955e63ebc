//! The arguments of recorded calls, checked for what they have to be.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::Rebuilder;
use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::{DType, Marks};
use crate::torch::globals::Meaning;
use crate::torch::text::ascii_or_text;

impl<'g> Rebuilder<'g, '_> {
    #[inline]
    pub(super) fn meaning(&self, node: NodeId) -> Option<Meaning> {
        self.meanings.get(self.graph.as_global(node)?.index()).copied()
    }

    #[inline]
    pub(super) fn args(&self, node: NodeId) -> &'g [NodeId] {
        self.graph.as_tuple(node).unwrap_or_default()
    }

    /// The first `N` arguments; more may follow (torch appends optional ones).
    pub(super) fn want<const N: usize>(&self, function: &str, args: &'g [NodeId]) -> Result<&'g [NodeId; N], Error> {
        args.first_chunk()
            .ok_or_else(|| Error::malformed(format!("{function} needs {N} arguments, found {}", args.len())))
    }

    #[inline]
    pub(super) fn marks(&self, grad: NodeId, metadata: Option<&NodeId>) -> Result<Marks, Error> {
        let mut marks = Marks { requires_grad: self.flag(grad)?, ..Marks::default() };
        let entries = match metadata.map(|&metadata| self.graph.node(metadata)) {
            None | Some(Node::None) => return Ok(marks),
            Some(Node::Dict(entries)) => entries,
            // `restore_type_tag(dict, text)` of TorchScript, or a dict subclass.
            Some(Node::Object(object)) => match self.args(object.args).first().map(|&first| self.graph.node(first)) {
                Some(Node::Dict(entries)) => entries,
                _ => object.entries,
            },
            Some(_) => return Err(Error::malformed("the tensor's metadata is not a dict")),
        };
        for &(key, value) in entries {
            match ascii_or_text(self.graph, key) {
                // torch writes True, and asks only whether the key is there (`setTensorMetadata` in
                // torch/csrc/jit/serialization/pickler.h).
                Some("conj") => marks.conj = self.flag(value).map(|_| true)?,
                Some("neg") => marks.neg = self.flag(value).map(|_| true)?,
                // Backends may add more; torch ignores what it does not know.
                _ => {}
            }
        }
        Ok(marks)
    }

    pub(super) fn flag(&self, node: NodeId) -> Result<bool, Error> {
        match self.graph.node(node) {
            Node::Bool(value) => Ok(value),
            Node::Int(value) => Ok(value != 0),
            Node::None => Ok(false),
            _ => Err(Error::malformed(format!("a {} where a bool should be", self.graph.kind_name(node)))),
        }
    }

    #[inline]
    pub(super) fn int(&self, node: NodeId, what: &str) -> Result<i64, Error> {
        if let Some(value) = self.graph.as_int(node) {
            return Ok(value);
        }
        match self.graph.node(node) {
            Node::BigInt(_) => Err(Error::malformed(format!("{what} is an int of more than 64 bits"))),
            _ => Err(Error::malformed(format!("{what} is a {}, not an int", self.graph.kind_name(node)))),
        }
    }

    /// A tuple or list of ints, or a `torch.Size` of one.
    #[inline]
    pub(super) fn ints(&self, node: NodeId, what: &str, out: &mut Vec<i64>) -> Result<(), Error> {
        out.clear();
        let items = match self.graph.as_tuple(node).map_or_else(|| self.graph.node(node), Node::Tuple) {
            Node::Tuple(items) | Node::List(items) => items,
            Node::Object(size) => match self.args(size.args).first().map(|&first| self.graph.node(first)) {
                Some(Node::Tuple(items) | Node::List(items)) => items,
                _ => return Err(Error::malformed(format!("{what} is not a tuple of ints"))),
            },
            _ => return Err(Error::malformed(format!("{what} is a {}, not a tuple", self.graph.kind_name(node)))),
        };
        let dimensions = u64::try_from(items.len()).unwrap_or(u64::MAX);
        Limits::check("dimensions", dimensions, u64::try_from(self.limits.dimensions).unwrap_or(u64::MAX))?;
        for &item in items {
            out.push(self.int(item, what)?);
        }
        Ok(())
    }

    pub(super) fn dtype(&self, node: NodeId) -> Result<DType, Error> {
        match self.meaning(node) {
            Some(Meaning::DType(dtype)) => Ok(dtype),
            _ => Err(Error::malformed(match self.graph.node(node) {
                Node::Global(id) => {
                    let (module, name) = self.graph.global(id);
                    format!("`{module}.{name}` is not a dtype that this version knows")
                }
                _ => format!("a {} where the dtype should be", self.graph.kind_name(node)),
            })),
        }
    }
}
