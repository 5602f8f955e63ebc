//! The object graph that a pickle describes: an arena of 16-byte nodes, addressed by [`NodeId`].
//!
//! Sharing is two references to one id, cycles are representable, and dropping a graph frees a handful of vectors however
//! deep the objects nest. Text and byte strings lie in one buffer each, and nodes hold ranges of them.

use super::part::Part;
use super::sequence::{Sequences, Span};

/// A reference to a node, or a small integer carried in the reference itself (top bit set, 31-bit two's complement).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    const INLINE: u32 = 1 << 31;
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FALSE: Self = Self(1);
    pub(crate) const TRUE: Self = Self(2);
    pub(crate) const EMPTY_TUPLE: Self = Self(3);
    /// No node: no arena is as long.
    pub(super) const UNSET: Self = Self(Self::INLINE - 1);

    pub(crate) const fn bool(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    /// The reference that carries `value`, if 31 bits hold it.
    pub(crate) const fn small_int(value: i32) -> Option<Self> {
        if value >= -(1 << 30) && value < (1 << 30) { Some(Self(value.cast_unsigned() | Self::INLINE)) } else { None }
    }

    pub(super) const fn as_small_int(self) -> Option<i32> {
        if self.0 & Self::INLINE == 0 {
            return None;
        }
        // Bit 30 is the sign: shift it to the top and back.
        Some((self.0 << 1).cast_signed() >> 1)
    }

    /// The reference to the node at a position of the arena, if 31 bits hold it.
    pub(super) fn at(index: usize) -> Option<Self> {
        u32::try_from(index).ok().filter(|&index| index < Self::UNSET.0).map(Self)
    }

    /// The position in the arena; `None` for an inline integer.
    pub(crate) const fn index(self) -> Option<usize> {
        if self.0 & Self::INLINE == 0 { Some(self.0 as usize) } else { None }
    }
}

/// A distinct (module, name) pair of the pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GlobalId(u32);

impl GlobalId {
    pub(super) fn at(index: usize) -> Option<Self> {
        u32::try_from(index).ok().map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which opcode made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Reduce,
    NewObj,
    NewObjEx,
    Inst,
    Obj,
}

impl Made {
    /// The opcode's name as `pickletools` gives it.
    pub(crate) const fn opcode(self) -> &'static str {
        match self {
            Self::Reduce => "REDUCE",
            Self::NewObj => "NEWOBJ",
            Self::NewObjEx => "NEWOBJ_EX",
            Self::Inst => "INST",
            Self::Obj => "OBJ",
        }
    }
}

/// A node as its reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'g> {
    None,
    Bool(bool),
    Int(i64),
    /// Wider than 64 bits: two's complement, little endian, shortest form.
    BigInt(&'g [u8]),
    Float(f64),
    Str(Text<'g>),
    /// A byte string of Python 2, which may be text or data.
    PyString(&'g [u8]),
    Bytes(&'g [u8]),
    ByteArray(&'g [u8]),
    Tuple(&'g [NodeId]),
    List(&'g [NodeId]),
    Dict(&'g [(NodeId, NodeId)]),
    Set(&'g [NodeId]),
    FrozenSet(&'g [NodeId]),
    Global(GlobalId),
    /// An object that lies outside the pickle, named by its persistent id.
    Persistent(NodeId),
    /// A code of Python's `copyreg` extension registry.
    Extension(i32),
    Object(Object<'g>),
}

/// Text of the pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'g> {
    /// Lone surrogates, which Rust text cannot hold, are replaced by U+FFFD.
    pub(crate) text: &'g str,
    /// The bytes as pickled (UTF-8 with lone surrogates), where they differ from `text`.
    pub(crate) surrogates: Option<&'g [u8]>,
}

/// Something that Python would have made by calling `callable`, with everything that was done to it since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'g> {
    pub(crate) made: Made,
    pub(crate) callable: NodeId,
    /// The arguments as pickled: a tuple, unless a REDUCE was given something else.
    pub(crate) args: NodeId,
    pub(crate) kwargs: Option<NodeId>,
    /// The state of each BUILD, in order.
    pub(crate) states: &'g [NodeId],
    /// What was appended or added to it.
    pub(crate) items: &'g [NodeId],
    /// What was set in it, one entry a key.
    pub(crate) entries: &'g [(NodeId, NodeId)],
}

/// A node as it is stored; spans are of the graph's field named beside them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Repr {
    None,
    Bool(bool),
    Int(i64),
    /// `raw`
    BigInt(Span),
    Float(f64),
    /// `text`
    Str(Span),
    /// Index into `surrogates`.
    SurrogateStr(u32),
    /// `raw`
    PyString(Span),
    /// `raw`
    Bytes(Span),
    /// Index into `long_bytes`.
    LongBytes(u32),
    /// `raw`
    ByteArray(Span),
    /// `refs`
    Tuple(Span),
    /// `refs`
    List(Span),
    /// `pairs`
    Dict(Span),
    /// `refs`
    Set(Span),
    /// `refs`
    FrozenSet(Span),
    Global(GlobalId),
    Persistent {
        id: NodeId,
        offset: u32,
    },
    Extension(i32),
    /// An object to which nothing was done since it was made: most of them.
    Call {
        made: Made,
        callable: NodeId,
        args: NodeId,
        offset: u32,
    },
    /// Index into `objects`.
    Object {
        index: u32,
        offset: u32,
    },
}

const _: () = assert!(size_of::<Repr>() == 16);

impl Repr {
    pub(super) const fn kind_name(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) | Self::SurrogateStr(_) => "str",
            Self::PyString(_) => "str of Python 2",
            Self::Bytes(_) | Self::LongBytes(_) => "bytes",
            Self::ByteArray(_) => "bytearray",
            Self::Tuple(_) => "tuple",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::FrozenSet(_) => "frozenset",
            Self::Global(_) => "global",
            Self::Persistent { .. } => "persistent object",
            Self::Extension(_) => "extension code",
            Self::Call { .. } | Self::Object { .. } => "object",
        }
    }
}

/// What [`Object`] borrows; spans as in [`Repr`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectData {
    pub(super) made: Made,
    pub(super) callable: NodeId,
    pub(super) args: NodeId,
    pub(super) kwargs: Option<NodeId>,
    pub(super) states: Span,
    pub(super) items: Span,
    pub(super) entries: Span,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GlobalName {
    pub(super) module: Span,
    pub(super) name: Span,
    pub(super) offset: u32,
}

impl GlobalName {
    /// The offset of what no pickle says. No pickle is as long.
    pub(super) const MADE: u32 = u32::MAX;

    pub(super) const fn is_made(&self) -> bool {
        self.offset == Self::MADE
    }
}

/// A byte string that is long enough to be worth freeing by itself: a storage within a pickle.
#[derive(Clone, Debug)]
pub(super) struct LongBytes {
    /// Where it lies in the pickle.
    pub(super) offset: u32,
    pub(super) bytes: Box<[u8]>,
}

impl LongBytes {
    pub(super) const LEAST: usize = 4096;
}

/// The graph; see the module's documentation. [`Builder`](super::build::Builder) makes it.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(super) nodes: Vec<Repr>,
    pub(super) refs: Sequences<NodeId>,
    pub(super) pairs: Sequences<(NodeId, NodeId)>,
    pub(super) text: String,
    pub(super) raw: Vec<u8>,
    pub(super) long_bytes: Vec<LongBytes>,
    /// Text and bytes of strings with lone surrogates.
    pub(super) surrogates: Vec<(Span, Span)>,
    pub(super) objects: Vec<ObjectData>,
    pub(super) globals: Vec<GlobalName>,
    /// Where it was [composed](super::compose::Composer) of several pickles.
    pub(super) parts: Vec<Part>,
    /// Where a listing does not follow the containers: its leaves in order, each with the keys (in `refs`) that lead to it.
    pub(super) listed: Vec<(Span, NodeId)>,
    pub(super) root: NodeId,
}

impl Graph {
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// Every node of the arena in the order in which the pickle made them (inline integers have none).
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(NodeId::INLINE)).map(NodeId)
    }

    /// The node behind an id of this graph.
    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        let Some(index) = id.index() else {
            return Node::Int(id.as_small_int().unwrap_or_default().into());
        };
        match self.nodes.get(index).copied().unwrap_or(Repr::None) {
            Repr::None => Node::None,
            Repr::Bool(value) => Node::Bool(value),
            Repr::Int(value) => Node::Int(value),
            Repr::BigInt(span) => Node::BigInt(self.raw(span)),
            Repr::Float(value) => Node::Float(value),
            Repr::Str(span) => Node::Str(Text { text: self.text(span), surrogates: None }),
            Repr::SurrogateStr(index) => {
                let (text, raw) = self.surrogates.get(index as usize).copied().unwrap_or_default();
                Node::Str(Text { text: self.text(text), surrogates: Some(self.raw(raw)) })
            }
            Repr::PyString(span) => Node::PyString(self.raw(span)),
            Repr::Bytes(span) => Node::Bytes(self.raw(span)),
            Repr::LongBytes(index) => {
                Node::Bytes(self.long_bytes.get(index as usize).map(|long| &*long.bytes).unwrap_or_default())
            }
            Repr::ByteArray(span) => Node::ByteArray(self.raw(span)),
            Repr::Tuple(span) => Node::Tuple(self.refs.get(span)),
            Repr::List(span) => Node::List(self.refs.get(span)),
            Repr::Dict(span) => Node::Dict(self.pairs.get(span)),
            Repr::Set(span) => Node::Set(self.refs.get(span)),
            Repr::FrozenSet(span) => Node::FrozenSet(self.refs.get(span)),
            Repr::Global(id) => Node::Global(id),
            Repr::Persistent { id, .. } => Node::Persistent(id),
            Repr::Extension(code) => Node::Extension(code),
            Repr::Call { made, callable, args, .. } => {
                Node::Object(Object { made, callable, args, kwargs: None, states: &[], items: &[], entries: &[] })
            }
            Repr::Object { index, .. } => match self.objects.get(index as usize) {
                Some(data) => Node::Object(Object {
                    made: data.made,
                    callable: data.callable,
                    args: data.args,
                    kwargs: data.kwargs,
                    states: self.refs.get(data.states),
                    items: self.refs.get(data.items),
                    entries: self.pairs.get(data.entries),
                }),
                None => Node::None,
            },
        }
    }

    /// The persistent references in the order of the pickle, each with its id.
    pub(crate) fn persistents(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.ids().zip(&self.nodes).filter_map(|(node, repr)| match *repr {
            Repr::Persistent { id, .. } => Some((node, id)),
            _ => None,
        })
    }

    /// The objects in the order of the pickle, each with what was called and the arguments.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (NodeId, NodeId, NodeId)> {
        self.ids().zip(&self.nodes).filter_map(|(node, repr)| match *repr {
            Repr::Call { callable, args, .. } => Some((node, callable, args)),
            Repr::Object { index, .. } => self.objects.get(index as usize).map(|it| (node, it.callable, it.args)),
            _ => None,
        })
    }

    // What `node` gives, asked for one kind only: for those who ask for every tensor.

    #[inline]
    pub(crate) fn as_int(&self, id: NodeId) -> Option<i64> {
        match (id.as_small_int(), self.repr(id)) {
            (Some(value), _) => Some(value.into()),
            (None, Some(Repr::Int(value))) => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_str(&self, id: NodeId) -> Option<&str> {
        match self.repr(id) {
            Some(Repr::Str(span)) => Some(self.text(span)),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_tuple(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.repr(id) {
            Some(Repr::Tuple(span)) => Some(self.refs.get(span)),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_global(&self, id: NodeId) -> Option<GlobalId> {
        match self.repr(id) {
            Some(Repr::Global(id)) => Some(id),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_persistent(&self, id: NodeId) -> Option<NodeId> {
        match self.repr(id) {
            Some(Repr::Persistent { id, .. }) => Some(id),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn is_object(&self, id: NodeId) -> bool {
        matches!(self.repr(id), Some(Repr::Call { .. } | Repr::Object { .. }))
    }

    /// What a node is, in one or two words, for messages.
    pub(crate) fn kind_name(&self, id: NodeId) -> &'static str {
        self.repr(id).map_or("int", |repr| repr.kind_name())
    }

    /// The stored node; `None` for an inline integer.
    #[inline]
    pub(super) fn repr(&self, id: NodeId) -> Option<Repr> {
        self.nodes.get(id.index()?).copied()
    }

    /// The bytes of a string with lone surrogates.
    pub(super) fn surrogates(&self, id: NodeId) -> Option<&[u8]> {
        match self.repr(id)? {
            Repr::SurrogateStr(index) => self.surrogates.get(index as usize).map(|&(_, raw)| self.raw(raw)),
            _ => None,
        }
    }

    /// Whether some text had lone surrogates that were replaced, so that two texts may read alike.
    pub(crate) fn has_surrogates(&self) -> bool {
        !self.surrogates.is_empty()
    }

    /// The byte offset, in the pickle, of the opcode that made an object or a persistent reference.
    pub(crate) fn offset(&self, id: NodeId) -> Option<u64> {
        let offset = match *self.nodes.get(id.index()?)? {
            Repr::Call { offset, .. } | Repr::Object { offset, .. } | Repr::Persistent { offset, .. } => offset,
            Repr::Global(id) => self.globals.get(id.index())?.offset,
            _ => return None,
        };
        (offset != GlobalName::MADE).then(|| offset.into())
    }

    /// Where a byte string lies in its pickle, if it is a long one.
    pub(crate) fn place_of_bytes(&self, id: NodeId) -> Option<std::ops::Range<u64>> {
        match self.repr(id)? {
            Repr::LongBytes(index) => {
                let long = self.long_bytes.get(index as usize)?;
                let start = u64::from(long.offset);
                Some(start..start.saturating_add(long.bytes.len() as u64))
            }
            _ => None,
        }
    }

    /// Whether no pickle mentions a global: it stands for something that the container says.
    pub(crate) fn is_made(&self, id: GlobalId) -> bool {
        self.globals.get(id.index()).is_some_and(GlobalName::is_made)
    }

    /// The distinct globals in order of first mention.
    pub(crate) fn globals(&self) -> impl ExactSizeIterator<Item = GlobalId> + use<> {
        (0..u32::try_from(self.globals.len()).unwrap_or(u32::MAX)).map(GlobalId)
    }

    /// Module and name of a global, as pickled.
    pub(crate) fn global(&self, id: GlobalId) -> (&str, &str) {
        self.globals.get(id.index()).map_or(("", ""), |g| (self.text(g.module), self.text(g.name)))
    }

    /// The byte offset, in the pickle, of a global's first mention.
    pub(crate) fn global_offset(&self, id: GlobalId) -> u64 {
        self.globals.get(id.index()).map_or(0, |g| g.offset.into())
    }

    #[inline]
    pub(super) fn text(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    #[inline]
    pub(super) fn raw(&self, span: Span) -> &[u8] {
        self.raw.get(span.range()).unwrap_or_default()
    }
}
