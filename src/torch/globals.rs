//! What each Python name means to this crate: the answer to "can a file run code?". A name is looked up in the tables
//! below and becomes one of the meanings; whatever is not there is opaque. No name is ever imported or called.

use crate::tensor::DType;

/// What a global stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A function or class that yields a tensor.
    Tensor(Rebuild),
    /// A storage class.
    Storage(StorageType),
    /// A dtype, layout or quantisation scheme given by its bare name.
    DType(DType),
    Layout,
    QScheme,
    /// A builder of a plain value.
    Value(Builder),
    /// Python's own classes for containers and objects, made by generic constructors.
    Construct(Constructor),
    /// A class of TorchScript's: its code is in the archive, and is not looked at.
    Script,
    /// Anything else: kept with its arguments, state and items, never resolved.
    Opaque,
}

/// The ways in which a tensor is pickled (`torch/_utils.py` unless noted). `FORMAT` names are torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rebuild {
    /// `_rebuild_tensor(storage, offset, size, stride)`
    V1,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])`
    V2,
    /// `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])`
    V3,
    /// `_rebuild_parameter(data, requires_grad, hooks)`
    Parameter,
    /// `_rebuild_parameter_with_state(data, requires_grad, hooks, state)`
    ParameterWithState,
    /// `_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)`
    Meta,
    /// `torch._tensor._rebuild_from_type_v2(func, type, args, state)`
    FromTypeV2,
    /// `torch._tensor._rebuild_from_type(func, type, args, dict)`
    FromType,
    /// `torch.Tensor`, `torch.FloatTensor`, …: made empty, then set by BUILD (`Tensor.__setstate__`).
    TensorClass(Option<DType>),
    /// `torch.nn.Parameter` called directly, or made empty and set by BUILD.
    ParameterClass,
    /// `torch.autograd.Variable` of torch <= 0.3.
    VariableClass,
    /// `_rebuild_qtensor(storage, offset, size, stride, qparams, requires_grad, hooks)`
    Quantised,
    /// `_rebuild_wrapper_subclass(cls, dtype, size, stride, storage_offset, layout, device, requires_grad)`: a shell
    /// without data
    WrapperSubclass,
    /// `_rebuild_sparse_tensor(layout, data)`, and `_rebuild_sparse_csr_tensor(layout, data)` of torch 1.9 to 1.13
    Sparse,
    /// `_rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)`
    Nested,
    /// `torch.nested._internal.nested_tensor._rebuild_njt(dict)`
    Jagged,
    /// `torch.nested._internal.nested_tensor.NestedTensor(values, offsets)` of torch 2.5 and before, within
    /// `_rebuild_from_type_v2`, whose state has the rest
    JaggedClass,
    /// `_rebuild_device_tensor_from_numpy(array, dtype, device, requires_grad)`, once `_rebuild_xla_tensor`
    DeviceFromNumpy,
    /// `_rebuild_device_tensor_from_cpu_tensor(data, dtype, device, requires_grad)`
    DeviceFromCpu,
    /// A tensor of a distributed checkpoint, put together from its chunks: [`ASSEMBLED`].
    Assembled,
}

/// The element type that a storage class gives its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageType {
    Typed(DType),
    /// `UntypedStorage`: bytes, typed by the tensors that view them.
    Untyped,
}

impl StorageType {
    /// The size in bytes of an element.
    pub(super) fn itemsize(self) -> u64 {
        match self {
            Self::Typed(dtype) => u64::try_from(dtype.itemsize()).unwrap_or(1),
            Self::Untyped => 1,
        }
    }
}

/// Calls that stand for a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    /// `collections.OrderedDict`, `Counter`, `defaultdict`, `dict`
    Mapping,
    Set,
    FrozenSet,
    List,
    Tuple,
    Bytes,
    ByteArray,
    /// `_codecs.encode(text, "latin1")`
    Encode,
    Complex,
    /// `torch.Size`
    Size,
    /// `torch.device`
    Device,
    /// `torch.serialization._get_layout`
    Layout,
    /// `torch.jit._pickle.restore_type_tag(container, type)`: the container
    TypeTag,
}

/// Generic constructors of other objects: the class is an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constructor {
    /// `copyreg._reconstructor(cls, base, state)`
    Reconstructor,
    /// `copyreg.__newobj__(cls, *args)`
    NewObj,
    /// `torch.fx.graph_module.reduce_graph_module(state, …)`: a module whose class is made of the code behind the state
    GraphModule,
}

/// The module of names that only this crate gives, to what a container says outside its pickles. No pickle can mention
/// them: such names are [told apart](crate::pickle::graph::Graph::is_made).
pub(crate) const OWN: &str = "";
/// In [`OWN`]: `assembled(dtype, size, requires_grad, [(offsets, sizes, chunk)…])`
pub(crate) const ASSEMBLED: &str = "assembled";

/// The meaning of a name that no pickle mentions, if it is not one of torch's.
pub(crate) fn made(module: &str, name: &str) -> Option<Meaning> {
    match (module, name) {
        (OWN, ASSEMBLED) => Some(Meaning::Tensor(Rebuild::Assembled)),
        _ => None,
    }
}

/// The meaning of a global as pickled.
pub(crate) fn meaning(module: &str, name: &str) -> Meaning {
    use Meaning::{Construct, Layout, QScheme, Tensor, Value};
    let (module, name) = renamed(module, name);
    match (module, name) {
        ("torch._utils", _) => rebuild_function(name).map_or(Meaning::Opaque, Tensor),
        ("torch._tensor", "_rebuild_from_type_v2") => Tensor(Rebuild::FromTypeV2),
        ("torch._tensor", "_rebuild_from_type") => Tensor(Rebuild::FromType),
        ("torch.nested._internal.nested_tensor", "_rebuild_njt") => Tensor(Rebuild::Jagged),
        ("torch.nested._internal.nested_tensor", "NestedTensor") => Tensor(Rebuild::JaggedClass),
        ("torch.nn.parameter" | "torch.nn", "Parameter") => Tensor(Rebuild::ParameterClass),
        ("torch.nn.parameter", "Buffer") => Tensor(Rebuild::VariableClass),
        ("torch.autograd.variable" | "torch.autograd", "Variable") => Tensor(Rebuild::VariableClass),
        ("torch", "Tensor") | ("torch._tensor", "Tensor") => Tensor(Rebuild::TensorClass(None)),
        ("torch", "Size") => Value(Builder::Size),
        ("torch", "device") => Value(Builder::Device),
        ("torch.serialization", "_get_layout") => Value(Builder::Layout),
        (
            "torch",
            "strided" | "sparse_coo" | "sparse_csr" | "sparse_csc" | "sparse_bsr" | "sparse_bsc" | "jagged" | "_mkldnn",
        ) => Layout,
        (
            "torch",
            "per_tensor_affine"
            | "per_channel_affine"
            | "per_tensor_symmetric"
            | "per_channel_symmetric"
            | "per_channel_affine_float_qparams",
        ) => QScheme,
        ("torch" | "torch.cuda" | "torch.storage", _) if storage_type(name).is_some() => {
            storage_type(name).map_or(Meaning::Opaque, Meaning::Storage)
        }
        ("torch" | "torch.cuda", _) if name.ends_with("Tensor") => tensor_class(name).map_or(Meaning::Opaque, Tensor),
        ("torch", _) => DType::from_name(name).map_or(Meaning::Opaque, Meaning::DType),
        ("collections", "OrderedDict" | "Counter" | "defaultdict") | ("builtins", "dict") => Value(Builder::Mapping),
        ("builtins", "set") => Value(Builder::Set),
        ("builtins", "frozenset") => Value(Builder::FrozenSet),
        ("builtins", "list") => Value(Builder::List),
        ("builtins", "tuple") => Value(Builder::Tuple),
        ("builtins", "bytes") => Value(Builder::Bytes),
        ("builtins", "bytearray") => Value(Builder::ByteArray),
        ("builtins", "complex") => Value(Builder::Complex),
        ("_codecs", "encode") => Value(Builder::Encode),
        ("torch.jit._pickle", "build_intlist" | "build_tensorlist" | "build_doublelist" | "build_boollist") => {
            Value(Builder::List)
        }
        ("torch.jit._pickle", "restore_type_tag") => Value(Builder::TypeTag),
        ("copyreg", "_reconstructor") => Construct(Constructor::Reconstructor),
        ("copyreg", "__newobj__") => Construct(Constructor::NewObj),
        ("torch.fx.graph_module", "reduce_graph_module" | "reduce_package_graph_module") => {
            Construct(Constructor::GraphModule)
        }
        _ if module == "__torch__" || module.starts_with("__torch__.") => Meaning::Script,
        _ => Meaning::Opaque,
    }
}

fn rebuild_function(name: &str) -> Option<Rebuild> {
    Some(match name {
        "_rebuild_tensor" => Rebuild::V1,
        "_rebuild_tensor_v2" => Rebuild::V2,
        "_rebuild_tensor_v3" => Rebuild::V3,
        "_rebuild_parameter" => Rebuild::Parameter,
        "_rebuild_parameter_with_state" => Rebuild::ParameterWithState,
        "_rebuild_meta_tensor_no_storage" => Rebuild::Meta,
        "_rebuild_qtensor" => Rebuild::Quantised,
        "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => Rebuild::Sparse,
        "_rebuild_nested_tensor" => Rebuild::Nested,
        "_rebuild_device_tensor_from_numpy" | "_rebuild_xla_tensor" => Rebuild::DeviceFromNumpy,
        "_rebuild_device_tensor_from_cpu_tensor" => Rebuild::DeviceFromCpu,
        "_rebuild_wrapper_subclass" => Rebuild::WrapperSubclass,
        _ => return None,
    })
}

/// The storage type of a class name, whatever its module: torch looks at the name only (`torch/storage.py`).
pub(crate) fn storage_type(name: &str) -> Option<StorageType> {
    if matches!(name, "UntypedStorage" | "_UntypedStorage") {
        return Some(StorageType::Untyped);
    }
    DType::from_storage_name(name).map(StorageType::Typed)
}

/// `FloatTensor` and its kin share the prefixes of the storage classes.
fn tensor_class(name: &str) -> Option<Rebuild> {
    let prefix = name.strip_suffix("Tensor")?;
    DType::from_storage_name(&format!("{prefix}Storage")).map(|dtype| Rebuild::TensorClass(Some(dtype)))
}

/// Python 2 names and names that moved, as torch and Python rename them at load (`_weights_only_unpickler.py`,
/// `_compat_pickle.py`): Python 3 itself writes the old ones at protocol 2.
pub(crate) fn renamed<'a>(module: &'a str, name: &'a str) -> (&'a str, &'a str) {
    let module = demangled(module);
    match (module, name) {
        ("__builtin__", "xrange") => ("builtins", "range"),
        ("__builtin__", "long") => ("builtins", "int"),
        ("__builtin__", "unicode" | "basestring") => ("builtins", "str"),
        ("__builtin__", "unichr") => ("builtins", "chr"),
        ("__builtin__", "reduce") => ("functools", "reduce"),
        ("__builtin__", "intern") => ("sys", "intern"),
        ("itertools", "izip") => ("builtins", "zip"),
        ("itertools", "imap") => ("builtins", "map"),
        ("itertools", "ifilter") => ("builtins", "filter"),
        ("__builtin__" | "exceptions", _) => ("builtins", name),
        ("copy_reg", _) => ("copyreg", name),
        ("Queue", _) => ("queue", name),
        ("repr", _) => ("reprlib", name),
        ("_abcoll", _) => ("collections.abc", name),
        ("UserDict" | "UserList" | "UserString", _) => ("collections", name),
        ("StringIO" | "cStringIO", _) => ("io", name),
        ("cPickle", _) => ("pickle", name),
        ("torch.tensor", _) => ("torch._tensor", name),
        ("numpy.core.multiarray", _) => ("numpy._core.multiarray", name),
        ("numpy.core.numeric", _) => ("numpy._core.numeric", name),
        _ => (module, name),
    }
}

/// A module of a `torch.package` under its own name: once the package is opened, torch puts `<torch_package_0>.` in front
/// (`torch/package/_mangling.py`), and what is saved then has that in its pickles.
fn demangled(module: &str) -> &str {
    let numbered = module.strip_prefix("<torch_package_").and_then(|rest| rest.split_once(">."));
    match numbered {
        Some((number, own)) if number.bytes().all(|b| b.is_ascii_digit()) => own,
        _ => module,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_meaning_each() {
        assert_eq!(meaning("torch._utils", "_rebuild_tensor_v2"), Meaning::Tensor(Rebuild::V2));
        assert_eq!(meaning("torch.tensor", "_rebuild_from_type_v2"), Meaning::Tensor(Rebuild::FromTypeV2));
        assert_eq!(meaning("torch", "float32"), Meaning::DType(DType::Float32));
        assert_eq!(meaning("torch", "HalfStorage"), Meaning::Storage(StorageType::Typed(DType::Float16)));
        assert_eq!(meaning("torch.storage", "UntypedStorage"), Meaning::Storage(StorageType::Untyped));
        assert_eq!(meaning("torch.cuda", "FloatTensor"), Meaning::Tensor(Rebuild::TensorClass(Some(DType::Float32))));
        assert_eq!(meaning("__builtin__", "set"), Meaning::Value(Builder::Set));
        assert_eq!(meaning("torch.jit._pickle", "build_intlist"), Meaning::Value(Builder::List));
        assert_eq!(meaning("__torch__.a.b", "C"), Meaning::Script);
    }

    #[test]
    fn dangerous_and_unknown_names_are_opaque() {
        for (module, name) in [
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("torch", "load"),
            ("torch.hub", "load"),
            ("torch._utils", "_rebuild"),
            ("torch.storage", "TypedStorage"),
            ("my.module", "FloatStorage"),
            ("__torch__x", "C"),
            ("torch.jit._pickle", "build_tensor_from_id"),
            ("", ""),
        ] {
            assert_eq!(meaning(module, name), Meaning::Opaque, "{module}.{name}");
        }
    }

    #[test]
    fn modules_of_packages_have_their_own_names() {
        assert_eq!(renamed("<torch_package_12>.my.models", "Net"), ("my.models", "Net"));
        assert_eq!(renamed("<torch_package_0>.torch.tensor", "x"), ("torch._tensor", "x"));
        for other in ["<torch_package_0>", "<torch_package_x>.m", "<package_0>.m", "m.<torch_package_0>.m"] {
            assert_eq!(renamed(other, "x"), (other, "x"));
        }
    }
}
