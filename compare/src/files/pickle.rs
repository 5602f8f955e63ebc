//! Writes pickles opcode for opcode as CPython's pickler does: every object memoised, dicts and lists in batches.

use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Of `torch.save`.
    Two,
    /// Of a distributed checkpoint's `.metadata`.
    Four,
}

pub struct Writer {
    out: Vec<u8>,
    protocol: Protocol,
    memo: u32,
    /// Globals, and strings that Python interns: the memo index of each.
    known: HashMap<String, u32>,
}

/// A key, and what writes its value.
type Field<'a> = (&'a str, &'a mut dyn FnMut(&mut Writer));

impl Writer {
    /// As CPython's pickler: so many items at a time.
    const BATCH: usize = 1000;

    pub fn new(protocol: Protocol) -> Self {
        Self { out: Vec::new(), protocol, memo: 0, known: HashMap::new() }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'.');
        match self.protocol {
            Protocol::Two => [&[0x80, 2], self.out.as_slice()].concat(),
            Protocol::Four => [&[0x80, 4, 0x95], &self.out.len().to_le_bytes()[..], &self.out].concat(),
        }
    }

    /// Opcodes without arguments.
    pub fn code(&mut self, code: &[u8]) {
        self.out.extend(code);
    }

    pub fn put(&mut self) -> u32 {
        let index = self.memo;
        match (self.protocol, u8::try_from(index)) {
            (Protocol::Four, _) => self.out.push(0x94),
            (Protocol::Two, Ok(index)) => self.out.extend([b'q', index]),
            (Protocol::Two, Err(_)) => {
                self.out.push(b'r');
                self.out.extend(index.to_le_bytes());
            }
        }
        self.memo += 1;
        index
    }

    fn get(&mut self, index: u32) {
        match u8::try_from(index) {
            Ok(index) => self.out.extend([b'h', index]),
            Err(_) => {
                self.out.push(b'j');
                self.out.extend(index.to_le_bytes());
            }
        }
    }

    /// A string that no other is the same object as.
    pub fn fresh(&mut self, text: &str) -> u32 {
        match (self.protocol, u8::try_from(text.len())) {
            (Protocol::Four, Ok(len)) => self.out.extend([0x8c, len]),
            _ => {
                self.out.push(b'X');
                self.out.extend(u32::try_from(text.len()).expect("a short string").to_le_bytes());
            }
        }
        self.out.extend(text.as_bytes());
        self.put()
    }

    /// A string that is one object wherever it stands in a program.
    pub fn interned(&mut self, text: &str) {
        match self.known.get(text) {
            Some(&index) => self.get(index),
            None => {
                let index = self.fresh(text);
                self.known.insert(text.to_owned(), index);
            }
        }
    }

    pub fn global(&mut self, module: &str, name: &str) {
        let whole = format!("{module}\n{name}\n");
        if let Some(&index) = self.known.get(&whole) {
            return self.get(index);
        }
        match self.protocol {
            Protocol::Two => {
                self.out.push(b'c');
                self.out.extend(whole.as_bytes());
            }
            Protocol::Four => {
                self.interned(module);
                self.interned(name);
                self.out.push(0x93);
            }
        }
        let index = self.put();
        self.known.insert(whole, index);
    }

    pub fn int(&mut self, value: usize) {
        match (u8::try_from(value), u16::try_from(value), i32::try_from(value)) {
            (Ok(value), ..) => self.out.extend([b'K', value]),
            (_, Ok(value), _) => {
                self.out.push(b'M');
                self.out.extend(value.to_le_bytes());
            }
            (.., Ok(value)) => {
                self.out.push(b'J');
                self.out.extend(value.to_le_bytes());
            }
            _ => {
                let bytes = value.to_le_bytes();
                let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                // The sign takes a bit.
                let len = if bytes[len - 1] >= 0x80 { len + 1 } else { len };
                self.long(&[bytes.as_slice(), &[0]].concat()[..len]);
            }
        }
    }

    /// LONG1 of two's complement bytes, least significant first.
    pub fn long(&mut self, bytes: &[u8]) {
        self.out.extend([0x8a, u8::try_from(bytes.len()).expect("a short number")]);
        self.out.extend(bytes);
    }

    pub fn float(&mut self, value: f64) {
        self.out.push(b'G');
        self.out.extend(value.to_be_bytes());
    }

    pub fn bool(&mut self, value: bool) {
        self.out.push(if value { 0x88 } else { 0x89 });
    }

    pub fn none(&mut self) {
        self.out.push(b'N');
    }

    /// A tuple of that many items, which the closure writes.
    pub fn tuple(&mut self, len: usize, items: impl FnOnce(&mut Self)) {
        if len == 0 {
            return self.out.push(b')');
        }
        if len > 3 {
            self.out.push(b'(');
        }
        items(self);
        self.out.push([b't', 0x85, 0x86, 0x87, b't'][len.min(4)]);
        self.put();
    }

    pub fn ints(&mut self, values: &[usize]) {
        self.tuple(values.len(), |writer| values.iter().for_each(|&value| writer.int(value)));
    }

    /// A dict of the items, which are keys with values. After a batch that is full CPython begins another one, even if it
    /// stays empty.
    pub fn dict<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.out.push(b'}');
        self.put();
        if let [item] = items {
            write(self, item);
            return self.out.push(b's');
        }
        let empty = items.len() > 1 && items.len().is_multiple_of(Self::BATCH);
        for batch in items.chunks(Self::BATCH).chain(empty.then_some(&[][..])) {
            self.out.push(b'(');
            batch.iter().for_each(|item| write(self, item));
            self.out.push(b'u');
        }
    }

    /// A dict, each of whose keys is an interned string.
    pub fn fields(&mut self, fields: &mut [Field<'_>]) {
        self.out.push(b'}');
        self.put();
        let single = fields.len() == 1;
        if !single {
            self.out.push(b'(');
        }
        for (key, value) in fields {
            self.interned(key);
            value(self);
        }
        self.out.push(if single { b's' } else { b'u' });
    }

    pub fn list<T>(&mut self, items: &[T], write: impl FnMut(&mut Self, &T)) {
        self.out.push(b']');
        self.put();
        self.items(items, *b"ae", write);
    }

    /// Adds items to the container on the stack.
    pub fn items<T>(&mut self, items: &[T], [one, many]: [u8; 2], mut write: impl FnMut(&mut Self, &T)) {
        for batch in items.chunks(Self::BATCH) {
            let single = batch.len() == 1;
            if !single {
                self.out.push(b'(');
            }
            batch.iter().for_each(|item| write(self, item));
            self.out.push(if single { one } else { many });
        }
    }

    /// An object made by calling a class without arguments, then given its state.
    pub fn object(&mut self, module: &str, name: &str, state: impl FnOnce(&mut Self)) {
        self.global(module, name);
        self.out.extend([b')', 0x81]);
        self.put();
        state(self);
        self.out.push(b'b');
    }

    /// What a callable gives for arguments.
    pub fn reduce(&mut self, module: &str, name: &str, args: impl FnOnce(&mut Self)) {
        self.global(module, name);
        args(self);
        self.out.push(b'R');
        self.put();
    }
}
