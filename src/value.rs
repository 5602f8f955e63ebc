//! A borrowed handle on the object graph: everything in the file that is not a tensor, and the tensors too.

mod contents;
mod deserialize;
mod inside;
mod plain;
#[cfg(feature = "serde-pickle")]
mod serde_pickle;
mod text;

use std::borrow::Cow;
use std::fmt;

use crate::pickle::graph::NodeId;
use crate::torch::{Meant, Program};

pub(crate) use deserialize::Failure;
pub(crate) use text::key_text;

/// What a [`Value`] is.
///
/// ```
/// use torch_checkpoint::Kind;
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
/// let kinds: Vec<Kind> = checkpoint.root().entries().map(|(_, value)| value.kind()).collect();
/// assert_eq!(kinds, [Kind::Dict, Kind::Int, Kind::Str, Kind::Float]);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
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
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/keys.pt")?;
/// let values = checkpoint.get("values").unwrap();
/// assert_eq!(values.get("a.b").unwrap().as_i64(), Some(3)); // `Key::Text`
/// assert_eq!(values.get(7).unwrap().as_i64(), Some(4)); // `Key::Int`
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
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
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// assert_eq!(checkpoint.get("epoch").unwrap().kind(), torch_checkpoint::Kind::Int);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
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
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// assert_eq!(checkpoint.get("args").unwrap().type_name(), "argparse.Namespace");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        text::type_name(self.program, self.node)
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
