//! Graphs that were composed of several pickles: which of them a node is from, and in what order their leaves are listed.

use super::graph::{Graph, NodeId};

/// The nodes that came of one pickle: from `first` on, up to the next part.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) first: usize,
    /// For messages: the record that holds the pickle.
    pub(super) name: Box<str>,
}

impl Graph {
    /// The graph of one pickle as a part of that name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.parts = vec![Part { first: 0, name: name.into() }];
        self
    }

    /// Which part of a composed graph a node belongs to; 0 in the graph of one pickle. What was added between two parts
    /// counts to the one before it.
    pub(crate) fn part(&self, id: NodeId) -> usize {
        let index = id.index().unwrap_or(0);
        self.parts.partition_point(|part| part.first <= index).saturating_sub(1)
    }

    /// The name of the part that a node belongs to, if it has one.
    pub(crate) fn part_name(&self, id: NodeId) -> Option<&str> {
        self.parts.get(self.part(id)).map(|part| &*part.name).filter(|name| !name.is_empty())
    }

    /// The leaves below the root in the order in which they are listed, each with the keys that lead to it, if that is not
    /// the order of the containers.
    pub(crate) fn listed(&self) -> impl ExactSizeIterator<Item = (&[NodeId], NodeId)> {
        self.listed.iter().map(|&(path, leaf)| (self.refs.get(path), leaf))
    }
}
