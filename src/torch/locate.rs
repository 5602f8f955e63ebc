//! Where in the graph is a node? For errors that have to name their place, and for tensors that no listing reaches.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::text::ascii_or_text;
use crate::pickle::graph::{Graph, Node, NodeId};

/// How a node is reached from the one before it.
#[derive(Clone, Copy)]
enum Step {
    Key(NodeId),
    Index(usize),
    /// Inside an object: its arguments or its state, which have no name of their own.
    Inner,
}

/// For each node that a root reaches, the shortest way to it.
pub(crate) struct Places<'g> {
    graph: &'g Graph,
    root: NodeId,
    parents: Vec<Option<(NodeId, Step)>>,
}

impl<'g> Places<'g> {
    /// Visits everything below `root`, once.
    pub(crate) fn new(graph: &'g Graph, root: NodeId) -> Self {
        let mut parents: Vec<Option<(NodeId, Step)>> = vec![None; graph.ids().len()];
        let mut queue = std::collections::VecDeque::from([root]);
        while let Some(node) = queue.pop_front() {
            let mut visit = |child: NodeId, step: Step| {
                let Some(slot) = child.index().and_then(|n| parents.get_mut(n)) else { return };
                if slot.is_none() && child != root {
                    *slot = Some((node, step));
                    queue.push_back(child);
                }
            };
            match graph.node(node) {
                Node::List(items) | Node::Tuple(items) => {
                    items.iter().enumerate().for_each(|(n, &item)| visit(item, Step::Index(n)));
                }
                Node::Dict(entries) => entries.iter().for_each(|&(key, value)| visit(value, Step::Key(key))),
                Node::Set(items) | Node::FrozenSet(items) => items.iter().for_each(|&item| visit(item, Step::Inner)),
                Node::Persistent(id) => visit(id, Step::Inner),
                Node::Object(object) => {
                    object.entries.iter().for_each(|&(key, value)| visit(value, Step::Key(key)));
                    object.items.iter().enumerate().for_each(|(n, &item)| visit(item, Step::Index(n)));
                    object.states.iter().for_each(|&state| visit(state, Step::Inner));
                    object.kwargs.iter().for_each(|&kwargs| visit(kwargs, Step::Inner));
                    // The arguments one by one: their positions are no part of a tensor's name.
                    if let Node::Tuple(args) = graph.node(object.args) {
                        args.iter().for_each(|&arg| visit(arg, Step::Inner));
                    }
                    visit(object.args, Step::Inner);
                    visit(object.callable, Step::Inner);
                }
                _ => {}
            }
        }
        Self { graph, root, parents }
    }

    /// The dict keys and list positions that lead to a node; `None` if the root does not reach it.
    pub(crate) fn path(&self, wanted: NodeId) -> Option<Vec<String>> {
        let mut pieces = Vec::new();
        let mut node = wanted;
        while node != self.root {
            let (parent, step) = (*self.parents.get(node.index()?)?)?;
            match step {
                Step::Key(key) => pieces.push(match (ascii_or_text(self.graph, key), self.graph.node(key)) {
                    (Some(text), _) => text.to_owned(),
                    (None, Node::Int(value)) => value.to_string(),
                    _ => format!("<{}>", self.graph.kind_name(key)),
                }),
                Step::Index(index) => pieces.push(index.to_string()),
                Step::Inner => {}
            }
            node = parent;
        }
        pieces.reverse();
        Some(pieces)
    }
}

/// The dotted path from the root of the graph to a node; `None` if the root does not reach it, or is it.
pub(super) fn locate(graph: &Graph, wanted: NodeId) -> Option<String> {
    let path = Places::new(graph, graph.root()).path(wanted)?;
    (!path.is_empty()).then(|| path.join("."))
}
