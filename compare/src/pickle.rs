//! Writes the pickle of a state dict opcode for opcode as `torch.save` does: protocol 2, every object memoised.

use std::collections::HashMap;

/// A tensor to be: a view of a storage.
pub struct View<'a> {
    pub name: String,
    /// `torch`'s storage class: `FloatStorage`.
    pub storage_class: &'a str,
    pub key: String,
    /// Elements of the storage.
    pub storage_numel: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl<'a> View<'a> {
    /// A contiguous tensor alone in its storage.
    pub fn whole(name: String, storage_class: &'a str, key: usize, shape: Vec<usize>) -> Self {
        let strides = row_major(&shape);
        let storage_numel = shape.iter().product();
        Self { name, storage_class, key: key.to_string(), storage_numel, offset: 0, shape, strides }
    }
}

pub fn row_major(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|dim| shape[dim + 1..].iter().product()).collect()
}

/// What `torch.save` pickles of a plain dict of tensors.
pub fn plain_dict(views: &[View<'_>]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.out.push(b'}');
    writer.put();
    writer.tensors(views);
    writer.finish()
}

/// What `torch.save` pickles of a module's `state_dict()`: an `OrderedDict` with `_metadata`.
pub fn state_dict(views: &[View<'_>]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.ordered_dict();
    writer.tensors(views);
    writer.out.push(b'}');
    writer.put();
    writer.interned("_metadata");
    writer.ordered_dict();
    let mut modules = vec![String::new()];
    for view in views {
        for (dot, _) in view.name.match_indices('.') {
            let module = &view.name[..dot];
            if !modules.iter().any(|known| known == module) {
                modules.push(module.to_owned());
            }
        }
    }
    writer.batches(&modules, |writer, module| {
        writer.fresh(module);
        writer.out.push(b'}');
        writer.put();
        writer.interned("version");
        writer.int(1);
        writer.out.push(b's');
    });
    writer.out.extend(b"sb");
    writer.finish()
}

struct Writer {
    out: Vec<u8>,
    memo: u32,
    /// Globals, and strings that Python interns: the memo index of each.
    known: HashMap<String, u32>,
}

impl Writer {
    /// As CPython's pickler: so many dict items at a time.
    const BATCH: usize = 1000;

    fn new() -> Self {
        Self { out: vec![0x80, 2], memo: 0, known: HashMap::new() }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push(b'.');
        self.out
    }

    fn put(&mut self) -> u32 {
        let index = self.memo;
        match u8::try_from(index) {
            Ok(index) => self.out.extend([b'q', index]),
            Err(_) => {
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

    fn fresh(&mut self, text: &str) -> u32 {
        self.out.push(b'X');
        self.out.extend(u32::try_from(text.len()).expect("a short string").to_le_bytes());
        self.out.extend(text.as_bytes());
        self.put()
    }

    fn interned(&mut self, text: &str) {
        match self.known.get(text) {
            Some(&index) => self.get(index),
            None => {
                let index = self.fresh(text);
                self.known.insert(text.to_owned(), index);
            }
        }
    }

    fn global(&mut self, module: &str, name: &str) {
        let whole = format!("{module}\n{name}\n");
        match self.known.get(&whole) {
            Some(&index) => self.get(index),
            None => {
                self.out.push(b'c');
                self.out.extend(whole.as_bytes());
                let index = self.put();
                self.known.insert(whole, index);
            }
        }
    }

    fn int(&mut self, value: usize) {
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
                self.out.extend([0x8a, len as u8]);
                self.out.extend(&[bytes.as_slice(), &[0]].concat()[..len]);
            }
        }
    }

    fn ints(&mut self, values: &[usize]) {
        if values.is_empty() {
            self.out.push(b')');
            return;
        }
        if values.len() > 3 {
            self.out.push(b'(');
        }
        values.iter().for_each(|&value| self.int(value));
        self.out.push([b't', 0x85, 0x86, 0x87, b't'][values.len().min(4)]);
        self.put();
    }

    /// An empty `OrderedDict`.
    fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.out.extend(b")R");
        self.put();
    }

    fn tensors(&mut self, views: &[View<'_>]) {
        self.batches(views, |writer, view| {
            writer.fresh(&view.name);
            writer.tensor(view);
        });
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`
    fn tensor(&mut self, view: &View<'_>) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.out.extend(b"((");
        self.interned("storage");
        self.global("torch", view.storage_class);
        self.fresh(&view.key);
        self.interned("cpu");
        self.int(view.storage_numel);
        self.out.push(b't');
        self.put();
        self.out.push(b'Q');
        self.int(view.offset);
        self.ints(&view.shape);
        self.ints(&view.strides);
        self.out.push(0x89);
        self.ordered_dict();
        self.out.push(b't');
        self.put();
        self.out.push(b'R');
        self.put();
    }

    fn batches<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        for batch in items.chunks(Self::BATCH) {
            let single = batch.len() == 1;
            if !single {
                self.out.push(b'(');
            }
            batch.iter().for_each(|item| write(self, item));
            self.out.push(if single { b's' } else { b'u' });
        }
    }
}
