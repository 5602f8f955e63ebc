//! Sparse tensors (`torch/_utils.py`, `_rebuild_sparse_tensor`).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::{Error, Shown};
use crate::pickle::graph::{Node, NodeId};
use crate::tensor::{Layout, Tensor};
use crate::torch::globals::{Builder, Meaning};
use crate::torch::text::ascii_or_text;

impl<'g> Rebuilder<'g, '_> {
    /// `_rebuild_sparse_tensor(layout, data)`, or the form of TorchScript's C++ pickler
    /// (`torch/csrc/jit/serialization/pickler.cpp`): `(layout, size, requires_grad, indices…, values, hooks)`.
    pub(super) fn sparse(&mut self, args: &'g [NodeId]) -> Result<Tensor, Stop> {
        match *args {
            [layout, data] => {
                let layout = self.layout(layout)?;
                let (Node::Tuple(data) | Node::List(data)) = self.graph.node(data) else {
                    let kind = self.graph.kind_name(data);
                    return Err(
                        Error::malformed(format!("a {kind} where the parts of a sparse tensor should be")).into()
                    );
                };
                match (layout, data) {
                    (Layout::SparseCoo, &[indices, values, size]) => self.coo(indices, values, size, None),
                    (Layout::SparseCoo, &[indices, values, size, coalesced]) => {
                        let coalesced = match self.graph.node(coalesced) {
                            Node::None => None,
                            _ => Some(self.flag(coalesced)?),
                        };
                        self.coo(indices, values, size, coalesced)
                    }
                    (_, &[compressed, plain, values, size]) => self.compressed(layout, compressed, plain, values, size),
                    _ => Err(Error::malformed(format!("{layout} tensors do not have {} parts", data.len())).into()),
                }
            }
            [layout, size, grad, indices, values, _hooks] => {
                let (layout, grad) = (self.layout(layout)?, self.flag(grad)?);
                if layout != Layout::SparseCoo {
                    return Err(Error::malformed(format!("a {layout} tensor without its second indices")).into());
                }
                Ok(self.coo(indices, values, size, None)?.wrapped(grad, false))
            }
            [layout, size, grad, compressed, plain, values, _hooks] => {
                let (layout, grad) = (self.layout(layout)?, self.flag(grad)?);
                Ok(self.compressed(layout, compressed, plain, values, size)?.wrapped(grad, false))
            }
            _ => {
                Err(Error::malformed(format!("_rebuild_sparse_tensor needs 2, 6 or 7 arguments, found {}", args.len()))
                    .into())
            }
        }
    }

    fn coo(&mut self, indices: NodeId, values: NodeId, size: NodeId, coalesced: Option<bool>) -> Result<Tensor, Stop> {
        let mut sizes = Vec::new();
        self.ints(size, "the size", &mut sizes)?;
        Ok(Tensor::sparse_coo(self.part(indices)?, self.part(values)?, &sizes, coalesced)?)
    }

    fn compressed(
        &mut self,
        layout: Layout,
        compressed: NodeId,
        plain: NodeId,
        values: NodeId,
        size: NodeId,
    ) -> Result<Tensor, Stop> {
        let mut sizes = Vec::new();
        self.ints(size, "the size", &mut sizes)?;
        let (compressed, plain, values) = (self.part(compressed)?, self.part(plain)?, self.part(values)?);
        Ok(Tensor::sparse_compressed(layout, compressed, plain, values, &sizes)?)
    }

    /// A sparse layout: `torch.serialization._get_layout("torch.sparse_coo")`, a bare `torch.sparse_coo`, or its number in
    /// `c10/core/Layout.h`.
    fn layout(&self, node: NodeId) -> Result<Layout, Error> {
        let name = match self.graph.node(node) {
            Node::Int(code) => {
                return match code {
                    1 => Ok(Layout::SparseCoo),
                    2 => Ok(Layout::SparseCsr),
                    4 => Ok(Layout::SparseCsc),
                    5 => Ok(Layout::SparseBsr),
                    6 => Ok(Layout::SparseBsc),
                    _ => Err(Error::malformed(format!("{code} is not the number of a sparse layout"))),
                };
            }
            Node::Global(id) if self.meaning(node) == Some(Meaning::Layout) => Some(self.graph.global(id).1),
            Node::Object(object) if self.meaning(object.callable) == Some(Meaning::Value(Builder::Layout)) => {
                self.args(object.args).first().and_then(|&name| ascii_or_text(self.graph, name))
            }
            _ => None,
        };
        let Some(name) = name else {
            return Err(Error::malformed(format!("a {} where the layout should be", self.graph.kind_name(node))));
        };
        match name.strip_prefix("torch.").unwrap_or(name) {
            "sparse_coo" => Ok(Layout::SparseCoo),
            "sparse_csr" => Ok(Layout::SparseCsr),
            "sparse_csc" => Ok(Layout::SparseCsc),
            "sparse_bsr" => Ok(Layout::SparseBsr),
            "sparse_bsc" => Ok(Layout::SparseBsc),
            _ => Err(Error::malformed(format!("a sparse tensor of layout `{}`", Shown(name)))),
        }
    }
}
