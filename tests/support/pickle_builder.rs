//! Assembles pickles: every function gives a piece of code that leaves one object on the stack, so pieces compose by
//! concatenation, and any field of a persistent id or of a rebuild call can be a lie. Only for tests.
#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]

use std::cell::Cell;

use crate::legacy_builder::LegacyBuilder;
use crate::zip_builder::torch_archive;

/// A piece of pickle code.
pub type Code = Vec<u8>;

/// Opcodes by their names in Python's `pickletools`.
pub mod op {
    pub const MARK: u8 = b'(';
    pub const STOP: u8 = b'.';
    pub const POP: u8 = b'0';
    pub const NONE: u8 = b'N';
    pub const BINFLOAT: u8 = b'G';
    pub const BININT: u8 = b'J';
    pub const BINUNICODE: u8 = b'X';
    pub const BINPERSID: u8 = b'Q';
    pub const BINGET: u8 = b'h';
    pub const LONG_BINGET: u8 = b'j';
    pub const BINPUT: u8 = b'q';
    pub const LONG_BINPUT: u8 = b'r';
    pub const SHORT_BINSTRING: u8 = b'U';
    pub const SHORT_BINBYTES: u8 = b'C';
    pub const EMPTY_DICT: u8 = b'}';
    pub const EMPTY_LIST: u8 = b']';
    pub const EMPTY_TUPLE: u8 = b')';
    pub const TUPLE: u8 = b't';
    pub const TUPLE1: u8 = 0x85;
    pub const TUPLE2: u8 = 0x86;
    pub const SETITEM: u8 = b's';
    pub const SETITEMS: u8 = b'u';
    pub const APPEND: u8 = b'a';
    pub const APPENDS: u8 = b'e';
    pub const GLOBAL: u8 = b'c';
    pub const REDUCE: u8 = b'R';
    pub const BUILD: u8 = b'b';
    pub const NEWOBJ: u8 = 0x81;
    pub const PROTO: u8 = 0x80;
    pub const NEWTRUE: u8 = 0x88;
    pub const NEWFALSE: u8 = 0x89;
    pub const LONG1: u8 = 0x8a;
}

/// PROTO 2, the code, STOP.
pub fn pickle(code: &[u8]) -> Vec<u8> {
    [&[op::PROTO, 2], code, &[op::STOP]].concat()
}

/// The bytes of a file that `torch.save` could have written for the object that `root` makes: a zip archive, or a legacy
/// stream within [`on_the_legacy_stream`].
pub fn torch_file(root: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    if LEGACY.get() { LegacyBuilder::new(root, storages).build() } else { torch_archive(&pickle(root), storages) }
}

thread_local! {
    static LEGACY: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test whose files [`torch_file`] makes once more, with legacy streams in place of archives.
pub fn on_the_legacy_stream(test: impl FnOnce()) {
    LEGACY.set(true);
    test();
    LEGACY.set(false);
}

/// Whether a test is run once more.
pub fn is_on_the_legacy_stream() -> bool {
    LEGACY.get()
}

pub fn none() -> Code {
    vec![op::NONE]
}

pub fn bool(value: bool) -> Code {
    vec![if value { op::NEWTRUE } else { op::NEWFALSE }]
}

/// BININT where it fits, else LONG1.
pub fn int(value: i64) -> Code {
    match i32::try_from(value) {
        Ok(value) => [&[op::BININT][..], &value.to_le_bytes()].concat(),
        Err(_) => long(&value.to_le_bytes()),
    }
}

/// LONG1 of two's complement bytes, least significant first.
pub fn long(bytes: &[u8]) -> Code {
    [&[op::LONG1, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

pub fn float(value: f64) -> Code {
    [&[op::BINFLOAT][..], &value.to_be_bytes()].concat()
}

pub fn text(value: &str) -> Code {
    raw_text(value.as_bytes())
}

/// BINUNICODE of any bytes.
pub fn raw_text(value: &[u8]) -> Code {
    [&[op::BINUNICODE][..], &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
}

/// A byte string of Python 2.
pub fn py2_string(value: &[u8]) -> Code {
    [&[op::SHORT_BINSTRING, u8::try_from(value.len()).unwrap()], value].concat()
}

pub fn bytes(value: &[u8]) -> Code {
    [&[op::SHORT_BINBYTES, u8::try_from(value.len()).unwrap()], value].concat()
}

pub fn tuple(items: impl IntoIterator<Item = Code>) -> Code {
    let items: Vec<Code> = items.into_iter().collect();
    if items.is_empty() { vec![op::EMPTY_TUPLE] } else { [vec![op::MARK], items.concat(), vec![op::TUPLE]].concat() }
}

pub fn ints(items: &[i64]) -> Code {
    tuple(items.iter().map(|&item| int(item)))
}

pub fn list(items: impl IntoIterator<Item = Code>) -> Code {
    let items: Vec<Code> = items.into_iter().collect();
    [vec![op::EMPTY_LIST, op::MARK], items.concat(), vec![op::APPENDS]].concat()
}

/// A dict with any keys.
pub fn dict_of(entries: impl IntoIterator<Item = (Code, Code)>) -> Code {
    set_items(vec![op::EMPTY_DICT], entries)
}

/// A dict with text keys.
pub fn dict<'a>(entries: impl IntoIterator<Item = (&'a str, Code)>) -> Code {
    dict_of(entries.into_iter().map(|(key, value)| (text(key), value)))
}

pub fn set_items(object: Code, entries: impl IntoIterator<Item = (Code, Code)>) -> Code {
    let entries: Vec<Code> = entries.into_iter().flat_map(|(key, value)| [key, value]).collect();
    if entries.is_empty() { object } else { [object, vec![op::MARK], entries.concat(), vec![op::SETITEMS]].concat() }
}

pub fn global(module: &str, name: &str) -> Code {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn reduce(callable: Code, args: impl IntoIterator<Item = Code>) -> Code {
    reduce_tuple(callable, tuple(args))
}

pub fn reduce_tuple(callable: Code, args: Code) -> Code {
    [callable, args, vec![op::REDUCE]].concat()
}

pub fn build(object: Code, state: Code) -> Code {
    [object, state, vec![op::BUILD]].concat()
}

/// Leaves the object on the stack and in the memo.
pub fn memo(slot: u8, object: Code) -> Code {
    [object, vec![op::BINPUT, slot]].concat()
}

pub fn get(slot: u8) -> Code {
    vec![op::BINGET, slot]
}

pub fn ordered_dict<'a>(entries: impl IntoIterator<Item = (&'a str, Code)>) -> Code {
    let empty = reduce(global("collections", "OrderedDict"), []);
    set_items(empty, entries.into_iter().map(|(key, value)| (text(key), value)))
}

/// An object of a Python class, made without arguments, whose state is a dict: as protocol 2 writes most objects.
pub fn object(module: &str, name: &str, state: Code) -> Code {
    build([global(module, name), vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat(), state)
}

/// An `nn.Module`: parameters, buffers and submodules are given as the code of dicts.
pub fn module(name: &str, parameters: Code, buffers: Code, modules: Code) -> Code {
    let state = [
        ("training", bool(false)),
        ("_parameters", parameters),
        ("_buffers", buffers),
        ("_non_persistent_buffers_set", reduce(global("__builtin__", "set"), [list([])])),
        ("_modules", modules),
    ];
    object("torch.nn.modules.container", name, dict(state))
}

/// A persistent id, of which every field can be anything.
#[derive(Clone)]
pub struct StorageId {
    pub word: Code,
    pub class: Code,
    pub key: Code,
    pub location: Code,
    pub numel: Code,
    /// Items that do not belong there.
    pub more: Vec<Code>,
}

impl StorageId {
    /// `torch.<class>`, saved from the CPU.
    pub fn new(class: &str, key: &str, numel: i64) -> Self {
        Self {
            word: text("storage"),
            class: global("torch", class),
            key: text(key),
            location: text("cpu"),
            numel: int(numel),
            more: Vec::new(),
        }
    }

    pub fn untyped(key: &str, nbytes: i64) -> Self {
        Self { class: global("torch.storage", "UntypedStorage"), ..Self::new("", key, nbytes) }
    }

    pub fn location(mut self, tag: &str) -> Self {
        self.location = text(tag);
        self
    }

    pub fn code(&self) -> Code {
        let id = [&self.word, &self.class, &self.key, &self.location, &self.numel].map(Clone::clone);
        persistent(tuple(id.into_iter().chain(self.more.iter().cloned())))
    }
}

pub fn persistent(id: Code) -> Code {
    [id, vec![op::BINPERSID]].concat()
}

/// A call of `_rebuild_tensor_v2`, or of `_rebuild_tensor_v3` if there is a dtype. Every argument can be anything.
#[derive(Clone)]
pub struct TensorCall {
    pub storage: Code,
    pub offset: Code,
    pub size: Code,
    pub stride: Code,
    pub requires_grad: Code,
    pub hooks: Code,
    pub dtype: Option<Code>,
    pub metadata: Option<Code>,
}

impl TensorCall {
    /// A row-major tensor at the start of a storage.
    pub fn new(storage: &StorageId, size: &[i64]) -> Self {
        let mut stride = vec![1_i64; size.len()];
        for dim in (1..size.len()).rev() {
            stride[dim - 1] = stride[dim].wrapping_mul(size[dim].max(1));
        }
        Self {
            storage: storage.code(),
            offset: int(0),
            size: ints(size),
            stride: ints(&stride),
            requires_grad: bool(false),
            hooks: ordered_dict([]),
            dtype: None,
            metadata: None,
        }
    }

    pub fn at(mut self, offset: i64, stride: &[i64]) -> Self {
        self.offset = int(offset);
        self.stride = ints(stride);
        self
    }

    /// As v3, with `torch.<dtype>`.
    pub fn dtype(mut self, name: &str) -> Self {
        self.dtype = Some(global("torch", name));
        self
    }

    pub fn requires_grad(mut self) -> Self {
        self.requires_grad = bool(true);
        self
    }

    pub fn metadata<'a>(mut self, flags: impl IntoIterator<Item = &'a str>) -> Self {
        self.metadata = Some(dict(flags.into_iter().map(|flag| (flag, bool(true)))));
        self
    }

    pub fn args(&self) -> Vec<Code> {
        let first = [&self.storage, &self.offset, &self.size, &self.stride, &self.requires_grad, &self.hooks];
        first.into_iter().chain(&self.dtype).chain(&self.metadata).cloned().collect()
    }

    pub fn code(&self) -> Code {
        let function = if self.dtype.is_some() { "_rebuild_tensor_v3" } else { "_rebuild_tensor_v2" };
        reduce(global("torch._utils", function), self.args())
    }
}

/// A row-major `float32` tensor over the whole storage of that key.
pub fn f32_tensor(key: &str, size: &[i64]) -> Code {
    TensorCall::new(&StorageId::new("FloatStorage", key, size.iter().product()), size).code()
}

/// `_rebuild_parameter(data, requires_grad, hooks)`.
pub fn parameter(data: Code, requires_grad: bool) -> Code {
    reduce(global("torch._utils", "_rebuild_parameter"), [data, bool(requires_grad), ordered_dict([])])
}

/// The little-endian bytes of floats.
pub fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
