//! Tensors made of other tensors by a change of flags or class: parameters, subclasses, old variables.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::{Rebuilder, Stop};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId, Object};
use crate::tensor::{DType, Marks, Tensor};
use crate::torch::globals::{Meaning, Rebuild};

impl<'g> Rebuilder<'g, '_> {
    /// The tensor of another node under new flags, sharing its storage.
    pub(super) fn wrap(&mut self, data: NodeId, grad: Option<NodeId>, parameter: bool) -> Result<Tensor, Stop> {
        let tensor = self.part(data)?;
        let grad = match grad {
            Some(grad) => self.flag(grad)?,
            None => tensor.requires_grad(),
        };
        Ok(tensor.wrapped(grad, parameter))
    }

    /// The tensor of a node that another tensor is made of.
    pub(super) fn part(&mut self, node: NodeId) -> Result<Tensor, Stop> {
        let Node::Object(inner) = self.graph.node(node) else {
            let kind = self.graph.kind_name(node);
            return Err(Error::malformed(format!("a {kind} where a tensor is wrapped")).into());
        };
        let Some(index) = self.slots.get(node) else {
            let may_come = self.rebuild_of(&inner).is_some() && !self.objects.contains(&node);
            // What wraps an object of an unknown class is one itself.
            return Err(if may_come { Stop::Needs(node) } else { Stop::NotATensor });
        };
        if let Some(part) = self.parts.get_mut(index) {
            *part = true;
        }
        self.tensors.get(index).cloned().ok_or(Stop::NotATensor)
    }

    /// `func(*args)` seen as an instance of a subclass (`torch/_tensor.py`).
    pub(super) fn subclass(
        &mut self,
        func: NodeId,
        class: NodeId,
        args: NodeId,
        state: NodeId,
    ) -> Result<Tensor, Stop> {
        let Some(Meaning::Tensor(rebuild)) = self.meaning(func) else { return Err(Stop::NotATensor) };
        if rebuild == Rebuild::WrapperSubclass {
            return self.wrapper(class, args, state);
        }
        if matches!(rebuild, Rebuild::FromType | Rebuild::FromTypeV2) {
            return Err(Error::unsupported("_rebuild_from_type within itself").into());
        }
        let tensor = match rebuild {
            Rebuild::JaggedClass => self.jagged_class(self.args(args), state)?,
            _ => self.call(rebuild, self.args(args), None)?,
        };
        // A parameter of a subclass says so in an attribute (`torch/nn/parameter.py`).
        let is_parameter = match self.attribute(state, "_is_param") {
            Some(flag) => self.flag(flag)?,
            None => self.meaning(class) == Some(Meaning::Tensor(Rebuild::ParameterClass)),
        };
        if is_parameter {
            return Ok(tensor.wrapped(tensor.requires_grad(), true));
        }
        Ok(tensor)
    }

    /// An instance, made empty or from another tensor, and then set by BUILD as `Tensor.__setstate__` does it.
    pub(super) fn by_state(
        &mut self,
        made: Option<Tensor>,
        object: Option<Object<'g>>,
        class: Option<DType>,
        parameter: bool,
    ) -> Result<Tensor, Stop> {
        let mut result = made;
        for &state in object.map(|object| object.states).unwrap_or_default() {
            let items = match self.graph.node(state) {
                Node::Tuple(items) => items,
                // Attributes of the instance.
                Node::None | Node::Dict(_) | Node::Object(_) => continue,
                _ => {
                    let what = format!("a tensor's state is a {}, not a tuple", self.graph.kind_name(state));
                    return Err(Error::malformed(what).into());
                }
            };
            result = Some(match *items {
                [storage, offset, size, stride] => {
                    let marks = Marks { is_parameter: parameter, ..Marks::default() };
                    self.strided(storage, None, offset, size, stride, marks)?
                }
                [data, _, _hooks, grad, _] => self.wrap(data, Some(grad), parameter)?,
                [grad, _, _hooks] => match result {
                    Some(tensor) => tensor.wrapped(self.flag(grad)?, parameter),
                    None => return Err(Error::malformed("a tensor's flags are set before its data").into()),
                },
                _ => return Err(Error::malformed(format!("a tensor's state of {} items", items.len())).into()),
            });
        }
        match result {
            Some(tensor) => Ok(tensor),
            None => self.empty(class.unwrap_or(DType::Float32), parameter),
        }
    }
}
