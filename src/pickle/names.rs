//! Interning: every (module, name) pair of a pickle is one global.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::graph::NodeId;
use super::sequence::Span;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;

/// A distinct string.
pub(super) type StringId = u32;

/// The strings that occur as modules or names, and their pairs. A text node is hashed once, however often it is used: a long
/// one could otherwise be mentioned in every second byte.
#[derive(Debug, Default)]
pub(super) struct Names {
    hasher: DefaultHashBuilder,
    spans: Vec<Span>,
    /// Hashes and indices into `spans`.
    strings: HashTable<(u64, StringId)>,
    by_node: HashMap<NodeId, StringId>,
    globals: HashMap<(StringId, StringId), NodeId>,
}

impl Names {
    /// `text` is the graph's, in which the spans lie.
    pub(super) fn find(&self, text: &str, string: &str) -> Option<StringId> {
        let hash = self.hasher.hash_one(string);
        let equal = |&(other, id): &(u64, StringId)| {
            other == hash && self.spans.get(id as usize).and_then(|span| text.get(span.range())) == Some(string)
        };
        self.strings.find(hash, equal).map(|&(_, id)| id)
    }

    /// Adds a string that is not yet known; `span` is where it lies in the graph's text.
    pub(super) fn add(&mut self, string: &str, span: Span) -> StringId {
        // A string is at least one opcode, and opcodes are fewer than 2^31.
        let id = StringId::try_from(self.spans.len()).unwrap_or(StringId::MAX);
        let hash = self.hasher.hash_one(string);
        self.spans.push(span);
        self.strings.insert_unique(hash, (hash, id), |&(hash, _)| hash);
        id
    }

    pub(super) fn span(&self, id: StringId) -> Span {
        self.spans.get(id as usize).copied().unwrap_or_default()
    }

    pub(super) fn of_node(&self, node: NodeId) -> Option<StringId> {
        self.by_node.get(&node).copied()
    }

    pub(super) fn set_of_node(&mut self, node: NodeId, id: StringId) {
        self.by_node.insert(node, id);
    }

    pub(super) fn global(&self, module: StringId, name: StringId) -> Option<NodeId> {
        self.globals.get(&(module, name)).copied()
    }

    pub(super) fn set_global(&mut self, module: StringId, name: StringId, node: NodeId) {
        self.globals.insert((module, name), node);
    }
}
