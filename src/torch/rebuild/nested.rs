//! Nested tensors: `_rebuild_nested_tensor` of `torch/_utils.py`, and `_rebuild_njt` of
//! `torch/nested/_internal/nested_tensor.py`.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::Tensor;
use crate::torch::text::ascii_or_text;

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)`
    pub(super) fn nested(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [buffer, sizes, strides, offsets] = *self.want("_rebuild_nested_tensor", args)?;
        let (buffer, sizes) = (self.part(buffer)?, self.part(sizes)?);
        Ok(Tensor::nested_views(buffer, sizes, self.part(strides)?, self.part(offsets)?)?)
    }

    /// `_rebuild_njt({"values": …, "offsets": …, "lengths": …, "_ragged_idx": …, "requires_grad": …, …})`
    pub(super) fn jagged(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [kwargs] = *self.want("_rebuild_njt", args)?;
        let Node::Dict(entries) = self.graph.node(kwargs) else {
            let kind = self.graph.kind_name(kwargs);
            return Err(Error::malformed(format!("a {kind} where the parts of a nested tensor should be")).into());
        };
        // The last entry of a name counts, as in a dict.
        let find = |name: &str| entries.iter().rev().find(|(key, _)| ascii_or_text(self.graph, *key) == Some(name));
        let present = |name: &str| find(name).map(|&(_, value)| value).filter(|&value| value != NodeId::NONE);
        let needed =
            |name: &str| present(name).ok_or_else(|| Error::malformed(format!("a nested tensor without `{name}`")));
        let (values, offsets, lengths) = (needed("values")?, needed("offsets")?, present("lengths"));
        let grad = present("requires_grad").map(|grad| self.flag(grad)).transpose()?;
        let tensor = self.jagged_of(values, offsets, lengths, present("_ragged_idx"))?;
        Ok(tensor.wrapped(grad.unwrap_or(false), false))
    }

    /// `NestedTensor(values, offsets)`, with the rest in the state that `_rebuild_from_type_v2` gives it.
    pub(super) fn jagged_class(&mut self, args: &'g [NodeId], state: NodeId) -> Result<Tensor, Stop> {
        let [values, offsets] = *self.want("NestedTensor", args)?;
        let attribute = |name: &str| self.attribute(state, name).filter(|&value| value != NodeId::NONE);
        let tensor = self.jagged_of(values, offsets, attribute("_lengths"), attribute("_ragged_idx"))?;
        Ok(tensor.wrapped(false, false))
    }

    fn jagged_of(
        &mut self,
        values: NodeId,
        offsets: NodeId,
        lengths: Option<NodeId>,
        ragged_dim: Option<NodeId>,
    ) -> Result<Tensor, Stop> {
        let ragged_dim = ragged_dim.map(|dim| self.int(dim, "the ragged dimension")).transpose()?;
        let (values, offsets) = (self.part(values)?, self.part(offsets)?);
        let lengths = lengths.map(|lengths| self.part(lengths)).transpose()?;
        Ok(Tensor::nested_jagged(values, offsets, lengths, ragged_dim.unwrap_or(1))?)
    }
}
