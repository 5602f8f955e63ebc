//! A decoded pickle with its storages and tensors: what `torch.load` would have made, without having made it.

use super::globals::{self, Constructor, Meaning, Rebuild, StorageType};
use super::persistent_id::StorageTypes;
use super::rebuild::{Given, Rebuilder};
use super::storages::{self, Stores};
use crate::device::MapLocation;
use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::graph::{GlobalId, Graph, Node, NodeId};
use crate::tensor::{DType, Storage, Tensor};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Program {
    graph: Graph,
    /// By [`GlobalId`].
    meanings: Vec<Meaning>,
    storage_types: StorageTypes,
    slots: Slots,
    storages: Vec<Storage>,
    tensors: Vec<Tensor>,
    /// By tensor: whether another one was made of it.
    parts: Vec<bool>,
    /// What a walk over the values may cost.
    limits: Limits,
}

/// For each node of the arena the storage or tensor that it stands for. Which of the two follows from the node: a
/// persistent reference is a storage, an object a tensor.
#[derive(Debug)]
pub(super) struct Slots(Vec<u32>);

impl Slots {
    const EMPTY: u32 = u32::MAX;

    pub(super) fn new(graph: &Graph) -> Self {
        Self(vec![Self::EMPTY; graph.ids().len()])
    }

    pub(super) fn get(&self, node: NodeId) -> Option<usize> {
        let slot = *self.0.get(node.index()?)?;
        (slot != Self::EMPTY).then_some(slot as usize)
    }

    pub(super) fn set(&mut self, node: NodeId, index: usize) {
        if let (Some(slot), Ok(index)) = (node.index().and_then(|n| self.0.get_mut(n)), u32::try_from(index)) {
            *slot = index;
        }
    }
}

impl Program {
    /// Gives the graph its meaning: resolves every persistent id against the storages of the container, and rebuilds
    /// every tensor as a view of them.
    pub(crate) fn new(
        graph: Graph,
        stores: &Stores,
        map_location: &mut MapLocation<'_>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let meanings: Vec<Meaning> = graph
            .globals()
            .map(|id| {
                let (module, name) = graph.global(id);
                let made = graph.is_made(id).then(|| globals::made(module, name)).flatten();
                made.unwrap_or_else(|| globals::meaning(module, name))
            })
            .collect();
        let mut slots = Slots::new(&graph);
        let storage_types = StorageTypes::new(&graph);
        let storages = storages::resolve(&graph, &storage_types, &mut slots, stores, map_location)?;
        let (tensors, parts, limits) = (Vec::new(), Vec::new(), limits.clone());
        let mut program = Self { graph, meanings, storage_types, slots, storages, tensors, parts, limits };
        let arrays = program.device_arrays();
        let Self { graph, meanings, storage_types, slots, storages, limits, .. } = &mut program;
        let given = Given { graph, meanings, storage_types, storages, limits };
        let rebuilt = Rebuilder::new(given, slots, map_location, arrays).run()?;
        (program.tensors, program.parts) = (rebuilt.tensors, rebuilt.parts);
        Ok(program)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn meaning(&self, global: GlobalId) -> Meaning {
        self.meanings.get(global.index()).copied().unwrap_or(Meaning::Opaque)
    }

    /// The meaning of a node that is a global.
    pub(crate) fn meaning_of(&self, node: NodeId) -> Option<Meaning> {
        match self.graph.node(node) {
            Node::Global(id) => Some(self.meaning(id)),
            _ => None,
        }
    }

    /// Every storage of the file, in order of first mention.
    pub(crate) fn storages(&self) -> &[Storage] {
        &self.storages
    }

    /// The tensor that a node stands for.
    pub(crate) fn tensor(&self, node: NodeId) -> Option<&Tensor> {
        self.tensors.get(self.tensor_index(node)?)
    }

    pub(super) fn tensor_index(&self, node: NodeId) -> Option<usize> {
        if self.graph.is_object(node) { self.slots.get(node) } else { None }
    }

    pub(super) fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// Whether a tensor is only what another was made of: the data of a parameter.
    pub(super) fn is_part_of_another(&self, index: usize) -> bool {
        self.parts.get(index).copied().unwrap_or(false)
    }

    /// The bare storage that a node stands for.
    pub(crate) fn storage(&self, node: NodeId) -> Option<&Storage> {
        match self.graph.node(node) {
            Node::Persistent(_) => self.storages.get(self.slots.get(node)?),
            _ => None,
        }
    }

    /// The element type of a bare storage; torch loads an untyped one as bytes.
    pub(crate) fn storage_dtype(&self, node: NodeId) -> Option<DType> {
        Some(match self.storage_types.of_persistent(&self.graph, node)? {
            StorageType::Typed(dtype) => dtype,
            StorageType::Untyped => DType::UInt8,
        })
    }

    /// The states that an object was given, in order: by BUILD, or as the argument of a function that sets it.
    pub(crate) fn states(&self, node: NodeId) -> &[NodeId] {
        let Node::Object(object) = self.graph.node(node) else { return &[] };
        let argument = match self.meaning_of(object.callable) {
            Some(Meaning::Tensor(Rebuild::ParameterWithState | Rebuild::FromTypeV2 | Rebuild::FromType)) => 3..4,
            Some(Meaning::Construct(Constructor::GraphModule)) => 0..1,
            _ => return object.states,
        };
        self.graph.as_tuple(object.args).and_then(|args| args.get(argument)).unwrap_or(object.states)
    }
}
