//! What a node of the graph means as a value: the calls by which Python pickles its own types become those types.

use std::borrow::Cow;

use super::globals::{Builder, Constructor, Meaning, Rebuild};
use super::program::Program;
use super::text::{ascii_or_text, latin1, python2_text};
use crate::device::Device;
use crate::pickle::graph::{GlobalId, Node, NodeId, Object, Text};
use crate::tensor::{DType, Storage, Tensor};

/// A node as a value.
#[derive(Debug)]
pub(crate) enum Meant<'p> {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, little endian.
    BigInt(&'p [u8]),
    Float(f64),
    Complex(f64, f64),
    Str(Text<'p>),
    PyString(&'p [u8]),
    Bytes(Cow<'p, [u8]>),
    ByteArray(Cow<'p, [u8]>),
    List(&'p [NodeId]),
    Tuple(&'p [NodeId]),
    Size(&'p [NodeId]),
    Dict(Entries<'p>),
    Set(&'p [NodeId]),
    FrozenSet(&'p [NodeId]),
    Tensor(&'p Tensor),
    Storage(&'p Storage),
    DType(DType),
    Device(Device),
    /// `torch.strided`, …: the bare name.
    Layout(&'p str),
    QScheme(&'p str),
    /// A function or class, by name only.
    Global(GlobalId),
    Extension(i32),
    Object(Opaque<'p>),
}

/// An object of a class that this crate gives no meaning to, with everything the pickle says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opaque<'p> {
    /// What was called, usually the class.
    pub(crate) class: NodeId,
    pub(crate) args: &'p [NodeId],
    pub(crate) kwargs: Option<NodeId>,
    pub(crate) states: &'p [NodeId],
    pub(crate) items: &'p [NodeId],
    pub(crate) entries: &'p [(NodeId, NodeId)],
}

/// The entries of a mapping, in insertion order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'p>(&'p [(NodeId, NodeId)]);

impl<'p> Entries<'p> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The entry at a position.
    pub(crate) fn at(&self, index: usize) -> Option<(NodeId, NodeId)> {
        self.0.get(index).copied()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (NodeId, NodeId)> + use<'p> {
        self.0.iter().copied()
    }
}

impl Program {
    /// The value that a node stands for.
    pub(crate) fn meant(&self, node: NodeId) -> Meant<'_> {
        match self.graph().node(node) {
            Node::None => Meant::None,
            Node::Bool(value) => Meant::Bool(value),
            Node::Int(value) => Meant::Int(value),
            Node::BigInt(bytes) => Meant::BigInt(bytes),
            Node::Float(value) => Meant::Float(value),
            Node::Str(text) => Meant::Str(text),
            Node::PyString(bytes) => Meant::PyString(bytes),
            Node::Bytes(bytes) => Meant::Bytes(Cow::Borrowed(bytes)),
            Node::ByteArray(bytes) => Meant::ByteArray(Cow::Borrowed(bytes)),
            Node::Tuple(items) => Meant::Tuple(items),
            Node::List(items) => Meant::List(items),
            Node::Dict(entries) => Meant::Dict(Entries(entries)),
            Node::Set(items) => Meant::Set(items),
            Node::FrozenSet(items) => Meant::FrozenSet(items),
            Node::Global(id) => self.meant_global(id),
            Node::Persistent(id) => match self.storage(node) {
                Some(storage) => Meant::Storage(storage),
                // Persistent ids are resolved or refused when loading, so this is never met.
                None => {
                    Meant::Object(Opaque { class: id, args: &[], kwargs: None, states: &[], items: &[], entries: &[] })
                }
            },
            Node::Extension(code) => Meant::Extension(code),
            Node::Object(object) => match self.tensor(node) {
                Some(tensor) => Meant::Tensor(tensor),
                None => self.meant_object(&object),
            },
        }
    }

    fn meant_global(&self, id: GlobalId) -> Meant<'_> {
        let (_, name) = self.graph().global(id);
        match self.meaning(id) {
            Meaning::DType(dtype) => Meant::DType(dtype),
            Meaning::Layout => Meant::Layout(name),
            Meaning::QScheme => Meant::QScheme(name),
            _ => Meant::Global(id),
        }
    }

    fn meant_object<'p>(&'p self, object: &Object<'p>) -> Meant<'p> {
        let args = match self.graph().node(object.args) {
            Node::Tuple(args) => args,
            _ => &[],
        };
        let built = match self.meaning_of(object.callable) {
            Some(Meaning::Value(builder)) => self.build(builder, args, object),
            Some(Meaning::Construct(constructor)) => self.construct(constructor, args, object),
            Some(Meaning::Tensor(Rebuild::FromTypeV2 | Rebuild::FromType)) => self.subclass(args),
            _ => None,
        };
        built.unwrap_or(Meant::Object(Opaque {
            class: object.callable,
            args,
            kwargs: object.kwargs,
            states: object.states,
            items: object.items,
            entries: object.entries,
        }))
    }

    /// `None` if the arguments are not those that Python pickles.
    fn build<'p>(&'p self, builder: Builder, args: &'p [NodeId], object: &Object<'p>) -> Option<Meant<'p>> {
        let only = match *args {
            [only] => Some(self.graph().node(only)),
            _ => None,
        };
        Some(match builder {
            // What it was made of was set in it when the pickle was decoded, so that only a factory is left.
            Builder::Mapping => match args {
                [] => Meant::Dict(Entries(object.entries)),
                [_factory] if self.is_defaultdict(object.callable) => Meant::Dict(Entries(object.entries)),
                _ => return None,
            },
            Builder::Set | Builder::FrozenSet | Builder::List | Builder::Tuple => {
                let items = match only {
                    None if args.is_empty() => object.items,
                    Some(Node::List(items) | Node::Tuple(items)) if object.items.is_empty() => items,
                    _ => return None,
                };
                match builder {
                    Builder::Set => Meant::Set(items),
                    Builder::FrozenSet => Meant::FrozenSet(items),
                    Builder::List => Meant::List(items),
                    _ => Meant::Tuple(items),
                }
            }
            Builder::Size => match (only, args) {
                (Some(Node::Tuple(items) | Node::List(items)), _) => Meant::Size(items),
                (None, []) => Meant::Size(&[]),
                _ => return None,
            },
            Builder::Complex => match *args {
                [] => Meant::Complex(0.0, 0.0),
                [re] => Meant::Complex(self.real(re)?, 0.0),
                [re, im] => Meant::Complex(self.real(re)?, self.real(im)?),
                _ => return None,
            },
            Builder::Encode => Meant::Bytes(Cow::Owned(self.encoded(args)?)),
            Builder::Bytes => Meant::Bytes(self.bytes_argument(args)?),
            Builder::ByteArray => Meant::ByteArray(self.bytes_argument(args)?),
            Builder::Device => {
                let (&name, index) = args.split_first()?;
                let name = ascii_or_text(self.graph(), name)?;
                Meant::Device(match *index {
                    [] => Device::from_tag(name),
                    [index] => Device::from_tag(&format!("{name}:{}", self.graph().as_int(index)?)),
                    _ => return None,
                })
            }
            Builder::Layout => {
                let &[name] = args else { return None };
                let name = ascii_or_text(self.graph(), name)?;
                Meant::Layout(name.strip_prefix("torch.").unwrap_or(name))
            }
            Builder::TypeTag => match self.graph().node(*args.first()?) {
                // A tagged container holds tagged containers, but a tag around a tag stays what it is.
                Node::Object(inner) if self.meaning_of(inner.callable) == Some(Meaning::Value(Builder::TypeTag)) => {
                    return None;
                }
                _ => self.meant(*args.first()?),
            },
        })
    }

    fn construct<'p>(&'p self, constructor: Constructor, args: &'p [NodeId], object: &Object<'p>) -> Option<Meant<'p>> {
        let (&class, rest) = args.split_first()?;
        let (mut items, mut entries) = (object.items, object.entries);
        let args = match constructor {
            Constructor::GraphModule => {
                let states = args.get(..1)?;
                return Some(Meant::Object(Opaque {
                    class: object.callable,
                    args: rest,
                    kwargs: object.kwargs,
                    states,
                    items: object.items,
                    entries: object.entries,
                }));
            }
            Constructor::NewObj => rest,
            // `(cls, object, None)`, or `(cls, base, base's value)`: what a list, dict or tuple holds is the object's own.
            Constructor::Reconstructor => match rest {
                [_base, NodeId::NONE] => &[],
                [_base, value] => match self.graph().node(*value) {
                    Node::Tuple(fields) => fields,
                    Node::List(own) if items.is_empty() => {
                        items = own;
                        &[]
                    }
                    Node::Dict(own) if entries.is_empty() => {
                        entries = own;
                        &[]
                    }
                    _ => std::slice::from_ref(value),
                },
                _ => return None,
            },
        };
        Some(Meant::Object(Opaque { class, args, kwargs: object.kwargs, states: object.states, items, entries }))
    }

    /// `_rebuild_from_type_v2(func, class, args, state)` of a class that is no tensor here: an object of that class.
    fn subclass<'p>(&'p self, args: &'p [NodeId]) -> Option<Meant<'p>> {
        let [_func, class, inner, _state] = *args.first_chunk()?;
        let inner = match self.graph().node(inner) {
            Node::Tuple(inner) => inner,
            _ => &[],
        };
        let states = args.get(3..4)?;
        Some(Meant::Object(Opaque { class, args: inner, kwargs: None, states, items: &[], entries: &[] }))
    }

    fn is_defaultdict(&self, class: NodeId) -> bool {
        matches!(self.graph().node(class), Node::Global(id) if self.graph().global(id).1 == "defaultdict")
    }

    fn real(&self, node: NodeId) -> Option<f64> {
        match self.graph().node(node) {
            Node::Float(value) => Some(value),
            // Exact: Python itself writes floats here.
            Node::Int(value) => i32::try_from(value).ok().map(f64::from),
            _ => None,
        }
    }

    /// `_codecs.encode(text, "latin1")`.
    fn encoded(&self, args: &[NodeId]) -> Option<Vec<u8>> {
        let text = match self.graph().node(*args.first()?) {
            Node::Str(text) if text.surrogates.is_none() => latin1(text.text),
            Node::PyString(bytes) => Some(bytes.to_vec()),
            _ => None,
        };
        match *args {
            [_] => text,
            // The third says what to do with what the encoding lacks.
            [_, encoding] | [_, encoding, _] => match ascii_or_text(self.graph(), encoding)? {
                "latin1" | "latin-1" => text,
                _ => None,
            },
            _ => None,
        }
    }

    /// The argument of `bytes(…)` and `bytearray(…)`: nothing, bytes, or text with its encoding.
    fn bytes_argument(&self, args: &[NodeId]) -> Option<Cow<'_, [u8]>> {
        match *args {
            [] => Some(Cow::Borrowed(&[])),
            [only] => match self.graph().node(only) {
                Node::Bytes(bytes) | Node::PyString(bytes) => Some(Cow::Borrowed(bytes)),
                Node::Object(inner) => match self.meaning_of(inner.callable) {
                    Some(Meaning::Value(Builder::Encode)) => match self.graph().node(inner.args) {
                        Node::Tuple(args) => self.encoded(args).map(Cow::Owned),
                        _ => None,
                    },
                    Some(Meaning::Value(Builder::Bytes)) if inner.args == NodeId::EMPTY_TUPLE => {
                        Some(Cow::Borrowed(&[]))
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => self.encoded(args).map(Cow::Owned),
        }
    }

    /// The text of a node that is text: `str`, or a Python 2 byte string.
    pub(crate) fn text(&self, node: NodeId) -> Option<Cow<'_, str>> {
        match self.graph().node(node) {
            Node::Str(text) => Some(Cow::Borrowed(text.text)),
            Node::PyString(bytes) => Some(python2_text(bytes)),
            _ => None,
        }
    }

    /// `module.name` of a class or function, under its present name.
    pub(crate) fn qualified_name(&self, node: NodeId) -> Option<String> {
        let Node::Global(id) = self.graph().node(node) else { return None };
        let (module, name) = self.graph().global(id);
        let (module, name) = super::renamed(module, name);
        Some(format!("{module}.{name}"))
    }

    /// The entries that a BUILD set as attributes: of each state its dict, or its dict and slots, in order.
    pub(crate) fn attributes<'p>(&'p self, states: &'p [NodeId]) -> impl Iterator<Item = (NodeId, NodeId)> + use<'p> {
        states.iter().flat_map(move |&state| {
            let parts = match self.graph().node(state) {
                Node::Tuple(&[dict, slots]) => [Some(dict), Some(slots)],
                _ => [Some(state), None],
            };
            parts.into_iter().flatten().flat_map(move |part| {
                let entries = match self.meant(part) {
                    Meant::Dict(entries) => Some(entries),
                    _ => None,
                };
                entries.into_iter().flat_map(Entries::iter)
            })
        })
    }
}
