//! Storages within a pickle: `torch.storage._load_from_bytes(stream)` (`torch/storage.py`), as `pickle.dump` writes them.

use super::globals::renamed;
use super::text::{ascii_or_text, latin1};
use crate::pickle::graph::{Graph, Node, NodeId};

/// Recognises the calls that load a storage from bytes.
pub(crate) struct StorageLoader {
    /// By the number of the global.
    is_loader: Vec<bool>,
}

impl StorageLoader {
    pub(crate) fn new(graph: &Graph) -> Self {
        let is_loader = |id| graph.global(id) == ("torch.storage", "_load_from_bytes");
        Self { is_loader: graph.globals().map(is_loader).collect() }
    }

    /// Whether there can be any such call.
    pub(crate) fn is_mentioned(&self) -> bool {
        self.is_loader.contains(&true)
    }

    /// The argument of a call, if it is one of these.
    pub(crate) fn bytes(&self, graph: &Graph, call: NodeId, callable: NodeId) -> Option<NodeId> {
        if !self.is_loader.get(graph.as_global(callable)?.index()).copied().unwrap_or(false) {
            return None;
        }
        match graph.node(call) {
            // A call without arguments has none that could be bytes.
            Node::Object(object) => {
                graph.as_tuple(object.args).map(|args| args.first().copied().unwrap_or(NodeId::NONE))
            }
            _ => None,
        }
    }
}

/// The bytes that `_codecs.encode(text, "latin1")` makes.
pub(crate) fn latin1_argument(graph: &Graph, node: NodeId) -> Option<Vec<u8>> {
    let Node::Object(object) = graph.node(node) else { return None };
    let (module, name) = graph.global(graph.as_global(object.callable)?);
    if renamed(module, name) != ("_codecs", "encode") {
        return None;
    }
    let &[text, encoding] = graph.as_tuple(object.args)? else { return None };
    matches!(ascii_or_text(graph, encoding)?, "latin1" | "latin-1").then(|| latin1(graph.as_str(text)?)).flatten()
}
