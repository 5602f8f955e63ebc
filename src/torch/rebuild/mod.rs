//! Tensors rebuilt from the calls that a pickle records, without calling anything.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod args;
mod assembled;
mod device;
mod distributed;
mod nested;
mod quantised;
mod sparse;
mod strided;
mod wrapped;

use std::collections::{HashMap, HashSet};

use super::globals::{Meaning, Rebuild};
use super::persistent_id::StorageTypes;
use super::program::Slots;
use super::storages::in_place;
use crate::device::MapLocation;
use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::graph::{Graph, Node, NodeId, Object};
use crate::tensor::{Marks, Storage, Tensor};

/// Rebuilds every tensor of a graph, in the order of the pickle.
pub(super) struct Rebuilder<'g, 'm> {
    graph: &'g Graph,
    meanings: &'g [Meaning],
    storage_types: &'g StorageTypes,
    slots: &'g mut Slots,
    storages: &'g [Storage],
    limits: &'g Limits,
    map_location: &'g mut MapLocation<'m>,
    /// numpy arrays that tensors are made of.
    arrays: HashMap<NodeId, Tensor>,
    tensors: Vec<Tensor>,
    parts: Vec<bool>,
    /// Calls that look like tensors but are kept as objects.
    objects: HashSet<NodeId>,
    /// Storages made for tensors that have none in the file are numbered after those of the file.
    made_storages: usize,
    sizes: Vec<i64>,
    strides: Vec<i64>,
}

/// What is known when tensors are rebuilt.
pub(super) struct Given<'g> {
    pub(super) graph: &'g Graph,
    pub(super) meanings: &'g [Meaning],
    pub(super) storage_types: &'g StorageTypes,
    pub(super) storages: &'g [Storage],
    pub(super) limits: &'g Limits,
}

/// The tensors of a graph.
pub(super) struct Rebuilt {
    pub(super) tensors: Vec<Tensor>,
    /// By tensor: whether another one was made of it.
    pub(super) parts: Vec<bool>,
}

/// Why a call yields no tensor (now).
enum Stop {
    Error(Error),
    /// It is not a tensor that this crate rebuilds, and is kept as an object with everything in it.
    NotATensor,
    /// Another node has to be rebuilt first: a wrapper that was made before what it wraps.
    Needs(NodeId),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A Parameter of a subclass of a tensor with attributes: three. More has no honest cause.
const MAX_WRAPPING: usize = 64;

impl<'g, 'm> Rebuilder<'g, 'm> {
    pub(super) fn new(
        given: Given<'g>,
        slots: &'g mut Slots,
        map_location: &'g mut MapLocation<'m>,
        arrays: HashMap<NodeId, Tensor>,
    ) -> Self {
        let Given { graph, meanings, storage_types, storages, limits } = given;
        Self {
            graph,
            meanings,
            storage_types,
            slots,
            storages,
            limits,
            map_location,
            arrays,
            tensors: Vec::with_capacity(storages.len()),
            parts: Vec::with_capacity(storages.len()),
            objects: HashSet::new(),
            made_storages: 0,
            sizes: Vec::new(),
            strides: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Rebuilt, Error> {
        let graph = self.graph;
        for (node, callable, args) in graph.calls() {
            if graph.as_tuple(args).is_none() {
                let what = format!("arguments must be a tuple, found {}; the pickle is damaged", graph.kind_name(args));
                return Err(in_place(Error::malformed(what), graph, node));
            }
            if let Some(Meaning::Tensor(rebuild)) = self.meaning(callable)
                && let Node::Object(object) = graph.node(node)
            {
                self.rebuild(node, rebuild, object)?;
            }
        }
        Ok(Rebuilt { tensors: self.tensors, parts: self.parts })
    }

    /// Rebuilds one node and, before it, whatever it wraps that is not rebuilt yet (almost always everything is).
    fn rebuild(&mut self, node: NodeId, rebuild: Rebuild, object: Object<'g>) -> Result<(), Error> {
        let Some(mut needed) = self.attempt(node, rebuild, object)? else { return Ok(()) };
        let mut pending = vec![node];
        while let Some(&outer) = pending.last() {
            if needed == outer || pending.contains(&needed) || pending.len() > MAX_WRAPPING {
                let error = Error::malformed("a tensor is wrapped in itself");
                return Err(in_place(error, self.graph, outer));
            }
            pending.push(needed);
            while let Some(&next) = pending.last() {
                let Node::Object(object) = self.graph.node(next) else { return Ok(()) };
                let Some(rebuild) = self.rebuild_of(&object) else { return Ok(()) };
                match self.attempt(next, rebuild, object)? {
                    None => _ = pending.pop(),
                    Some(inner) => {
                        needed = inner;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Rebuilds one node, unless that is done, and notes the result; gives the node that has to come before it, if any.
    fn attempt(&mut self, node: NodeId, rebuild: Rebuild, object: Object<'g>) -> Result<Option<NodeId>, Error> {
        if self.slots.get(node).is_some() || self.objects.contains(&node) {
            return Ok(None);
        }
        match self.call(rebuild, self.args(object.args), Some(object)) {
            Ok(tensor) => {
                self.slots.set(node, self.tensors.len());
                self.tensors.push(tensor);
                self.parts.push(false);
                Ok(None)
            }
            Err(Stop::NotATensor) => {
                self.objects.insert(node);
                Ok(None)
            }
            Err(Stop::Needs(inner)) => Ok(Some(inner)),
            Err(Stop::Error(error)) => Err(in_place(error, self.graph, node)),
        }
    }

    fn rebuild_of(&self, object: &Object<'_>) -> Option<Rebuild> {
        match self.meaning(object.callable) {
            Some(Meaning::Tensor(rebuild)) => Some(rebuild),
            _ => None,
        }
    }

    /// The tensor that `rebuild(*args)` makes; `object` is the call itself when a BUILD may have added to it.
    fn call(&mut self, rebuild: Rebuild, args: &'g [NodeId], object: Option<Object<'g>>) -> Result<Tensor, Stop> {
        match rebuild {
            Rebuild::V1 => {
                let [storage, offset, size, stride] = *self.want("_rebuild_tensor", args)?;
                self.strided(storage, None, offset, size, stride, Marks::default())
            }
            Rebuild::V2 => {
                let [storage, offset, size, stride, grad, _hooks] = *self.want("_rebuild_tensor_v2", args)?;
                let marks = self.marks(grad, args.get(6))?;
                self.strided(storage, None, offset, size, stride, marks)
            }
            Rebuild::V3 => {
                let [storage, offset, size, stride, grad, _hooks, dtype] = *self.want("_rebuild_tensor_v3", args)?;
                let marks = self.marks(grad, args.get(7))?;
                let dtype = self.dtype(dtype)?;
                self.strided(storage, Some(dtype), offset, size, stride, marks)
            }
            Rebuild::Meta => {
                let [dtype, size, stride, grad] = *self.want("_rebuild_meta_tensor_no_storage", args)?;
                let marks = self.marks(grad, None)?;
                let dtype = self.dtype(dtype)?;
                self.meta(dtype, size, stride, marks)
            }
            Rebuild::Parameter => {
                let [data, grad, _hooks] = *self.want("_rebuild_parameter", args)?;
                self.wrap(data, Some(grad), true)
            }
            Rebuild::ParameterWithState => {
                let [data, grad, _hooks, _state] = *self.want("_rebuild_parameter_with_state", args)?;
                self.wrap(data, Some(grad), true)
            }
            Rebuild::FromTypeV2 => {
                let [func, class, inner, state] = *self.want("_rebuild_from_type_v2", args)?;
                self.subclass(func, class, inner, state)
            }
            Rebuild::FromType => {
                let [func, class, inner, state] = *self.want("_rebuild_from_type", args)?;
                self.subclass(func, class, inner, state)
            }
            Rebuild::ParameterClass => {
                let made = match *args {
                    [] => None,
                    // `Parameter(data, requires_grad=True)`
                    [data] => Some(self.wrap(data, Some(NodeId::TRUE), true)?),
                    [data, grad, ..] => Some(self.wrap(data, Some(grad), true)?),
                };
                self.by_state(made, object, None, true)
            }
            Rebuild::VariableClass => {
                let made = match *args {
                    [] => None,
                    [data, ..] => Some(self.wrap(data, None, false)?),
                };
                self.by_state(made, object, None, false)
            }
            Rebuild::TensorClass(dtype) => match *args {
                [] => self.by_state(None, object, dtype, false),
                _ => {
                    Err(Error::unsupported("a tensor class called with arguments, which torch does not pickle").into())
                }
            },
            // Only ever within `_rebuild_from_type_v2`, which has the state.
            Rebuild::WrapperSubclass => Err(Stop::NotATensor),
            Rebuild::Quantised => self.quantised(args),
            Rebuild::Sparse => self.sparse(args),
            Rebuild::Nested => self.nested(args),
            Rebuild::Jagged => self.jagged(args),
            Rebuild::JaggedClass => self.jagged_class(args, NodeId::NONE),
            Rebuild::DeviceFromNumpy => self.device_from_numpy(args),
            Rebuild::DeviceFromCpu => self.device_from_cpu(args),
            Rebuild::Assembled => self.assembled(args),
        }
    }
}
