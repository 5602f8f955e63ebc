//! Where in the graph is a node? Asked only when an error has to name its place.
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

/// The dotted path from the root to a node, by dict keys and list positions; `None` if the root does not reach it, or is it.
pub(super) fn locate(graph: &Graph, wanted: NodeId) -> Option<String> {
    let mut parents: Vec<Option<(NodeId, Step)>> = vec![None; graph.ids().len()];
    let mut queue = vec![graph.root()];
    let mut next = 0;
    while let Some(&node) = queue.get(next) {
        next = next.checked_add(1)?;
        if node == wanted {
            return path(graph, &parents, wanted);
        }
        let mut visit = |child: NodeId, step: Step| {
            let Some(slot) = child.index().and_then(|n| parents.get_mut(n)) else { return };
            if slot.is_none() && child != graph.root() {
                *slot = Some((node, step));
                queue.push(child);
            }
        };
        match graph.node(node) {
            Node::List(items) => items.iter().enumerate().for_each(|(n, &item)| visit(item, Step::Index(n))),
            Node::Tuple(items) => items.iter().enumerate().for_each(|(n, &item)| visit(item, Step::Index(n))),
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
    None
}

fn path(graph: &Graph, parents: &[Option<(NodeId, Step)>], wanted: NodeId) -> Option<String> {
    let mut pieces = Vec::new();
    let mut node = wanted;
    while let Some((parent, step)) = parents.get(node.index()?).copied().flatten() {
        match step {
            Step::Key(key) => pieces.push(match (ascii_or_text(graph, key), graph.node(key)) {
                (Some(text), _) => text.to_owned(),
                (None, Node::Int(value)) => value.to_string(),
                _ => format!("<{}>", graph.kind_name(key)),
            }),
            Step::Index(index) => pieces.push(index.to_string()),
            Step::Inner => {}
        }
        node = parent;
    }
    pieces.reverse();
    (!pieces.is_empty()).then(|| pieces.join("."))
}
