//! Tensors rebuilt from the calls that a pickle records, without calling anything.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::globals::{Meaning, Rebuild, StorageType};
use super::persistent_id;
use super::program::Slots;
use super::storages::in_place;
use crate::device::Device;
use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::graph::{Graph, Node, NodeId, Object};
use crate::tensor::{DType, Geometry, Storage, StorageData, StorageParts, Tensor, TensorParts};

/// Rebuilds every tensor of a graph, in the order of the pickle.
pub(super) struct Rebuilder<'g> {
    graph: &'g Graph,
    meanings: &'g [Meaning],
    slots: &'g mut Slots,
    storages: &'g [Storage],
    limits: &'g Limits,
    tensors: Vec<Tensor>,
    /// Storages made for tensors that have none in the file are numbered after those of the file.
    made_storages: usize,
    sizes: Vec<i64>,
    strides: Vec<i64>,
}

/// What a call turned out to be.
enum Outcome {
    Tensor(Tensor),
    /// The tensor of another node, wrapped: known once that node is.
    NotATensor,
    /// Another node has to be rebuilt first (a wrapper made before what it wraps).
    Needs(NodeId),
}

impl<'g> Rebuilder<'g> {
    pub(super) fn new(
        graph: &'g Graph,
        meanings: &'g [Meaning],
        slots: &'g mut Slots,
        storages: &'g [Storage],
        limits: &'g Limits,
    ) -> Self {
        Self {
            graph,
            meanings,
            slots,
            storages,
            limits,
            tensors: Vec::with_capacity(storages.len()),
            made_storages: 0,
            sizes: Vec::new(),
            strides: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Vec<Tensor>, Error> {
        let graph = self.graph;
        for node in graph.ids() {
            if matches!(graph.node(node), Node::Object(_)) {
                self.rebuild(node)?;
            }
        }
        Ok(self.tensors)
    }

    /// Rebuilds one node and whatever it wraps, which usually is done already.
    fn rebuild(&mut self, node: NodeId) -> Result<(), Error> {
        let mut pending = vec![];
        let mut current = node;
        loop {
            let next = if self.slots.get(current).is_some() {
                None
            } else {
                match self.outcome(current).map_err(|e| in_place(e, self.graph, current))? {
                    Outcome::NotATensor => None,
                    Outcome::Tensor(tensor) => {
                        self.slots.set(current, self.tensors.len());
                        self.tensors.push(tensor);
                        None
                    }
                    Outcome::Needs(inner) => Some(inner),
                }
            };
            match next {
                Some(inner) => {
                    if inner == current || pending.contains(&inner) || pending.len() > Self::MAX_WRAPPING {
                        let error = Error::malformed("a tensor is wrapped in itself");
                        return Err(in_place(error, self.graph, current));
                    }
                    pending.push(current);
                    current = inner;
                }
                None => match pending.pop() {
                    Some(outer) => current = outer,
                    None => return Ok(()),
                },
            }
        }
    }

    /// A Parameter of a subclass of a tensor with attributes: three. More has no honest cause.
    const MAX_WRAPPING: usize = 64;

    fn outcome(&mut self, node: NodeId) -> Result<Outcome, Error> {
        let Node::Object(object) = self.graph.node(node) else { return Ok(Outcome::NotATensor) };
        let Some(Meaning::Tensor(rebuild)) = self.meaning(object.callable) else { return Ok(Outcome::NotATensor) };
        let args = self.args(object.args);
        self.call(rebuild, args, Some(object))
    }

    /// The tensor that `rebuild(*args)` makes; `object` is the call itself when a BUILD may have added to it.
    fn call(&mut self, rebuild: Rebuild, args: &[NodeId], object: Option<Object<'g>>) -> Result<Outcome, Error> {
        match rebuild {
            Rebuild::V1 => {
                let [storage, offset, size, stride] = *self.want("_rebuild_tensor", args)?;
                self.strided(storage, None, offset, size, stride, Flags::default())
            }
            Rebuild::V2 => {
                let [storage, offset, size, stride, grad, _hooks] = *self.want("_rebuild_tensor_v2", args)?;
                let flags = self.flags(grad, args.get(6))?;
                self.strided(storage, None, offset, size, stride, flags)
            }
            Rebuild::V3 => {
                let [storage, offset, size, stride, grad, _hooks, dtype] = *self.want("_rebuild_tensor_v3", args)?;
                let flags = self.flags(grad, args.get(7))?;
                let dtype = self.dtype(dtype)?;
                self.strided(storage, Some(dtype), offset, size, stride, flags)
            }
            Rebuild::Meta => {
                let [dtype, size, stride, grad] = *self.want("_rebuild_meta_tensor_no_storage", args)?;
                let flags = self.flags(grad, None)?;
                let dtype = self.dtype(dtype)?;
                self.meta(dtype, size, stride, flags)
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
                let [func, class, inner, _state] = *self.want("_rebuild_from_type_v2", args)?;
                self.from_type(func, class, inner)
            }
            Rebuild::FromType => {
                let [func, class, inner, _state] = *self.want("_rebuild_from_type", args)?;
                self.from_type(func, class, inner)
            }
            Rebuild::ParameterClass => match *args {
                [] => self.by_state(object, None, true),
                [data] => self.wrap(data, None, true),
                [data, grad, ..] => self.wrap(data, Some(grad), true),
            },
            Rebuild::VariableClass => match *args {
                [] => self.by_state(object, None, false),
                [data, ..] => self.wrap(data, None, false),
            },
            Rebuild::TensorClass(dtype) => match *args {
                [] => self.by_state(object, dtype, false),
                _ => Err(Error::unsupported("a tensor class called with arguments, which torch does not pickle")),
            },
            Rebuild::NotYet(what) => Err(Error::unsupported(format!("{what} cannot be read by this version"))),
        }
    }

    /// `func(*args)` seen as an instance of a subclass.
    fn from_type(&mut self, func: NodeId, class: NodeId, args: NodeId) -> Result<Outcome, Error> {
        let Some(Meaning::Tensor(rebuild)) = self.meaning(func) else { return Ok(Outcome::NotATensor) };
        if matches!(rebuild, Rebuild::FromType | Rebuild::FromTypeV2) {
            return Err(Error::unsupported("_rebuild_from_type within itself"));
        }
        let args = self.args(args);
        let outcome = self.call(rebuild, args, None)?;
        Ok(match outcome {
            Outcome::Tensor(tensor) if self.meaning(class) == Some(Meaning::Tensor(Rebuild::ParameterClass)) => {
                let grad = tensor.requires_grad();
                Outcome::Tensor(tensor.wrapped(grad, true))
            }
            other => other,
        })
    }

    /// An instance made empty and then set by BUILD, as `Tensor.__setstate__` does it.
    fn by_state(
        &mut self,
        object: Option<Object<'g>>,
        class: Option<DType>,
        parameter: bool,
    ) -> Result<Outcome, Error> {
        let states = object.map(|object| object.states).unwrap_or_default();
        let mut result: Option<Outcome> = None;
        for &state in states {
            let Node::Tuple(items) = self.graph.node(state) else {
                // Attributes of the instance.
                continue;
            };
            result = Some(match *items {
                [storage, offset, size, stride] => {
                    let flags = Flags { parameter, ..Flags::default() };
                    self.strided(storage, None, offset, size, stride, flags)?
                }
                [data, _, _hooks, grad, _] => self.wrap(data, Some(grad), parameter)?,
                [grad, _, _hooks] => match result {
                    Some(Outcome::Tensor(tensor)) => Outcome::Tensor(tensor.wrapped(self.flag(grad)?, parameter)),
                    _ => return Err(Error::malformed("a tensor's flags are set before its data")),
                },
                _ => return Err(Error::malformed(format!("a tensor's state of {} items", items.len()))),
            });
        }
        match result {
            Some(outcome) => Ok(outcome),
            None => self.empty(class.unwrap_or(DType::Float32), parameter),
        }
    }

    /// The tensor of another node under new flags, sharing its storage.
    fn wrap(&mut self, data: NodeId, grad: Option<NodeId>, parameter: bool) -> Result<Outcome, Error> {
        let Node::Object(inner) = self.graph.node(data) else {
            return Err(Error::malformed(format!("a {} where a tensor is wrapped", self.graph.kind_name(data))));
        };
        let Some(index) = self.slots.get(data) else {
            return match self.meaning(inner.callable) {
                Some(Meaning::Tensor(_)) => Ok(Outcome::Needs(data)),
                // A parameter of a subclass that is opaque here: an opaque object too.
                _ => Ok(Outcome::NotATensor),
            };
        };
        let grad = grad.map(|grad| self.flag(grad)).transpose()?;
        let Some(tensor) = self.tensors.get(index) else { return Ok(Outcome::NotATensor) };
        let grad = grad.unwrap_or_else(|| tensor.requires_grad());
        Ok(Outcome::Tensor(tensor.wrapped(grad, parameter)))
    }

    fn strided(
        &mut self,
        storage: NodeId,
        dtype: Option<DType>,
        offset: NodeId,
        size: NodeId,
        stride: NodeId,
        flags: Flags,
    ) -> Result<Outcome, Error> {
        let Node::Persistent(_) = self.graph.node(storage) else {
            return Err(Error::malformed(format!("a {} where the storage should be", self.graph.kind_name(storage))));
        };
        let found = self.slots.get(storage).and_then(|index| self.storages.get(index));
        let storage_type = persistent_id::storage_type(self.graph, storage);
        let (Some(found), Some(storage_type)) = (found, storage_type) else {
            return Err(Error::malformed("the storage is not one of the file's"));
        };
        let dtype = match (dtype, storage_type) {
            (Some(dtype), _) | (None, StorageType::Typed(dtype)) => dtype,
            (None, StorageType::Untyped) => DType::UInt8,
        };
        let declared_offset = self.int(offset, "the storage offset")?;
        let mut sizes = std::mem::take(&mut self.sizes);
        let mut strides = std::mem::take(&mut self.strides);
        self.ints(size, "the size", &mut sizes)?;
        self.ints(stride, "the stride", &mut strides)?;
        let geometry = Geometry::check(&sizes, &strides, declared_offset, found.nbytes(), dtype, self.limits)?;
        self.sizes = sizes;
        self.strides = strides;
        Ok(Outcome::Tensor(Tensor::new(TensorParts {
            storage: found.clone(),
            geometry,
            dtype,
            requires_grad: flags.grad,
            is_parameter: flags.parameter,
            conj: flags.conj,
            neg: flags.neg,
            materialised_bytes: self.limits.materialised_bytes,
        })))
    }

    fn meta(&mut self, dtype: DType, size: NodeId, stride: NodeId, flags: Flags) -> Result<Outcome, Error> {
        let (mut sizes, mut strides) = (Vec::new(), Vec::new());
        self.ints(size, "the size", &mut sizes)?;
        self.ints(stride, "the stride", &mut strides)?;
        let geometry = Geometry::check_meta(&sizes, &strides, dtype, self.limits)?;
        let storage = self.new_storage(Device::Meta, StorageData::Meta)?;
        Ok(Outcome::Tensor(Tensor::new(TensorParts {
            storage,
            geometry,
            dtype,
            requires_grad: flags.grad,
            is_parameter: flags.parameter,
            conj: false,
            neg: false,
            materialised_bytes: self.limits.materialised_bytes,
        })))
    }

    /// `torch.Tensor()` without state: no elements.
    fn empty(&mut self, dtype: DType, parameter: bool) -> Result<Outcome, Error> {
        let geometry = Geometry::check(&[0], &[1], 0, 0, dtype, self.limits)?;
        let storage = self.new_storage(Device::Cpu, StorageData::Empty)?;
        Ok(Outcome::Tensor(Tensor::new(TensorParts {
            storage,
            geometry,
            dtype,
            requires_grad: false,
            is_parameter: parameter,
            conj: false,
            neg: false,
            materialised_bytes: self.limits.materialised_bytes,
        })))
    }

    /// A storage for a tensor that has none in the file.
    fn new_storage(&mut self, device: Device, data: StorageData) -> Result<Storage, Error> {
        let number = self.storages.len().saturating_add(self.made_storages);
        self.made_storages = self.made_storages.saturating_add(1);
        let id = u32::try_from(number).map_err(|_| Error::limit("more than 2^32 storages"))?;
        let location = device.to_string().into();
        Ok(Storage::new(StorageParts { id, key: "".into(), location, device, nbytes: 0, data }))
    }

    fn meaning(&self, node: NodeId) -> Option<Meaning> {
        match self.graph.node(node) {
            Node::Global(id) => self.meanings.get(id.index()).copied(),
            _ => None,
        }
    }

    fn args(&self, node: NodeId) -> &'g [NodeId] {
        match self.graph.node(node) {
            Node::Tuple(args) => args,
            _ => &[],
        }
    }

    /// The first `N` arguments; more may follow (torch appends optional ones).
    fn want<const N: usize>(&self, function: &str, args: &'g [NodeId]) -> Result<&'g [NodeId; N], Error> {
        args.first_chunk()
            .ok_or_else(|| Error::malformed(format!("{function} needs {N} arguments, found {}", args.len())))
    }

    fn flags(&self, grad: NodeId, metadata: Option<&NodeId>) -> Result<Flags, Error> {
        let mut flags = Flags { grad: self.flag(grad)?, ..Flags::default() };
        let entries = match metadata.map(|&metadata| self.graph.node(metadata)) {
            None | Some(Node::None) => return Ok(flags),
            Some(Node::Dict(entries)) => entries,
            // `restore_type_tag(dict, text)` of TorchScript, or a dict subclass.
            Some(Node::Object(object)) => match self.args(object.args).first().map(|&first| self.graph.node(first)) {
                Some(Node::Dict(entries)) => entries,
                _ => object.entries,
            },
            Some(_) => return Err(Error::malformed("the tensor's metadata is not a dict")),
        };
        for &(key, value) in entries {
            match super::text::ascii_or_text(self.graph, key) {
                Some("conj") => flags.conj = self.flag(value)?,
                Some("neg") => flags.neg = self.flag(value)?,
                // Backends may add more; torch ignores what it does not know.
                _ => {}
            }
        }
        Ok(flags)
    }

    fn flag(&self, node: NodeId) -> Result<bool, Error> {
        match self.graph.node(node) {
            Node::Bool(value) => Ok(value),
            Node::Int(value) => Ok(value != 0),
            Node::None => Ok(false),
            _ => Err(Error::malformed(format!("a {} where a bool should be", self.graph.kind_name(node)))),
        }
    }

    fn int(&self, node: NodeId, what: &str) -> Result<i64, Error> {
        match self.graph.node(node) {
            Node::Int(value) => Ok(value),
            Node::BigInt(_) => Err(Error::malformed(format!("{what} is an int of more than 64 bits"))),
            _ => Err(Error::malformed(format!("{what} is a {}, not an int", self.graph.kind_name(node)))),
        }
    }

    /// A tuple or list of ints, or a `torch.Size` of one.
    fn ints(&self, node: NodeId, what: &str, out: &mut Vec<i64>) -> Result<(), Error> {
        out.clear();
        let items = match self.graph.node(node) {
            Node::Tuple(items) | Node::List(items) => items,
            Node::Object(size) => match self.args(size.args).first().map(|&first| self.graph.node(first)) {
                Some(Node::Tuple(items) | Node::List(items)) => items,
                _ => return Err(Error::malformed(format!("{what} is not a tuple of ints"))),
            },
            _ => return Err(Error::malformed(format!("{what} is a {}, not a tuple", self.graph.kind_name(node)))),
        };
        let dimensions = u64::try_from(items.len()).unwrap_or(u64::MAX);
        Limits::check("dimensions", dimensions, u64::try_from(self.limits.dimensions).unwrap_or(u64::MAX))?;
        for &item in items {
            out.push(self.int(item, what)?);
        }
        Ok(())
    }

    fn dtype(&self, node: NodeId) -> Result<DType, Error> {
        match self.meaning(node) {
            Some(Meaning::DType(dtype)) => Ok(dtype),
            _ => Err(Error::malformed(match self.graph.node(node) {
                Node::Global(id) => {
                    let (module, name) = self.graph.global(id);
                    format!("`{module}.{name}` is not a dtype that this version knows")
                }
                _ => format!("a {} where the dtype should be", self.graph.kind_name(node)),
            })),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Flags {
    grad: bool,
    parameter: bool,
    conj: bool,
    neg: bool,
}
