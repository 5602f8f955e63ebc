//! What a value is to a data format: the one place that says which of serde's and pickle's plain shapes a Python object
//! takes, and which objects take none.

use std::borrow::Cow;

use super::Value;
use crate::pickle::graph::{Made, Node, NodeId};
use crate::torch::numpy::{Array, Scalar};
use crate::torch::{Constructor, Entries, Meaning, Meant, Opaque, python2_text, renamed};

/// Objects that stand for their one argument are followed this deep; Python writes one or two.
const STAND_INS: usize = 8;

/// What the reader would rather have of an object that offers several shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Any,
    Scalar,
    Seq,
    Map,
}

#[derive(Debug)]
pub(super) enum Plain<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// Wider than 128 bits: two's complement, little endian.
    BigInt(&'a [u8]),
    Float(f64),
    Complex(f64, f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A byte string of Python 2, which may be text or data.
    PyString(&'a [u8]),
    Seq(
        #[cfg_attr(not(feature = "serde-pickle"), expect(dead_code, reason = "serde has one kind of sequence"))]
        SeqKind,
        Items<'a>,
    ),
    Map(Pairs<'a>),
    Array(Array<'a>),
    /// What it is instead, for a message.
    Refused(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeqKind {
    List,
    Tuple,
    Set,
    FrozenSet,
}

/// The items of a sequence, which may come in two parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Items<'a> {
    first: &'a [NodeId],
    second: &'a [NodeId],
}

impl<'a> Items<'a> {
    fn new(first: &'a [NodeId]) -> Self {
        Self { first, second: &[] }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len().saturating_add(self.second.len())
    }

    pub(super) fn at(&self, index: usize) -> Option<NodeId> {
        match self.first.get(index) {
            Some(&item) => Some(item),
            None => self.second.get(index.checked_sub(self.first.len())?).copied(),
        }
    }
}

/// The entries of a mapping, in order.
#[derive(Debug)]
pub(super) enum Pairs<'a> {
    Dict(Entries<'a>),
    Set(&'a [(NodeId, NodeId)]),
    Attributes(Vec<(NodeId, NodeId)>),
}

impl Pairs<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Dict(entries) => entries.len(),
            Self::Set(entries) => entries.len(),
            Self::Attributes(entries) => entries.len(),
        }
    }

    pub(super) fn at(&self, index: usize) -> Option<(NodeId, NodeId)> {
        match self {
            Self::Dict(entries) => entries.at(index),
            Self::Set(entries) => entries.get(index).copied(),
            Self::Attributes(entries) => entries.get(index).copied(),
        }
    }
}

impl Plain<'_> {
    /// What a long text or blob counts for beside the value that it is: one byte of a pickle can mention it again, and
    /// whoever owns what he reads has a copy each time. The default [`Limits`](crate::Limits) allow 640 MB, more than a
    /// pickle can hold.
    pub(super) fn weight(&self) -> usize {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::PyString(bytes) | Self::BigInt(bytes) => bytes.len(),
            _ => 0,
        };
        bytes / 64
    }
}

impl From<Scalar> for Plain<'_> {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Int(value) => Self::Int(value),
            Scalar::Float(value) => Self::Float(value),
            Scalar::Complex(re, im) => Self::Complex(re, im),
            Scalar::Text(text) => Self::Text(Cow::Owned(text)),
            Scalar::Bytes(bytes) => Self::Bytes(Cow::Owned(bytes)),
        }
    }
}

/// An object's own shape, or the value that it stands for.
enum Shape<'a> {
    Is(Plain<'a>),
    StandsFor(NodeId),
}

/// The plain shape of a value.
pub(super) fn plain<'a>(value: Value<'a>, prefer: Prefer) -> Plain<'a> {
    let mut value = value;
    for _ in 0..STAND_INS {
        match shape(value, prefer) {
            Shape::Is(plain) => return plain,
            Shape::StandsFor(node) => value = value.at(node),
        }
    }
    Plain::Refused("objects that stand for objects without end".to_owned())
}

fn shape<'a>(value: Value<'a>, prefer: Prefer) -> Shape<'a> {
    Shape::Is(match value.meant() {
        Meant::None => Plain::None,
        Meant::Bool(value) => Plain::Bool(value),
        Meant::Int(value) => Plain::Int(value.into()),
        Meant::BigInt(bytes) => wide(bytes),
        Meant::Float(value) => Plain::Float(value),
        Meant::Complex(re, im) => Plain::Complex(re, im),
        Meant::Str(text) => Plain::Text(Cow::Borrowed(text.text)),
        Meant::PyString(bytes) => Plain::PyString(bytes),
        Meant::Bytes(bytes) | Meant::ByteArray(bytes) => Plain::Bytes(bytes),
        Meant::List(items) => Plain::Seq(SeqKind::List, Items::new(items)),
        Meant::Tuple(items) | Meant::Size(items) => Plain::Seq(SeqKind::Tuple, Items::new(items)),
        Meant::Set(items) => Plain::Seq(SeqKind::Set, Items::new(items)),
        Meant::FrozenSet(items) => Plain::Seq(SeqKind::FrozenSet, Items::new(items)),
        Meant::Dict(entries) => Plain::Map(Pairs::Dict(entries)),
        Meant::DType(dtype) => Plain::Text(Cow::Owned(dtype.to_string())),
        Meant::Device(device) => Plain::Text(Cow::Owned(device.to_string())),
        Meant::Layout(name) | Meant::QScheme(name) => Plain::Text(Cow::Borrowed(name)),
        Meant::Global(_) => match value.program().qualified_name(value.node()) {
            Some(name) => Plain::Text(Cow::Owned(name)),
            None => Plain::Refused("a name".to_owned()),
        },
        Meant::Tensor(tensor) => {
            Plain::Refused(format!("a tensor {} {:?}; use as_tensor", tensor.dtype(), tensor.shape()))
        }
        Meant::Storage(storage) => Plain::Refused(format!("a storage of {} bytes; use as_storage", storage.nbytes())),
        Meant::Extension(code) => Plain::Refused(format!("copyreg extension {code}")),
        Meant::Object(object) => return object_shape(value, &object, prefer),
    })
}

fn wide(bytes: &[u8]) -> Plain<'_> {
    let mut word = match bytes.last() {
        Some(128..) => [0xff; 16],
        _ => [0; 16],
    };
    match word.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Plain::Int(i128::from_le_bytes(word))
        }
        None => Plain::BigInt(bytes),
    }
}

/// How an object was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Making {
    /// `cls.__new__(cls, *args)`
    New,
    /// `copyreg._reconstructor`: the argument is the value of the built-in base class.
    Reconstructed,
    /// `callable(*args)`
    Called,
}

fn object_shape<'a>(value: Value<'a>, object: &Opaque<'a>, prefer: Prefer) -> Shape<'a> {
    let program = value.program();
    if let Some(scalar) = program.numpy_scalar(value.node()) {
        return Shape::Is(scalar.into());
    }
    if let Some(array) = program.numpy_array(value.node()) {
        return Shape::Is(Plain::Array(array));
    }
    let (module, name) = class_name(value, object);
    if let ("collections", "deque") = (module, name) {
        // Python 2 gives the items as an argument, Python 3 appends them.
        let given = match object.args.first().map(|&given| value.at(given).meant()) {
            Some(Meant::List(items) | Meant::Tuple(items)) => items,
            _ => &[],
        };
        return Shape::Is(Plain::Seq(SeqKind::List, Items { first: given, second: object.items }));
    }
    if matches!(module, "pathlib" | "pathlib._local")
        && let Some(path) = path_text(value, name, object.args)
    {
        return Shape::Is(Plain::Text(Cow::Owned(path)));
    }
    if let [only] = object.args
        && prefer == Prefer::Scalar
        && is_scalar(value, *only)
        && stands_for_argument(value, module, name)
    {
        return Shape::StandsFor(*only);
    }
    container_shape(value, object, prefer).unwrap_or_else(|| argument_shape(value, object, module, name, prefer))
}

/// Entries, items or attributes, whichever there are.
fn container_shape<'a>(value: Value<'a>, object: &Opaque<'a>, prefer: Prefer) -> Option<Shape<'a>> {
    let list = (!object.items.is_empty()).then(|| Plain::Seq(SeqKind::List, Items::new(object.items)));
    if !object.entries.is_empty() && (prefer != Prefer::Seq || list.is_none()) {
        return Some(Shape::Is(Plain::Map(Pairs::Set(object.entries))));
    }
    if list.is_some() && prefer != Prefer::Map {
        return list.map(Shape::Is);
    }
    if prefer == Prefer::Seq && !object.args.is_empty() && making(value) == Making::New {
        return None;
    }
    let attributes: Vec<_> = value.program().attributes(object.states).collect();
    if !attributes.is_empty() {
        return Some(Shape::Is(Plain::Map(Pairs::Attributes(attributes))));
    }
    if list.is_some() {
        return list.map(Shape::Is);
    }
    let is_attributes = |state: &NodeId| match value.at(*state).meant() {
        Meant::None | Meant::Dict(_) => true,
        Meant::Tuple(&[dict, slots]) => {
            [dict, slots].into_iter().all(|part| matches!(value.at(part).meant(), Meant::None | Meant::Dict(_)))
        }
        _ => false,
    };
    if !object.states.iter().all(is_attributes) {
        return Some(Shape::Is(Plain::Refused(format!(
            "an object of `{}` with a state of its own; use Value::state",
            value.type_name()
        ))));
    }
    let empty = object.args.is_empty()
        && object.kwargs.is_none()
        && (!object.states.is_empty() || making(value) != Making::Called);
    empty.then(|| Shape::Is(Plain::Map(Pairs::Attributes(Vec::new()))))
}

/// An object that is nothing but its arguments: a named tuple, an enum's member, an instance of a subclass of `str`.
fn argument_shape<'a>(value: Value<'a>, object: &Opaque<'a>, module: &str, name: &str, prefer: Prefer) -> Shape<'a> {
    let refused = || {
        Shape::Is(Plain::Refused(format!(
            "an object of `{}`, of which only its class knows the value; use Value::args and Value::state",
            value.type_name()
        )))
    };
    if object.kwargs.is_some() {
        return refused();
    }
    match (making(value), object.args) {
        (Making::Reconstructed, &[only]) => Shape::StandsFor(only),
        (Making::New, &[only]) if prefer != Prefer::Seq && is_scalar(value, only) => Shape::StandsFor(only),
        (Making::New, args) => Shape::Is(Plain::Seq(SeqKind::Tuple, Items::new(args))),
        (Making::Called, &[only])
            if stands_for_argument(value, module, name)
                && (is_scalar(value, only) || matches!(value.at(only).meant(), Meant::Tuple(_))) =>
        {
            Shape::StandsFor(only)
        }
        _ => refused(),
    }
}

fn making(value: Value<'_>) -> Making {
    let Node::Object(object) = value.program().graph().node(value.node()) else { return Making::Called };
    match (object.made, value.program().meaning_of(object.callable)) {
        (Made::NewObj | Made::NewObjEx, _) | (_, Some(Meaning::Construct(Constructor::NewObj))) => Making::New,
        // A subclass of `tuple` holds the values that a `tuple` would, and is no single value.
        (_, Some(Meaning::Construct(Constructor::Reconstructor))) => {
            match value.program().graph().as_tuple(object.args) {
                Some(&[_, _, held]) if matches!(value.program().graph().node(held), Node::Tuple(_)) => Making::New,
                _ => Making::Reconstructed,
            }
        }
        _ => Making::Called,
    }
}

/// `Class(value)` is how an enum's member is pickled, and a call of a function looks alike: a class has a capital letter.
fn stands_for_argument(value: Value<'_>, module: &str, name: &str) -> bool {
    if making(value) != Making::Called {
        return true;
    }
    let last = name.rsplit('.').next().unwrap_or(name).trim_start_matches('_');
    module != "builtins" && last.starts_with(char::is_uppercase)
}

fn is_scalar(value: Value<'_>, node: NodeId) -> bool {
    matches!(
        value.program().graph().node(node),
        Node::None | Node::Bool(_) | Node::Int(_) | Node::BigInt(_) | Node::Float(_) | Node::Str(_) | Node::PyString(_)
    )
}

fn class_name<'a>(value: Value<'a>, object: &Opaque<'a>) -> (&'a str, &'a str) {
    match value.program().graph().node(object.class) {
        Node::Global(id) => {
            let (module, name) = value.program().graph().global(id);
            renamed(module, name)
        }
        _ => ("", ""),
    }
}

/// A path's pieces joined as `pathlib` joins them; newer Pythons write fewer pieces, with separators in them.
fn path_text(value: Value<'_>, class: &str, args: &[NodeId]) -> Option<String> {
    let windows = match class {
        "PosixPath" | "PurePosixPath" => false,
        "WindowsPath" | "PureWindowsPath" => true,
        _ => return None,
    };
    let is_separator = |c: char| c == '/' || (windows && c == '\\');
    let mut path = String::new();
    for &arg in args {
        let piece = value.program().text(arg)?;
        let absolute = piece.starts_with(is_separator) || (windows && piece.as_bytes().get(1) == Some(&b':'));
        if absolute {
            path.clear();
        } else if !path.is_empty() && !path.ends_with(is_separator) {
            path.push(if windows { '\\' } else { '/' });
        }
        path.push_str(&piece);
    }
    Some(if path.is_empty() { ".".to_owned() } else { path })
}

/// Python 2 text as text.
pub(super) fn py_string_text(bytes: &[u8]) -> Cow<'_, str> {
    python2_text(bytes)
}

/// `getattr(Class, "NAME")`, as some versions of Python pickle an enum's member: the name.
pub(super) fn member_name<'a>(value: Value<'a>) -> Option<&'a str> {
    let Meant::Object(object) = value.meant() else { return None };
    let (("builtins", "getattr"), &[class, name]) = (class_name(value, &object), object.args) else { return None };
    match (value.at(class).meant(), value.at(name).meant()) {
        (Meant::Global(_), Meant::Str(text)) if text.surrogates.is_none() => Some(text.text),
        _ => None,
    }
}
