//! Tensors of distributed checkpoints, put together from their chunks: a call that no pickle makes.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::Tensor;

impl<'g> Rebuilder<'g, '_> {
    /// `assembled(dtype, size, requires_grad, [(offsets, chunk)…])`
    pub(super) fn assembled(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [dtype, size, grad, chunks] = *self.want("assembled", args)?;
        let (dtype, shape, grad) = (self.dtype(dtype)?, self.dimensions(size, "the size")?, self.flag(grad)?);
        let Node::List(list) = self.graph.node(chunks) else {
            return Err(Error::malformed("the chunks are not a list").into());
        };
        let mut chunks = Vec::with_capacity(list.len());
        for &pair in list {
            let &[offsets, chunk] = self.args(pair) else {
                return Err(Error::malformed("a chunk is not a pair of its offsets and its tensor").into());
            };
            let offsets = self.dimensions(offsets, "the offset of a chunk")?;
            let chunk = self.part(chunk).map_err(|stop| match stop {
                Stop::NotATensor => {
                    Error::malformed(format!("what is saved as the chunk at {offsets:?} is not a tensor")).into()
                }
                stop => stop,
            })?;
            chunks.push((offsets, chunk));
        }
        let number = if chunks.len() > 1 { self.storage_number()? } else { 0 };
        let tensor = Tensor::assembled(&shape, dtype, chunks, number, self.limits)?;
        Ok(tensor.wrapped(grad, false))
    }
}
