//! Tensors of distributed checkpoints, put together from their chunks: a call that no pickle makes.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::Tensor;

impl<'g> Rebuilder<'g, '_> {
    /// `assembled(dtype, size, requires_grad, [(offsets, sizes, chunk)…])`
    pub(super) fn assembled(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [dtype, size, grad, chunks] = *self.want("assembled", args)?;
        let (dtype, shape, grad) = (self.dtype(dtype)?, self.dimensions(size, "the size")?, self.flag(grad)?);
        let Node::List(list) = self.graph.node(chunks) else {
            return Err(Error::malformed("the chunks are not a list").into());
        };
        let mut chunks = Vec::with_capacity(list.len());
        for &triple in list {
            let &[offsets, sizes, chunk] = self.args(triple) else {
                return Err(Error::malformed("a chunk is not given by its offsets, its sizes and its tensor").into());
            };
            let offsets = self.dimensions(offsets, "the offset of a chunk")?;
            let sizes = self.dimensions(sizes, "the size of a chunk")?;
            let no_tensor = || {
                let kind = self.graph.kind_name(chunk);
                Error::malformed(format!("its chunk at {offsets:?} is a {kind}, not a tensor")).into()
            };
            if !self.graph.is_object(chunk) {
                return Err(no_tensor());
            }
            let chunk = match self.part(chunk) {
                Err(Stop::NotATensor) => return Err(no_tensor()),
                part => part?,
            };
            if chunk.shape() != sizes {
                return Err(Error::malformed(format!(
                    "the chunk at {offsets:?} should be of shape {sizes:?}, but is of shape {:?}",
                    chunk.shape()
                ))
                .into());
            }
            chunks.push((offsets, chunk));
        }
        let number = if chunks.len() > 1 { self.storage_number()? } else { 0 };
        let tensor = Tensor::assembled(&shape, dtype, chunks, number, self.limits)?;
        Ok(tensor.wrapped(grad, false))
    }
}
