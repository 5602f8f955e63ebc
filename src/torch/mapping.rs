//! Dicts in a graph that has not become a [`Program`](super::Program) yet.

use super::globals::{Builder, Meaning, meaning};
use crate::pickle::graph::{Graph, Node, NodeId};

/// The entries of a dict, an `OrderedDict` or the like; `None` if the node is something else.
pub(crate) fn mapping_entries(graph: &Graph, node: NodeId) -> Option<Vec<(NodeId, NodeId)>> {
    let object = match graph.node(node) {
        Node::Dict(entries) => return Some(entries.to_vec()),
        Node::Object(object) => object,
        _ => return None,
    };
    let (module, name) = graph.global(graph.as_global(object.callable)?);
    if meaning(module, name) != Meaning::Value(Builder::Mapping) {
        return None;
    }
    let mut entries = match graph.as_tuple(object.args)? {
        [] => Vec::new(),
        // `OrderedDict([[key, value], …])` of Python 2, `Counter({…})`
        &[given] => match graph.node(given) {
            Node::Dict(entries) => entries.to_vec(),
            Node::List(items) | Node::Tuple(items) => {
                items.iter().map(|&item| pair(graph, item)).collect::<Option<_>>()?
            }
            _ => return None,
        },
        // `defaultdict(factory)` has none of its own.
        _ => return None,
    };
    entries.extend_from_slice(object.entries);
    Some(entries)
}

fn pair(graph: &Graph, node: NodeId) -> Option<(NodeId, NodeId)> {
    match graph.node(node) {
        Node::List(&[key, value]) | Node::Tuple(&[key, value]) => Some((key, value)),
        _ => None,
    }
}
