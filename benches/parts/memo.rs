//! Pickle code of tensors with a memo, as Python's pickler writes it.
#![allow(dead_code, reason = "those who include it use different parts")]

use std::collections::HashMap;

use crate::pickle_builder::{Code, bool, global, int, ints, op, persistent, reduce_tuple, set_items, text, tuple};

/// Gives every object a memo slot, and every name and word that comes again a reference, as Python's pickler does.
#[derive(Default)]
pub struct Memo {
    pub slots: u32,
    known: HashMap<String, u32>,
}

impl Memo {
    pub fn put(&mut self, mut object: Code) -> Code {
        let slot = self.slots;
        self.slots += 1;
        match u8::try_from(slot) {
            Ok(slot) => object.extend([op::BINPUT, slot]),
            Err(_) => {
                object.push(op::LONG_BINPUT);
                object.extend(slot.to_le_bytes());
            }
        }
        object
    }

    fn once(&mut self, name: &str, object: impl FnOnce() -> Code) -> Code {
        match self.known.get(name).map(|&slot| (slot, u8::try_from(slot))) {
            Some((_, Ok(slot))) => vec![op::BINGET, slot],
            Some((slot, Err(_))) => [&[op::LONG_BINGET][..], &slot.to_le_bytes()].concat(),
            None => {
                self.known.insert(name.to_owned(), self.slots);
                self.put(object())
            }
        }
    }

    pub fn global(&mut self, module: &str, name: &str) -> Code {
        self.once(&format!("{module}\n{name}"), || global(module, name))
    }

    /// A text that Python interns: an attribute's name, a literal.
    pub fn word(&mut self, word: &str) -> Code {
        self.once(word, || text(word))
    }

    pub fn tuple<const N: usize>(&mut self, items: [Code; N]) -> Code {
        let tuple = tuple(items);
        self.put(tuple)
    }

    pub fn ordered_dict(&mut self) -> Code {
        let class = self.global("collections", "OrderedDict");
        self.put(reduce_tuple(class, vec![op::EMPTY_TUPLE]))
    }

    /// `(storage, class, key, location, numel)`, before it becomes a persistent id.
    fn storage_id(&mut self, class: &str, key: &str, numel: i64) -> Code {
        let (word, class) = (self.word("storage"), self.global("torch", class));
        let (key, location) = (self.put(text(key)), self.word("cpu"));
        self.tuple([word, class, key, location, int(numel)])
    }

    /// `(storage, offset, size, stride, requires_grad, hooks)`
    fn rebuild_args(&mut self, storage: Code, view: &View<'_>) -> Code {
        let (size, stride) = (self.put(ints(view.size)), self.put(ints(view.stride)));
        let hooks = self.ordered_dict();
        self.tuple([storage, int(view.offset), size, stride, bool(false), hooks])
    }

    pub fn tensor(&mut self, view: &View<'_>) -> Code {
        let function = self.global("torch._utils", "_rebuild_tensor_v2");
        let storage = persistent(self.storage_id(view.class, view.key, view.numel));
        let args = self.rebuild_args(storage, view);
        self.put(reduce_tuple(function, args))
    }

    /// Code as long as a tensor's, with the same opcodes but one, that only the pickle machine has work with.
    pub fn no_tensor(&mut self, view: &View<'_>) -> Code {
        let function = self.global("example", "rebuild");
        let storage = self.storage_id(view.class, view.key, view.numel);
        let args = self.rebuild_args(storage, view);
        self.put(reduce_tuple(function, args))
    }
}

/// A tensor to be: a view of a storage.
pub struct View<'a> {
    pub class: &'a str,
    pub key: &'a str,
    /// Elements of the storage.
    pub numel: i64,
    pub offset: i64,
    pub size: &'a [i64],
    pub stride: &'a [i64],
}

impl<'a> View<'a> {
    /// 4x4 floats in a storage of their own.
    pub const fn small(key: &'a str) -> Self {
        Self { class: "FloatStorage", key, numel: 16, offset: 0, size: &[4, 4], stride: &[4, 1] }
    }
}

/// Dict items as the pickler writes them: so many at a time.
pub fn filled(object: Code, entries: impl IntoIterator<Item = (Code, Code)>) -> Code {
    let mut entries = entries.into_iter().peekable();
    let mut code = object;
    while entries.peek().is_some() {
        code.extend(set_items(Vec::new(), entries.by_ref().take(1000)));
    }
    code
}
