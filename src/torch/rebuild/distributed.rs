//! `DTensor` and `ShardedTensor`: shells around this rank's part of a distributed tensor (`torch/distributed/tensor/_api.py`,
//! `torch/distributed/_shard/sharded_tensor/api.py`). The file holds the local part only, which is what is rebuilt, with
//! the global shape and the place in it.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId, Object};
use crate::tensor::{Shard, Tensor};
use crate::torch::text::ascii_or_text;

/// The node of the local tensor, whether it is a parameter, its placements, and where it begins.
type Local = (NodeId, bool, Vec<String>, Option<Vec<usize>>);

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_from_type_v2(_rebuild_wrapper_subclass, cls, args, state)`: the local tensor of a `DTensor`. Other wrapper
    /// subclasses mean what their class makes of them, and stay objects whose attributes are their tensors.
    pub(super) fn wrapper(&mut self, class: NodeId, args: NodeId, state: NodeId) -> Result<Tensor, Stop> {
        let [_class, _dtype, size, _stride, _offset, _layout, _device, grad] =
            *self.want("_rebuild_wrapper_subclass", self.args(args))?;
        let (local, is_parameter, placements, offsets) = match self.distributed_class(class) {
            Some("DTensor") => self.dtensor(state)?,
            Some("ShardedTensor") => self.sharded(state)?,
            _ => return Err(Stop::NotATensor),
        };
        let local = self.part(local)?.wrapped(self.flag(grad)?, is_parameter);
        let global_shape = self.dimensions(size, "the global size")?;
        Ok(local.as_shard(Shard { global_shape, placements, offsets }))
    }

    /// The local tensor of `{_local_tensor, _spec: {placements}}`, whether it is a parameter, and the placements.
    fn dtensor(&self, state: NodeId) -> Result<Local, Stop> {
        let Some(local) = self.attribute(state, "_local_tensor") else {
            return Err(Error::malformed("a DTensor without its `_local_tensor`").into());
        };
        let is_parameter = match self.attribute(state, "_is_param") {
            Some(flag) => self.flag(flag)?,
            None => false,
        };
        let spec = self.attribute(state, "_spec");
        let placements = spec.and_then(|spec| self.state_attribute(spec, "placements"));
        let placements = placements.map(|placements| self.args(placements)).unwrap_or_default();
        let placements = placements.iter().map(|&placement| self.placement(placement)).collect();
        Ok((local, is_parameter, placements, None))
    }

    /// The one local shard of `(local_shards, metadata, process_group, sharding_spec, init_rrefs)`, and where it begins. Of
    /// several shards on one rank none is the tensor: that stays an object.
    fn sharded(&self, state: NodeId) -> Result<Local, Stop> {
        let Node::Tuple(&[shards, ..]) = self.graph.node(state) else { return Err(Stop::NotATensor) };
        let Node::List(&[shard]) = self.graph.node(shards) else { return Err(Stop::NotATensor) };
        let (Some(local), Some(metadata)) =
            (self.state_attribute(shard, "tensor"), self.state_attribute(shard, "metadata"))
        else {
            return Err(Error::malformed("a shard without its `tensor` and `metadata`").into());
        };
        let offsets = match self.state_attribute(metadata, "shard_offsets") {
            Some(offsets) => Some(self.dimensions(offsets, "the offsets of a shard")?),
            None => None,
        };
        Ok((local, false, Vec::new(), offsets))
    }

    pub(super) fn dimensions(&self, node: NodeId, what: &str) -> Result<Vec<usize>, Error> {
        let mut sizes = Vec::new();
        self.ints(node, what, &mut sizes)?;
        let sizes = sizes.iter().map(|&size| usize::try_from(size)).collect::<Result<_, _>>();
        sizes.map_err(|_| Error::malformed(format!("{what} is negative")))
    }

    /// An attribute of the state of an object.
    fn state_attribute(&self, object: NodeId, name: &str) -> Option<NodeId> {
        match self.graph.node(object) {
            Node::Object(object) => object.states.iter().find_map(|&state| self.attribute(state, name)),
            _ => None,
        }
    }

    /// The classes have moved between modules over the releases; their names have not.
    fn distributed_class(&self, class: NodeId) -> Option<&'g str> {
        let Node::Global(id) = self.graph.node(class) else { return None };
        let (module, name) = self.graph.global(id);
        module.starts_with("torch.distributed").then_some(name)
    }

    /// An attribute of a state: a dict, or a dict and slots.
    pub(super) fn attribute(&self, state: NodeId, name: &str) -> Option<NodeId> {
        let parts = match self.graph.node(state) {
            Node::Tuple(&[dict, slots]) => [dict, slots],
            _ => [state, NodeId::NONE],
        };
        parts.into_iter().find_map(|part| match self.graph.node(part) {
            Node::Dict(entries) => {
                let found = entries.iter().find(|&&(key, _)| ascii_or_text(self.graph, key) == Some(name));
                found.map(|&(_, value)| value)
            }
            _ => None,
        })
    }

    /// A placement as torch prints it: the class, and the dimension of a `Shard`.
    fn placement(&self, node: NodeId) -> String {
        let Node::Object(Object { callable, states, .. }) = self.graph.node(node) else {
            return self.graph.kind_name(node).to_owned();
        };
        let name = match self.graph.node(callable) {
            Node::Global(id) => self.graph.global(id).1,
            _ => "?",
        };
        let dim = states.iter().find_map(|&state| self.attribute(state, "dim"));
        match dim.map(|dim| self.graph.node(dim)) {
            Some(Node::Int(dim)) => format!("{name}(dim={dim})"),
            _ => format!("{name}()"),
        }
    }
}
