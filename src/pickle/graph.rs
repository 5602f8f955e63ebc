//! The object graph that a pickle describes: an arena of 16-byte nodes, addressed by [`NodeId`].
//!
//! Sharing is two references to one id, cycles are representable, and dropping a graph frees a handful of vectors however
//! deep the objects nest. Text and byte strings lie in one buffer each, and nodes hold ranges of them.

use crate::error::Error;

/// A reference to a node, or a small integer carried in the reference itself (top bit set, 31-bit two's complement).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    const INLINE: u32 = 1 << 31;
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FALSE: Self = Self(1);
    pub(crate) const TRUE: Self = Self(2);
    pub(crate) const EMPTY_TUPLE: Self = Self(3);

    pub(crate) const fn bool(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    /// The reference that carries `value`, if 31 bits hold it.
    pub(crate) const fn small_int(value: i32) -> Option<Self> {
        if value >= -(1 << 30) && value < (1 << 30) { Some(Self(value.cast_unsigned() | Self::INLINE)) } else { None }
    }

    const fn as_small_int(self) -> Option<i32> {
        if self.0 & Self::INLINE == 0 {
            return None;
        }
        // Bit 30 is the sign: shift it to the top and back.
        Some((self.0 << 1).cast_signed() >> 1)
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

/// A range of `text`, `raw` or `refs`.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
enum Repr {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Span),
    Float(f64),
    Str(Span),
    /// Index into `surrogates`.
    SurrogateStr(u32),
    PyString(Span),
    Bytes(Span),
    ByteArray(Span),
    Tuple(Span),
    /// Index into `lists`, or `EMPTY`.
    List(u32),
    Dict(u32),
    Set(u32),
    FrozenSet(u32),
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
    Object {
        index: u32,
        offset: u32,
    },
}

/// Container index of a container that holds nothing yet and so owns no vector.
const EMPTY: u32 = u32::MAX;

#[derive(Debug)]
struct ObjectData {
    made: Made,
    callable: NodeId,
    args: NodeId,
    kwargs: Option<NodeId>,
    states: Vec<NodeId>,
    items: Vec<NodeId>,
    entries: Vec<(NodeId, NodeId)>,
}

#[derive(Debug)]
struct GlobalName {
    module: Span,
    name: Span,
    offset: u32,
}

/// The graph; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Repr>,
    refs: Vec<NodeId>,
    text: String,
    raw: Vec<u8>,
    /// Text and bytes of strings with lone surrogates.
    surrogates: Vec<(Span, Span)>,
    lists: Vec<Vec<NodeId>>,
    dicts: Vec<Vec<(NodeId, NodeId)>>,
    objects: Vec<ObjectData>,
    globals: Vec<GlobalName>,
    root: NodeId,
}

/// What a container opcode met instead of a container it can extend.
pub(crate) struct NotAContainer;

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
            Repr::ByteArray(span) => Node::ByteArray(self.raw(span)),
            Repr::Tuple(span) => Node::Tuple(slice(&self.refs, span)),
            Repr::List(index) => Node::List(member(&self.lists, index)),
            Repr::Dict(index) => Node::Dict(member(&self.dicts, index)),
            Repr::Set(index) => Node::Set(member(&self.lists, index)),
            Repr::FrozenSet(index) => Node::FrozenSet(member(&self.lists, index)),
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
                    states: &data.states,
                    items: &data.items,
                    entries: &data.entries,
                }),
                None => Node::None,
            },
        }
    }

    /// The byte offset, in the pickle, of the opcode that made an object or a persistent reference.
    pub(crate) fn offset(&self, id: NodeId) -> Option<u64> {
        match *self.nodes.get(id.index()?)? {
            Repr::Call { offset, .. } | Repr::Object { offset, .. } | Repr::Persistent { offset, .. } => {
                Some(offset.into())
            }
            Repr::Global(id) => Some(self.globals.get(id.index())?.offset.into()),
            _ => None,
        }
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

    fn text(&self, span: Span) -> &str {
        let start = span.start as usize;
        self.text.get(start..start.saturating_add(span.len as usize)).unwrap_or_default()
    }

    fn raw(&self, span: Span) -> &[u8] {
        slice(&self.raw, span)
    }
}

fn slice<T>(items: &[T], span: Span) -> &[T] {
    let start = span.start as usize;
    items.get(start..start.saturating_add(span.len as usize)).unwrap_or_default()
}

fn member<T>(containers: &[Vec<T>], index: u32) -> &[T] {
    containers.get(index as usize).map(Vec::as_slice).unwrap_or_default()
}

/// A node index, or the error that says that 31 bits do not hold it.
fn checked_index(len: usize) -> Result<u32, Error> {
    match u32::try_from(len) {
        Ok(index) if index < NodeId::INLINE => Ok(index),
        _ => Err(Error::limit("the pickle describes more than 2^31 objects, which this crate cannot address")),
    }
}
