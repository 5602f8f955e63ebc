//! The one table of the scan: which names are known to be harmless, in which use, and why; and, below, which of other
//! packages are known to be harmful. A name of Python, torch or numpy that is not here is dangerous: lists of what is
//! dangerous have always missed something, so this one lists what is not.
//!
//! To be harmless, a name must not, whatever its arguments: run code or text that it is given, import or open what it is
//! told to, write, connect, or call an argument, unless [`Role::Calls`] says which, so that the argument is judged too.

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// On the list of names that `torch.load(weights_only=True)` accepts unasked (torch 2.15,
    /// `torch/_weights_only_unpickler.py`).
    Listed,
    /// Not on that list, and known to be harmless.
    Harmless,
    /// As harmful as what else is in the file.
    Trust,
}

/// What a name is, and so in which use it is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// A constant, or a function or class that pickles mention and do not call.
    Value,
    /// A class of which pickles make empty objects and give them a state, which calls `__new__` and `__setstate__` only.
    Class,
    /// It may be called.
    Function,
    /// It calls arguments, which are judged as called.
    Calls(&'static [Pass]),
    /// It unpickles a byte string, which is scanned too.
    LoadsStorage,
    /// `functools.partial`: keeps a function, which is called when its result is.
    Partial,
    /// `type`: asked for a class with one argument, it makes one with three.
    Type,
    /// `getattr`: its result is judged by the name that it has.
    Attribute,
}

/// How an argument is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// The argument's position.
    pub(super) callee: usize,
    /// Where its own arguments are.
    pub(super) given: Given,
    /// It only becomes a new, empty object of that class.
    pub(super) is_class: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Given {
    /// The argument in that position, alone.
    Argument(usize),
    /// The tuple in that position.
    Tuple(usize),
    /// Anything.
    Whatever,
}

const fn makes(callee: usize) -> Pass {
    Pass { callee, given: Given::Whatever, is_class: true }
}

const fn calls(callee: usize, given: Given) -> Pass {
    Pass { callee, given, is_class: false }
}

/// Names of a module.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    These(&'static [&'static str]),
    /// Each of these with this end.
    Ending(&'static [&'static str], &'static str),
    /// All that end so.
    AnyEnding(&'static str),
    /// All names of classes, which begin with a capital, underscores aside.
    Classes,
    /// All that have no dot and are not Python's own (`__globals__`).
    Any,
    /// The attributes of these classes that are not Python's own.
    AttributesOf(&'static [&'static str]),
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// `a.b`, or `a.b.*` for everything below it too. Names of Python 2 are given as Python 3 calls them.
    pub(super) module: &'static str,
    pub(super) names: Names,
    pub(super) standing: Standing,
    pub(super) role: Role,
    /// Completes "it …".
    pub(super) reason: &'static str,
}

const fn listed(module: &'static str, names: Names, role: Role, reason: &'static str) -> Row {
    Row { module, names, standing: Standing::Listed, role, reason }
}

const fn harmless(module: &'static str, names: Names, role: Role, reason: &'static str) -> Row {
    Row { module, names, standing: Standing::Harmless, role, reason }
}

const fn trust(module: &'static str, names: Names, role: Role, reason: &'static str) -> Row {
    Row { module, names, standing: Standing::Trust, role, reason }
}

use Names::{Any, AnyEnding, AttributesOf, Classes, Ending, These};
use Role::{Attribute, Calls, Class, Function, LoadsStorage, Partial, Type, Value};

const OLD_TYPES: &[&str] = &["BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"];
const SPARSE_TYPES: &[&str] = &["BFloat16", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"];

/// Listed ones first, then the harmless ones by module.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    // --- torch's own list -------------------------------------------------------------------------------------------
    listed("torch._utils", These(&["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"]),
        Function, "makes a tensor over a storage"),
    listed("torch._utils", These(&["_rebuild_parameter", "_rebuild_parameter_with_state"]),
        Function, "makes a parameter of a tensor"),
    listed("torch._utils", These(&["_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_meta_tensor_no_storage"]),
        Function, "makes a tensor"),
    listed("torch._utils", These(&["_rebuild_device_tensor_from_cpu_tensor", "_rebuild_device_tensor_from_numpy"]),
        Function, "moves a tensor to a device"),
    listed("torch._utils", These(&["_rebuild_wrapper_subclass"]),
        Calls(&[makes(0)]), "makes an empty tensor of a subclass"),
    listed("torch._tensor", These(&["_rebuild_from_type_v2"]),
        Calls(&[calls(0, Given::Tuple(2)), makes(1)]), "calls its first argument, which is judged too"),
    listed("torch.nn.parameter", These(&["Parameter"]), Function, "makes a parameter of a tensor"),
    listed("torch.serialization", These(&["_get_layout"]), Function, "gives a layout by its name"),
    listed("torch.storage", These(&["TypedStorage", "UntypedStorage"]), Function, "is a class of storages"),
    listed("torch", These(&["Tensor", "Size", "device"]), Function, "makes a plain value of torch's"),
    listed("torch", Ending(OLD_TYPES, "Tensor"), Function, "is a class of tensors"),
    listed("torch", Ending(OLD_TYPES, "Storage"), Function, "is a class of storages"),
    listed("torch", Ending(&["ComplexDouble", "ComplexFloat", "QInt32", "QInt8", "QUInt2x4", "QUInt4x2", "QUInt8"],
        "Storage"), Function, "is a class of storages"),
    listed("torch.cuda", Ending(OLD_TYPES, "Tensor"), Function, "is a class of tensors"),
    listed("torch.cuda", Ending(OLD_TYPES, "Storage"), Function, "is a class of storages"),
    listed("torch.cuda", Ending(&["ComplexDouble", "ComplexFloat"], "Storage"), Function, "is a class of storages"),
    listed("torch.sparse", Ending(SPARSE_TYPES, "Tensor"), Function, "is a class of tensors"),
    listed("torch.cuda.sparse", Ending(SPARSE_TYPES, "Tensor"), Function, "is a class of tensors"),
    listed("torch", These(&["float16", "float32", "float64", "bfloat16", "complex32", "complex64", "complex128",
        "bcomplex32", "bool"]), Function, "is a dtype"),
    listed("torch", These(&["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]),
        Function, "is a dtype"),
    listed("torch", These(&["int1", "int2", "int3", "int4", "int5", "int6", "int7"]), Function, "is a dtype"),
    listed("torch", These(&["uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7"]), Function, "is a dtype"),
    listed("torch", These(&["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
        "float4_e2m1fn_x2"]), Function, "is a dtype"),
    listed("torch", These(&["qint8", "qint32", "quint8", "quint2x4", "quint4x2", "bits8", "bits16", "bits1x8",
        "bits2x4", "bits4x2"]), Function, "is a dtype"),
    listed("torch", These(&["per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric",
        "per_channel_affine_float_qparams"]), Function, "is a quantisation scheme"),
    listed("collections", These(&["OrderedDict", "Counter"]), Function, "makes a dict"),
    listed("builtins", These(&["set", "bytearray", "complex"]), Function, "makes a plain value"),
    listed("_codecs", These(&["encode"]), Function, "turns text into bytes, as protocols 0 to 2 write them"),

    // --- Python's values --------------------------------------------------------------------------------------------
    harmless("builtins", These(&["bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "range",
        "slice", "str", "tuple"]), Function, "makes a plain value"),
    harmless("builtins", These(&["Ellipsis", "NotImplemented"]), Value, "is a constant"),
    harmless("builtins", These(&["abs", "all", "any", "divmod", "enumerate", "filter", "len", "map", "max", "min",
        "pow", "print", "repr", "reversed", "round", "sorted", "sum", "zip"]),
        Value, "is a function that is mentioned and not called"),
    harmless("builtins", These(&["type"]), Type, "gives the class of a value"),
    harmless("builtins", These(&["getattr"]), Attribute, "looks up an attribute, which is judged by its name"),
    harmless("builtins", AnyEnding("Error"), Function, "makes an exception, without raising it"),
    harmless("builtins", AnyEnding("Warning"), Function, "makes an exception, without raising it"),
    harmless("builtins", These(&["BaseException", "Exception", "GeneratorExit", "KeyboardInterrupt",
        "StopAsyncIteration", "StopIteration", "SystemExit"]), Function, "makes an exception, without raising it"),
    harmless("collections", These(&["ChainMap", "UserDict", "IterableUserDict", "UserList", "UserString", "defaultdict", "deque"]),
        Function, "makes a container"),
    harmless("collections.abc", Classes, Value, "is an abstract class"),
    harmless("copyreg", These(&["_reconstructor"]),
        Calls(&[makes(0), calls(1, Given::Whatever)]), "makes an object of its first argument, which is judged too"),
    harmless("copyreg", These(&["__newobj__", "__newobj_ex__"]),
        Calls(&[makes(0)]), "makes an object of its first argument, which is judged too"),
    harmless("functools", These(&["partial"]), Partial, "keeps a function with its arguments; if it is called, the function is judged as called"),
    harmless("operator", These(&["itemgetter"]),
        Function, "makes a function that takes items, which nothing harmless calls"),
    harmless("operator", OPERATORS, Value, "is an operator that is mentioned and not called"),
    harmless("_operator", OPERATORS, Value, "is an operator that is mentioned and not called"),
    harmless("math", Any, Value, "is arithmetic that is mentioned and not called"),
    harmless("typing", Any, Value, "is an annotation"),
    harmless("datetime", These(&["date", "datetime", "time", "timedelta", "timezone"]), Function, "makes a time"),
    harmless("datetime", These(&["timezone.utc"]), Value, "is a constant"),
    harmless("time", These(&["struct_time"]), Function, "makes a time"),
    harmless("zoneinfo", These(&["ZoneInfo", "ZoneInfo._unpickle"]),
        Function, "reads a time zone of Python's by its name"),
    harmless("decimal", These(&["Decimal"]), Function, "makes a number"),
    harmless("fractions", These(&["Fraction"]), Function, "makes a number"),
    harmless("uuid", These(&["UUID", "SafeUUID"]), Function, "makes a plain value"),
    harmless("array", These(&["array", "_array_reconstructor"]), Function, "makes an array of numbers"),
    harmless("random", These(&["Random"]), Function, "makes a random generator"),
    harmless("argparse", These(&["Namespace"]), Function, "makes an object of its arguments"),
    harmless("types", These(&["SimpleNamespace"]), Function, "makes an object of its arguments"),
    harmless("pathlib", PATHS, Function, "makes a path, without touching the file"),
    harmless("pathlib._local", PATHS, Function, "makes a path, without touching the file"),
    harmless("ipaddress", Classes, Function, "makes an address, without connecting"),
    harmless("io", These(&["BytesIO", "StringIO"]), Function, "holds bytes or text in memory"),
    harmless("_io", These(&["BytesIO", "StringIO"]), Function, "holds bytes or text in memory"),
    harmless("re", These(&["_compile"]), Function, "makes a regular expression"),
    harmless("logging", These(&["getLogger"]), Function, "gives the logger of a name"),

    // --- numpy ------------------------------------------------------------------------------------------------------
    harmless("numpy", These(&["dtype"]), Function, "makes a dtype"),
    harmless("numpy.dtypes", Classes, Function, "makes a dtype"),
    harmless("numpy", These(&["ndarray", "matrix", "recarray", "record", "void"]),
        Class, "is a class of arrays or scalars"),
    harmless("numpy.rec", These(&["recarray", "record"]), Class, "is a class of arrays or scalars"),
    harmless("numpy.ma", These(&["MaskedArray"]), Class, "is a class of arrays"),
    harmless("numpy.ma.core", These(&["MaskedArray"]), Class, "is a class of arrays"),
    harmless("numpy.matrixlib.defmatrix", These(&["matrix"]), Class, "is a class of arrays"),
    harmless("numpy", These(&["bool_", "bool", "int8", "int16", "int32", "int64", "intc", "intp", "longlong", "uint8",
        "uint16", "uint32", "uint64", "uintc", "uintp", "ulonglong", "float16", "float32", "float64", "longdouble",
        "complex64", "complex128", "clongdouble", "str_", "bytes_", "datetime64", "timedelta64", "object_"]),
        Function, "makes a number or text"),
    harmless("numpy", These(&["number", "integer", "signedinteger", "unsignedinteger", "inexact", "floating",
        "complexfloating", "flexible", "character", "generic"]), Value, "is an abstract class"),
    harmless("numpy._core.multiarray", These(&["_reconstruct"]),
        Calls(&[makes(0)]), "makes an empty array of a class, which is judged too"),
    harmless("numpy._core.multiarray", These(&["scalar"]), Function, "makes a number or text"),
    harmless("numpy._core.numeric", These(&["_frombuffer"]), Function, "makes an array over bytes"),
    harmless("numpy.ma.core", These(&["_mareconstruct"]),
        Calls(&[makes(0), makes(1)]), "makes an empty array of a class, which is judged too"),
    harmless("numpy.random._pickle", These(&["__bit_generator_ctor"]),
        Calls(&[makes(0)]), "makes a random generator by its name or class"),
    harmless("numpy.random._pickle", These(&["__randomstate_ctor", "__generator_ctor"]),
        Calls(&[calls(1, Given::Argument(0))]), "makes a random generator with a function, which is judged too"),
    harmless("numpy.random._mt19937", These(&["MT19937"]), Function, "makes a random generator"),
    harmless("numpy.random._pcg64", These(&["PCG64", "PCG64DXSM"]), Function, "makes a random generator"),
    harmless("numpy.random._philox", These(&["Philox"]), Function, "makes a random generator"),
    harmless("numpy.random._sfc64", These(&["SFC64"]), Function, "makes a random generator"),
    harmless("numpy.random.bit_generator", These(&["SeedSequence"]), Function, "seeds a random generator"),
    harmless("numpy.random.bit_generator", These(&["__pyx_unpickle_SeedSequence"]),
        Calls(&[makes(0)]), "seeds a random generator"),

    // --- torch ------------------------------------------------------------------------------------------------------
    harmless("torch", AnyEnding("Storage"), Value, "is a class of storages"),
    harmless("torch.cuda", AnyEnding("Storage"), Value, "is a class of storages"),
    harmless("torch.storage", AnyEnding("Storage"), Value, "is a class of storages"),
    harmless("torch", These(&["strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged",
        "_mkldnn", "half", "float", "double", "short", "int", "long", "cfloat", "cdouble", "chalf", "channels_last",
        "channels_last_3d", "contiguous_format", "preserve_format"]), Value, "is a constant"),
    harmless("torch", These(&["relu", "tanh", "sigmoid", "softmax", "selu", "celu", "rrelu", "prelu", "exp", "log",
        "sin", "cos", "abs", "square", "sqrt", "mean", "sum", "max", "min"]),
        Value, "is arithmetic of tensors that is mentioned and not called"),
    harmless("torch._C._nn", Any, Value, "is arithmetic of tensors that is mentioned and not called"),
    harmless("torch._C", These(&["_VariableFunctionsClass", "TensorBase", "_TensorBase"]),
        Value, "is where torch keeps arithmetic of tensors"),
    harmless("torch._C", AttributesOf(&["_VariableFunctionsClass", "TensorBase", "_TensorBase"]),
        Value, "is arithmetic of tensors that is mentioned and not called"),
    harmless("torch.nn.functional", Any, Value, "is arithmetic of tensors that is mentioned and not called"),
    harmless("torch.nn.init", Any, Value, "fills a tensor; it is mentioned and not called"),
    harmless("torch._C", These(&["Generator"]), Function, "makes a random generator"),
    harmless("torch", These(&["Generator"]), Function, "makes a random generator"),
    harmless("torch", These(&["ScriptObject"]), Class, "is the empty shell of an object of C++"),
    harmless("torch.return_types", Any, Function, "makes a tuple with names"),
    harmless("torch.storage", These(&["_load_from_bytes"]),
        LoadsStorage, "reads a storage out of a byte string, which is scanned too"),
    harmless("torch._utils", These(&["_rebuild_nested_tensor", "_rebuild_sparse_csr_tensor", "_rebuild_xla_tensor"]),
        Function, "makes a tensor"),
    harmless("torch._tensor", These(&["_rebuild_from_type"]),
        Calls(&[calls(0, Given::Tuple(2)), makes(1)]), "calls its first argument, which is judged too"),
    harmless("torch._tensor", These(&["Tensor"]), Function, "is the class of tensors"),
    harmless("torch.nested._internal.nested_tensor", These(&["NestedTensor", "_rebuild_njt"]),
        Function, "makes a nested tensor"),
    harmless("torch._dynamo.decorators", These(&["_DimRange"]), Function, "holds the bounds of a dimension"),
    harmless("torch.autograd", These(&["Variable"]), Function, "makes a tensor"),
    harmless("torch.autograd.variable", These(&["Variable"]), Function, "makes a tensor"),
    harmless("torch.nn", These(&["Parameter"]), Function, "makes a parameter of a tensor"),
    harmless("torch.nn.parameter", These(&["Buffer", "UninitializedBuffer", "UninitializedParameter"]),
        Function, "makes a parameter or buffer"),
    harmless("torch.nn.modules.*", Classes, Class, "is a class of modules, of which an empty object is made"),
    harmless("torch.nn.parallel.*", Classes, Class, "is a class of modules, of which an empty object is made"),
    harmless("torch.nn.utils.*", Classes, Class, "is a class of torch's modules, of which an empty object is made"),
    harmless("torch.ao.nn.*", Classes, Class, "is a class of quantised modules, of which an empty object is made"),
    harmless("torch.nn.quantized.*", Classes,
        Class, "is a class of quantised modules, of which an empty object is made"),
    harmless("torch.nn.backends.thnn", These(&["_get_thnn_function_backend", "THNNFunctionBackend"]),
        Function, "gives a constant that modules of torch before 1.2 kept"),
    harmless("torch.optim.*", Classes,
        Class, "is a class of optimizers or schedules, of which an empty object is made"),
    harmless("torch.optim.lr_scheduler", AttributesOf(&["OneCycleLR", "CyclicLR"]),
        Value, "is arithmetic that is mentioned and not called"),
    harmless("torch.utils.hooks", These(&["RemovableHandle", "BackwardHook"]), Class, "remembers where a hook is kept"),
    harmless("torch.jit._pickle", These(&["build_intlist", "build_tensorlist", "build_doublelist", "build_boollist",
        "build_tensor_from_id", "restore_type_tag"]), Function, "gives its argument back, as TorchScript writes lists"),
    trust("torch.jit._script", These(&["unpackage_script_module"]),
        Function, "loads TorchScript of the same file, which is no Python but a program too"),
    harmless("torch.distributed.tensor.*", Classes, Class, "describes a distributed tensor"),
    harmless("torch.distributed._tensor.*", Classes, Class, "describes a distributed tensor"),
    harmless("torch.distributed._mesh_layout", Classes, Class, "describes a mesh of devices"),
    harmless("torch.distributed.device_mesh", Classes, Class, "describes a mesh of devices"),
    harmless("torch.distributed.remote_device", These(&["_remote_device"]), Function, "describes a device"),
    harmless("torch.distributed._shard.sharded_tensor.metadata", These(&["MEM_FORMAT_ENCODING"]), Function, "is a constant by its number"),
    harmless("torch.distributed._shard.sharded_tensor.api", These(&["ShardedTensor.ProcessGroupState"]), Class, "describes a sharded tensor"),
    harmless("torch.distributed._shard.*", Classes, Class, "describes a sharded tensor"),
    harmless("torch.distributed._shard.sharded_tensor.metadata", AttributesOf(&["MEM_FORMAT_ENCODING"]),
        Value, "is a constant"),
    harmless("torch.distributed.checkpoint.metadata", Classes, Function, "describes a distributed checkpoint"),
    harmless("torch.distributed.checkpoint.metadata", AttributesOf(&["_MEM_FORMAT_ENCODING"]), Value, "is a constant"),
    harmless("torch.distributed.checkpoint.filesystem", These(&["_StorageInfo"]),
        Class, "says where a part of a distributed checkpoint lies"),
    harmless("torch.distributed.checkpoint.filesystem", These(&["_StoragePrefix"]),
        Class, "says where a part of a distributed checkpoint lies"),
];

#[rustfmt::skip]
const OPERATORS: Names = These(&["abs", "add", "and_", "eq", "floordiv", "ge", "getitem", "gt", "iadd", "imul",
    "invert", "isub", "itruediv", "le", "lt", "matmul", "mod", "mul", "ne", "neg", "not_", "or_", "pos", "pow", "sub",
    "truediv", "xor"]);
#[rustfmt::skip]
const PATHS: Names = These(&["Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"]);

/// Names of torch and numpy about which there is more to say than that they are not in the table.
pub(super) const EXPLAINED: &[(&str, &str, &str)] = &[
    ("torch.fx.graph_module", "reduce_graph_module", "it compiles and runs Python source that the file holds"),
    ("torch.fx.graph_module", "reduce_package_graph_module", "it compiles and runs Python source that the file holds"),
    ("torch.serialization", "load", "it opens and unpickles another file"),
    ("torch", "load", "it opens and unpickles another file"),
    ("numpy", "load", "it opens and may unpickle another file"),
    ("torch.hub", "load", "it downloads and runs code"),
];

/// Other packages, or single modules and functions of them, that are known to be harmful: by the beginning of the full
/// name. This list helps only, since whatever is not on it still needs trust.
pub(super) const HARMFUL: &[(&str, &str)] = &[
    ("cloudpickle", "it makes functions of the byte code in the file"),
    ("joblib.externals.cloudpickle", "it makes functions of the byte code in the file"),
    ("ray.cloudpickle", "it makes functions of the byte code in the file"),
    ("dill", "it makes functions of the byte code in the file, and looks up names that it is given"),
    ("joblib.load", "it unpickles another file"),
    ("joblib.numpy_pickle.load", "it unpickles another file"),
    ("pandas.read_pickle", "it unpickles another file"),
    ("pandas.io.pickle", "it unpickles another file"),
    ("pandas.eval", "it evaluates text"),
    ("pandas.core.computation", "it evaluates text"),
    ("jsonpickle", "it makes any object that its text names"),
    ("yaml", "it makes any object that its text names"),
    ("hydra", "it calls whatever it is told to"),
    ("numexpr", "it evaluates text"),
    ("asteval", "it evaluates text"),
    ("sympy.sympify", "it evaluates text"),
    ("sympy.core.sympify", "it evaluates text"),
    ("sympy.parsing", "it evaluates text"),
    ("jinja2", "it compiles templates"),
    ("mako", "it compiles templates"),
    ("IPython", "it runs text as a program"),
    ("ipykernel", "it runs text as a program"),
    ("cffi", "it loads and compiles libraries"),
    ("Cython", "it compiles and loads text"),
    ("psutil", "it starts and ends processes"),
    ("pexpect", "it starts processes"),
    ("ptyprocess", "it starts processes"),
    ("sh", "it starts processes"),
    ("plumbum", "it starts processes"),
    ("invoke", "it starts processes"),
    ("fabric", "it starts processes on other machines"),
    ("paramiko", "it connects to other machines"),
    ("requests", "it connects to other machines"),
    ("httpx", "it connects to other machines"),
    ("aiohttp", "it connects to other machines"),
    ("urllib3", "it connects to other machines"),
    ("websocket", "it connects to other machines"),
    ("websockets", "it connects to other machines"),
    ("tornado", "it connects to other machines and starts processes"),
    ("twisted", "it connects to other machines and starts processes"),
    ("gevent", "it connects to other machines and starts processes"),
    ("eventlet", "it is Python's standard library under another name"),
    ("six.moves", "it is Python's standard library under another name"),
    ("future.moves", "it is Python's standard library under another name"),
    ("past.builtins", "it is Python's standard library under another name"),
    ("past.utils", "it is Python's standard library under another name"),
];

impl Row {
    pub(super) fn covers(&self, module: &str, name: &str) -> bool {
        let in_module = match self.module.strip_suffix(".*") {
            None => module == self.module,
            Some(parent) => module.strip_prefix(parent).is_some_and(|below| below.is_empty() || below.starts_with('.')),
        };
        in_module && self.names.hold(name)
    }
}

impl Names {
    fn hold(self, name: &str) -> bool {
        match self {
            These(names) => names.contains(&name),
            Ending(stems, end) => name.strip_suffix(end).is_some_and(|stem| stems.contains(&stem)),
            AnyEnding(end) => name.ends_with(end) && is_class(name),
            Classes => is_class(name),
            Any => is_plain(name),
            AttributesOf(classes) => {
                name.split_once('.').is_some_and(|(class, attribute)| classes.contains(&class) && is_plain(attribute))
            }
        }
    }
}

/// Whether a name looks as names of classes do.
pub(super) fn is_class(name: &str) -> bool {
    is_plain(name) && name.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether a name is one attribute of a module or class, and none of those that lead on to everything else.
fn is_plain(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && !name.is_empty() && !name.starts_with("__")
}
