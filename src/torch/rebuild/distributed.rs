//! `DTensor`: a shell around this rank's part of a distributed tensor (`torch/distributed/tensor/_api.py`). The file holds
//! the local part only, which is what is rebuilt, with the global shape and the placements beside it.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId, Object};
use crate::tensor::{Shard, Tensor};
use crate::torch::text::ascii_or_text;

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_from_type_v2(_rebuild_wrapper_subclass, cls, args, state)`: the local tensor of a `DTensor`. Other wrapper
    /// subclasses mean what their class makes of them, and stay objects whose attributes are their tensors.
    pub(super) fn wrapper(&mut self, class: NodeId, args: NodeId, state: NodeId) -> Result<Tensor, Stop> {
        if !self.is_dtensor(class) {
            return Err(Stop::NotATensor);
        }
        let [_class, _dtype, size, _stride, _offset, _layout, _device, grad] =
            *self.want("_rebuild_wrapper_subclass", self.args(args))?;
        let Some(local) = self.attribute(state, "_local_tensor") else {
            return Err(Error::malformed("a DTensor without its `_local_tensor`").into());
        };
        let is_parameter = match self.attribute(state, "_is_param") {
            Some(flag) => self.flag(flag)?,
            None => false,
        };
        let local = self.part(local)?.wrapped(self.flag(grad)?, is_parameter);
        let mut sizes = Vec::new();
        self.ints(size, "the global size", &mut sizes)?;
        let global_shape = sizes.iter().map(|&size| usize::try_from(size)).collect::<Result<_, _>>();
        let global_shape = global_shape.map_err(|_| Error::malformed(format!("the global size {sizes:?}")))?;
        let spec = self.attribute(state, "_spec");
        let placements = spec.and_then(|spec| match self.graph.node(spec) {
            Node::Object(spec) => spec.states.iter().find_map(|&state| self.attribute(state, "placements")),
            _ => None,
        });
        let placements = placements.map(|placements| self.args(placements)).unwrap_or_default();
        let placements = placements.iter().map(|&placement| self.placement(placement)).collect();
        Ok(local.as_shard(Shard { global_shape, placements }))
    }

    /// The class has moved between modules over the releases; its name has not.
    fn is_dtensor(&self, class: NodeId) -> bool {
        let Node::Global(id) = self.graph.node(class) else { return false };
        let (module, name) = self.graph.global(id);
        name == "DTensor" && module.starts_with("torch.distributed")
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
