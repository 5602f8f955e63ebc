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
    // What it was made of was set in it when the pickle was decoded; `defaultdict(factory)` is of no concern here.
    (object.args == NodeId::EMPTY_TUPLE).then(|| object.entries.to_vec())
}
