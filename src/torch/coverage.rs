//! Nothing is dropped in silence: which tensors of the file has a walk not reached?

use super::locate::Places;
use super::program::Program;
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::Storage;

/// Tensors that were met.
pub(crate) struct TensorSet<'p> {
    program: &'p Program,
    met: Vec<bool>,
}

impl TensorSet<'_> {
    /// Notes the tensor of a node, if it is one.
    pub(crate) fn insert(&mut self, node: NodeId) {
        if let Some(met) = self.program.tensor_index(node).and_then(|index| self.met.get_mut(index)) {
            *met = true;
        }
    }

    /// The tensors below `root` that were not met, with their paths, in the order of the pickle. What another tensor was
    /// made of (the data of a parameter) is not counted.
    pub(crate) fn unmet(&self, root: NodeId) -> Vec<(NodeId, Vec<String>)> {
        let graph = self.program.graph();
        let unmet = |node: &NodeId| {
            matches!(graph.node(*node), Node::Object(_))
                && self.program.tensor_index(*node).is_some_and(|index| {
                    !self.met.get(index).copied().unwrap_or(true) && !self.program.is_part_of_another(index)
                })
        };
        let nodes: Vec<NodeId> = graph.ids().filter(unmet).collect();
        if nodes.is_empty() {
            return Vec::new();
        }
        let places = Places::new(graph, root);
        nodes.into_iter().filter_map(|node| Some((node, places.path(node)?))).collect()
    }
}

impl Program {
    /// An empty set for the tensors of this program.
    pub(crate) fn tensor_set(&self) -> TensorSet<'_> {
        TensorSet { program: self, met: vec![false; self.tensor_count()] }
    }

    /// Names, in an error about a storage, the first tensor that lies in it.
    pub(crate) fn named_by_storage(&self, error: Error, storage: &Storage) -> Error {
        let graph = self.graph();
        let first = graph.ids().find(|&node| self.tensor(node).is_some_and(|tensor| tensor.storage() == storage));
        let Some(node) = first else { return error };
        let error = match graph.part_name(node) {
            Some(record) => error.in_record(record),
            None => error,
        };
        match Places::new(graph, graph.root()).path(node).filter(|path| !path.is_empty()) {
            Some(path) => error.in_tensor(&path.join(".")),
            None => error,
        }
    }
}
