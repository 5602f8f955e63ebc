//! A borrowed handle on the object graph: everything in the file that is not a tensor, and the tensors too.

mod deserialize;
mod plain;
#[cfg(feature = "serde-pickle")]
mod serde_pickle;
mod text;

use std::borrow::Cow;
use std::fmt;

use crate::device::Device;
use crate::pickle::graph::NodeId;
use crate::tensor::{DType, Storage, Tensor};
use crate::torch::{Entries, Meant, Opaque, Program};

pub(crate) use deserialize::Failure;
pub(crate) use text::key_text;

/// What a [`Value`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `None`
    None,
    /// `bool`
    Bool,
    /// `int`, of any size
    Int,
    /// `float`
    Float,
    /// `complex`
    Complex,
    /// `str`, or a byte string of Python 2
    Str,
    /// `bytes`
    Bytes,
    /// `bytearray`
    ByteArray,
    /// `list`
    List,
    /// `tuple`
    Tuple,
    /// `dict`, `OrderedDict`, `defaultdict`, `Counter`
    Dict,
    /// `set`
    Set,
    /// `frozenset`
    FrozenSet,
    /// A tensor: [`Value::as_tensor`]
    Tensor,
    /// A storage that is no tensor's: [`Value::as_storage`]
    Storage,
    /// `torch.Size`
    Size,
    /// `torch.dtype`
    DType,
    /// `torch.device`
    Device,
    /// `torch.layout`
    Layout,
    /// `torch.qscheme`
    QScheme,
    /// A function or class, by name
    Global,
    /// An object of any other class: its class, arguments, state and items are kept, and nothing of it was run
    Object,
}

/// One object of the file: a cheap, borrowed handle.
///
/// Accessors give `None` when the value is something else. Containers met twice are the same object, and containers may
/// hold themselves, so code that walks values should bound its depth.
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
/// let root = checkpoint.root();
/// let epoch = root.get("epoch").and_then(|epoch| epoch.as_i64());
/// assert!(epoch.is_some());
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a> {
    program: &'a Program,
    node: NodeId,
}

/// What [`Value::get`] looks up: a text key or attribute, or an integer key or position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key<'k> {
    /// A text key of a mapping; an attribute of an object, or an entry set in it like in a mapping.
    Text(&'k str),
    /// An integer key of a mapping, or a position in a list or tuple.
    Int(i64),
}

impl<'k> From<&'k str> for Key<'k> {
    fn from(text: &'k str) -> Self {
        Self::Text(text)
    }
}

impl<'k> From<&'k String> for Key<'k> {
    fn from(text: &'k String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Key<'_> {
    fn from(key: i32) -> Self {
        Self::Int(key.into())
    }
}

impl From<i64> for Key<'_> {
    fn from(key: i64) -> Self {
        Self::Int(key)
    }
}

impl From<usize> for Key<'_> {
    fn from(key: usize) -> Self {
        Self::Int(i64::try_from(key).unwrap_or(i64::MAX))
    }
}

impl<'a> Value<'a> {
    pub(crate) fn new(program: &'a Program, node: NodeId) -> Self {
        Self { program, node }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn program(&self) -> &'a Program {
        self.program
    }

    fn meant(&self) -> Meant<'a> {
        self.program.meant(self.node)
    }

    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.meant() {
            Meant::None => Kind::None,
            Meant::Bool(_) => Kind::Bool,
            Meant::Int(_) | Meant::BigInt(_) => Kind::Int,
            Meant::Float(_) => Kind::Float,
            Meant::Complex(..) => Kind::Complex,
            Meant::Str(_) | Meant::PyString(_) => Kind::Str,
            Meant::Bytes(_) => Kind::Bytes,
            Meant::ByteArray(_) => Kind::ByteArray,
            Meant::List(_) => Kind::List,
            Meant::Tuple(_) => Kind::Tuple,
            Meant::Size(_) => Kind::Size,
            Meant::Dict(_) => Kind::Dict,
            Meant::Set(_) => Kind::Set,
            Meant::FrozenSet(_) => Kind::FrozenSet,
            Meant::Tensor(_) => Kind::Tensor,
            Meant::Storage(_) => Kind::Storage,
            Meant::DType(_) => Kind::DType,
            Meant::Device(_) => Kind::Device,
            Meant::Layout(_) => Kind::Layout,
            Meant::QScheme(_) => Kind::QScheme,
            Meant::Global(_) => Kind::Global,
            Meant::Object(_) | Meant::Extension(_) => Kind::Object,
        }
    }

    /// The Python type's name: `int`, `collections.OrderedDict`, `argparse.Namespace`. For an object it is the name of
    /// what was called to make it.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        text::type_name(self.program, self.node)
    }

    /// Whether it is `None`.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.meant(), Meant::None)
    }

    /// A `bool`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.meant() {
            Meant::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` that fits; `None` for wider ones ([`as_int_bytes`](Self::as_int_bytes), [`Display`](fmt::Display)) and
    /// for a `bool`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.meant() {
            Meant::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` of any size as two's complement, least significant byte first, without superfluous bytes.
    #[must_use]
    pub fn as_int_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Int(value) => Some(Cow::Owned(num_bigint::BigInt::from(value).to_signed_bytes_le())),
            Meant::BigInt(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A `float`. An `int` is not one: use [`as_i64`](Self::as_i64).
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.meant() {
            Meant::Float(value) => Some(value),
            _ => None,
        }
    }

    /// A `complex`: real and imaginary part.
    #[must_use]
    pub fn as_complex(&self) -> Option<(f64, f64)> {
        match self.meant() {
            Meant::Complex(re, im) => Some((re, im)),
            _ => None,
        }
    }

    /// A `str`. Lone surrogates, which Rust text cannot hold, are U+FFFD here; [`as_str_bytes`](Self::as_str_bytes) has
    /// them. `None` for a Python 2 byte string that is not UTF-8: [`to_text`](Self::to_text) decodes that as latin1.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Str(text) => Some(text.text),
            Meant::PyString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Any text: [`as_str`](Self::as_str), and Python 2 byte strings that are not UTF-8 read as latin1.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        self.program.text(self.node)
    }

    /// The bytes of a `str` as the file has them: UTF-8, in which lone surrogates may stand as three bytes; of a Python
    /// 2 byte string its bytes.
    #[must_use]
    pub fn as_str_bytes(&self) -> Option<&'a [u8]> {
        match self.meant() {
            Meant::Str(text) => Some(text.surrogates.unwrap_or(text.text.as_bytes())),
            Meant::PyString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// `bytes`, `bytearray`, or a byte string of Python 2.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Bytes(bytes) | Meant::ByteArray(bytes) => Some(bytes),
            Meant::PyString(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A tensor.
    #[must_use]
    pub fn as_tensor(&self) -> Option<&'a Tensor> {
        self.program.tensor(self.node)
    }

    /// A tensor, or a numeric numpy array as a tensor with memory of its own (C or Fortran order kept as strides).
    #[must_use]
    pub fn to_tensor(&self) -> Option<Tensor> {
        self.as_tensor().cloned().or_else(|| self.program.array_tensor(self.node))
    }

    /// A storage that was saved as such.
    #[must_use]
    pub fn as_storage(&self) -> Option<&'a Storage> {
        self.program.storage(self.node)
    }

    /// The dtype of a storage that was saved as such; `uint8` if it is untyped, as torch loads it.
    pub(crate) fn storage_dtype(&self) -> Option<DType> {
        self.program.storage_dtype(self.node)
    }

    /// A `torch.dtype`.
    #[must_use]
    pub fn as_dtype(&self) -> Option<DType> {
        match self.meant() {
            Meant::DType(dtype) => Some(dtype),
            _ => None,
        }
    }

    /// A `torch.device`.
    #[must_use]
    pub fn as_device(&self) -> Option<Device> {
        match self.meant() {
            Meant::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The bare name of a `torch.layout` (`sparse_coo`), `torch.qscheme` (`per_tensor_affine`), function or class.
    #[must_use]
    pub fn as_name(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Layout(name) | Meant::QScheme(name) => Some(name),
            Meant::Global(id) => Some(self.program.graph().global(id).1),
            _ => None,
        }
    }

    /// How many items or entries a container has; `None` for what is not a container.
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        match self.meant() {
            Meant::Dict(entries) => Some(entries.len()),
            Meant::List(items)
            | Meant::Tuple(items)
            | Meant::Size(items)
            | Meant::Set(items)
            | Meant::FrozenSet(items) => Some(items.len()),
            _ => None,
        }
    }

    /// Whether it is a container that holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The value under a key of a mapping, at a position of a list or tuple, or of an attribute of an object.
    #[must_use]
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<Value<'a>> {
        match (key.into(), self.meant()) {
            (Key::Text(wanted), Meant::Dict(entries)) => entries
                .iter()
                .find(|&(key, _)| self.program.text(key).is_some_and(|text| text == wanted))
                .map(|(_, v)| v),
            (Key::Int(wanted), Meant::Dict(entries)) => {
                entries.iter().find(|&(key, _)| self.at(key).as_i64() == Some(wanted)).map(|(_, v)| v)
            }
            (Key::Int(wanted), Meant::List(items) | Meant::Tuple(items) | Meant::Size(items)) => {
                usize::try_from(wanted).ok().and_then(|index| items.get(index).copied())
            }
            (Key::Text(wanted), Meant::Object(object)) => {
                let named = |&(key, _): &(NodeId, NodeId)| self.program.text(key).is_some_and(|text| text == wanted);
                let attribute = self.program.attributes(object.states).filter(named).last();
                attribute.or_else(|| object.entries.iter().copied().find(named)).map(|(_, value)| value)
            }
            (Key::Int(wanted), Meant::Object(object)) => {
                usize::try_from(wanted).ok().and_then(|index| object.items.get(index).copied())
            }
            _ => None,
        }
        .map(|node| self.at(node))
    }

    /// The items of a list, tuple, `torch.Size` or set; of an object what was appended to it (a `deque`'s items). Empty
    /// for anything else.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'a>> + use<'a> {
        let items = match self.meant() {
            Meant::List(items)
            | Meant::Tuple(items)
            | Meant::Size(items)
            | Meant::Set(items)
            | Meant::FrozenSet(items) => items,
            Meant::Object(object) => object.items,
            _ => &[],
        };
        let handle = *self;
        items.iter().map(move |&item| handle.at(item))
    }

    /// The entries of a mapping in insertion order; of an object those set in it like in a mapping. Empty for anything
    /// else.
    pub fn entries(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let (dict, set): (Option<Entries<'a>>, &'a [(NodeId, NodeId)]) = match self.meant() {
            Meant::Dict(entries) => (Some(entries), &[]),
            Meant::Object(object) => (None, object.entries),
            _ => (None, &[]),
        };
        let handle = *self;
        dict.into_iter()
            .flat_map(Entries::iter)
            .chain(set.iter().copied())
            .map(move |(key, value)| (handle.at(key), handle.at(value)))
    }

    /// The attributes of an object, or of an `OrderedDict` that has some (`_metadata`), in order.
    pub fn attributes(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let handle = *self;
        self.program
            .attributes(self.program.states(self.node))
            .map(move |(key, value)| (handle.at(key), handle.at(value)))
    }

    /// The state that an object was given, if it is not a set of attributes: as pickled.
    #[must_use]
    pub fn state(&self) -> Option<Value<'a>> {
        self.program.states(self.node).last().map(|&state| self.at(state))
    }

    /// The arguments that an object was made with.
    pub fn args(&self) -> impl ExactSizeIterator<Item = Value<'a>> + use<'a> {
        let args = self.opaque().map(|object| object.args).unwrap_or_default();
        let handle = *self;
        args.iter().map(move |&arg| handle.at(arg))
    }

    /// The keyword arguments that an object was made with, as a mapping.
    #[must_use]
    pub fn kwargs(&self) -> Option<Value<'a>> {
        self.opaque()?.kwargs.map(|kwargs| self.at(kwargs))
    }

    /// Whether two handles are on the very same object, as Python's `is`.
    #[must_use]
    pub fn is(&self, other: &Value<'_>) -> bool {
        std::ptr::eq(self.program, other.program) && self.node == other.node
    }

    fn opaque(&self) -> Option<Opaque<'a>> {
        match self.meant() {
            Meant::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Python's `str(value)` for plain values; containers and objects are summarised, not expanded.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::summary(self.program, self.node))
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}: {self})", self.kind())
    }
}
