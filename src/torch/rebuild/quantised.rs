//! Quantised tensors (`torch/_utils.py`, `_rebuild_qtensor`).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::{Channels, Extra, Marks, Quantization, Tensor};
use crate::torch::globals::{Meaning, StorageType};

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_qtensor(storage, offset, size, stride, qparams, requires_grad, hooks)`
    pub(super) fn quantised(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        let [storage, offset, size, stride, qparams, grad, _hooks] = *self.want("_rebuild_qtensor", args)?;
        let marks = Marks { requires_grad: self.flag(grad)?, ..Marks::default() };
        let (storage, storage_type) = self.storage(storage)?;
        let dtype = match storage_type {
            StorageType::Typed(dtype) if dtype.is_quantized() => dtype,
            _ => {
                return Err(Error::malformed("a quantised tensor in a storage that is not of a quantised dtype").into());
            }
        };
        let storage = storage.clone();
        let geometry = self.geometry(&storage, dtype, offset, size, stride)?;
        let quantization = self.qparams(qparams, geometry.shape())?;
        let extra = Extra { quantization: Some(quantization), ..Extra::default() };
        Ok(self.tensor_with(storage, geometry, dtype, marks, extra))
    }

    /// `(per_tensor_affine, scale, zero_point)` or `(per_channel_affine, scales, zero_points, axis)`
    fn qparams(&mut self, node: NodeId, shape: &[usize]) -> Result<Quantization, Stop> {
        let Node::Tuple(&[scheme, first, second, ref rest @ ..]) = self.graph.node(node) else {
            return Err(Error::malformed("the quantisation parameters are not a tuple of three or four").into());
        };
        let Some(Meaning::QScheme) = self.meaning(scheme) else {
            let kind = self.graph.kind_name(scheme);
            return Err(Error::malformed(format!("a {kind} where the quantisation scheme should be")).into());
        };
        let Node::Global(scheme) = self.graph.node(scheme) else { return Err(Stop::NotATensor) };
        let (_, scheme) = self.graph.global(scheme);
        match (scheme, rest) {
            ("per_tensor_affine", []) => {
                Ok(Quantization::per_tensor(self.float(first, "the scale")?, self.int(second, "the zero point")?))
            }
            ("per_channel_affine" | "per_channel_affine_float_qparams", &[axis]) => {
                let axis = self.int(axis, "the quantisation axis")?;
                let (scales, zero_points) = (self.channels(first)?, self.channels(second)?);
                Ok(Quantization::per_channel(axis, scales, zero_points, shape)?)
            }
            // torch itself neither saves nor loads the symmetric schemes.
            _ => Err(Error::unsupported(format!("quantisation by {scheme} with {} parameters", rest.len())).into()),
        }
    }

    /// A tensor, or a list of numbers in old files.
    fn channels(&mut self, node: NodeId) -> Result<Channels, Stop> {
        let (Node::List(items) | Node::Tuple(items)) = self.graph.node(node) else {
            return Ok(Channels::Tensor(self.part(node)?));
        };
        let all_ints = items.iter().all(|&item| matches!(self.graph.node(item), Node::Int(_)));
        Ok(if all_ints {
            Channels::Ints(items.iter().map(|&item| self.int(item, "a zero point")).collect::<Result<_, _>>()?)
        } else {
            Channels::Floats(items.iter().map(|&item| self.float(item, "a scale")).collect::<Result<_, _>>()?)
        })
    }

    fn float(&self, node: NodeId, what: &str) -> Result<f64, Error> {
        match self.graph.node(node) {
            Node::Float(value) => Ok(value),
            Node::Int(value) => i32::try_from(value)
                .map(f64::from)
                .map_err(|_| Error::malformed(format!("{what} is an int of more than 32 bits"))),
            _ => Err(Error::malformed(format!("{what} is a {}, not a float", self.graph.kind_name(node)))),
        }
    }
}
