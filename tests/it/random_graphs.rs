//! Random objects: containers, plain values, tensors that view storages in random ways. Each is written as a zip archive and
//! as a legacy stream, and as a tar file and as safetensors where these can say it. A model that knows none of the library's
//! code says what must be found: the paths in order, the values, and the bytes of every tensor, gathered one by one.

mod checks;

use std::collections::HashMap;

use proptest::prelude::*;
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{Backing, Checkpoint, Complex, DType, Format, Kind, ListedValue, LoadOptions, Storage, Tensor};

use crate::pickle_builder::*;
use crate::support::TempFile;
use crate::tar_builder::{TarBuilder, place};
use checks::check;

/// A storage class with the name that safetensors has for its elements.
struct Class {
    dtype: DType,
    prefix: &'static str,
    #[cfg_attr(
        not(feature = "safetensors"),
        allow(dead_code, reason = "names a dtype in a container that is not read")
    )]
    safetensors: &'static str,
}

const fn class(dtype: DType, prefix: &'static str, safetensors: &'static str) -> Class {
    Class { dtype, prefix, safetensors }
}

const CLASSES: &[Class] = &[
    class(DType::Float32, "Float", "F32"),
    class(DType::Float64, "Double", "F64"),
    class(DType::Float16, "Half", "F16"),
    class(DType::BFloat16, "BFloat16", "BF16"),
    class(DType::Int64, "Long", "I64"),
    class(DType::Int32, "Int", "I32"),
    class(DType::Int16, "Short", "I16"),
    class(DType::Int8, "Char", "I8"),
    class(DType::UInt8, "Byte", "U8"),
    class(DType::Bool, "Bool", "BOOL"),
    class(DType::Complex64, "ComplexFloat", "C64"),
    // Without storage classes: `UntypedStorage`, and the dtype beside it.
    class(DType::UInt16, "", "U16"),
    class(DType::Float8E4M3Fn, "", "F8_E4M3"),
];
const TAGS: &[&str] = &["cpu", "cpu", "cuda:0", "cuda:1", "mps", "npu:0"];
const TEXTS: &[&str] = &["", "w", "a.b", "ü", "日本", "with space", "0", "None", "\u{1f600}"];

#[derive(Clone, Debug)]
struct Stored {
    class: usize,
    tag: &'static str,
    bytes: Vec<u8>,
}

impl Stored {
    fn dtype(&self) -> DType {
        CLASSES[self.class].dtype
    }

    fn elements(&self) -> usize {
        self.bytes.len() / self.dtype().itemsize()
    }
}

/// A tensor; everything in elements, and within its storage.
#[derive(Clone, Debug)]
struct View {
    storage: usize,
    offset: usize,
    size: Vec<usize>,
    stride: Vec<usize>,
    grad: bool,
    parameter: bool,
    neg: bool,
    conj: bool,
}

#[derive(Clone, Debug)]
enum Key {
    Text(&'static str),
    Int(i64),
    Bool(bool),
    None,
}

#[derive(Clone, Debug)]
enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
    Bytes(&'static [u8]),
    Tensor(usize),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Key, Self)>),
    Ordered(Vec<(Key, Self)>),
    /// An `OrderedDict` as Python 2 writes it.
    Pairs(Vec<(Key, Self)>),
    /// An object of some class, with attributes.
    Attributes(Vec<(&'static str, Self)>),
    /// The same object twice.
    Twice(Box<Self>),
}

#[derive(Clone, Debug)]
struct Model {
    storages: Vec<Stored>,
    views: Vec<View>,
    root: Object,
}

// --- the generator ---

fn stored() -> impl Strategy<Value = Stored> {
    (0..CLASSES.len(), prop::sample::select(TAGS), 0_usize..30, any::<u64>()).prop_map(
        |(class, tag, elements, seed)| {
            let mut state = seed | 1;
            let noise = (0..elements * CLASSES[class].dtype.itemsize()).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let byte = (state >> 56) as u8;
                if CLASSES[class].dtype == DType::Bool { byte & 1 } else { byte }
            });
            Stored { class, tag, bytes: noise.collect() }
        },
    )
}

/// A view that fits whichever storage it gets: what does not fit is cut.
fn view(storages: Vec<Stored>) -> impl Strategy<Value = View> {
    let dims = prop::collection::vec((0_usize..5, 0_usize..7), 0..4);
    (0..storages.len(), dims, any::<[bool; 5]>(), any::<prop::sample::Index>()).prop_map(
        move |(storage, dims, [contiguous, grad, parameter, neg, conj], at)| {
            let elements = storages[storage].elements();
            let (mut size, mut stride): (Vec<usize>, Vec<usize>) = dims.into_iter().unzip();
            while size.iter().product::<usize>() > elements.max(1) {
                let largest = (0..size.len()).max_by_key(|&dim| size[dim]).unwrap();
                size[largest] -= 1;
            }
            if contiguous {
                for dim in 0..size.len() {
                    stride[dim] = size[dim + 1..].iter().map(|&n| n.max(1)).product();
                }
            }
            let last =
                |stride: &[usize]| size.iter().zip(stride).map(|(n, step)| n.saturating_sub(1) * step).sum::<usize>();
            while last(&stride) >= elements && stride.iter().any(|&step| step > 0) {
                let largest = (0..stride.len()).max_by_key(|&dim| stride[dim]).unwrap();
                stride[largest] -= 1;
            }
            if elements == 0 && !size.contains(&0) {
                size.push(0);
                stride.push(1);
            }
            let room = elements.saturating_sub(size.iter().zip(&stride).map(|(n, s)| n.saturating_sub(1) * s).sum());
            let dtype = storages[storage].dtype();
            let floating = dtype.name().contains("float") || dtype.is_complex();
            View {
                storage,
                offset: if room == 0 { 0 } else { at.index(room) },
                size,
                stride,
                grad: grad && floating,
                parameter: parameter && floating,
                neg: neg && conj && !matches!(dtype, DType::Bool | DType::Float8E4M3Fn),
                conj: conj && dtype.is_complex(),
            }
        },
    )
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::sample::select(TEXTS).prop_map(Key::Text),
        2 => (-2_i64..4).prop_map(Key::Int),
        1 => any::<bool>().prop_map(Key::Bool),
        1 => Just(Key::None),
    ]
}

fn object(views: usize) -> impl Strategy<Value = Object> {
    let leaf = prop_oneof![
        6 => (0..views).prop_map(Object::Tensor),
        1 => Just(Object::None),
        1 => any::<bool>().prop_map(Object::Bool),
        1 => prop::sample::select(vec![0, 1, -1, 100, i64::MAX, i64::MIN]).prop_map(Object::Int),
        1 => prop::sample::select(vec![0.0, -0.0, 0.1, f64::INFINITY, f64::NAN, 5e-324]).prop_map(Object::Float),
        1 => prop::sample::select(TEXTS).prop_map(Object::Text),
        1 => prop::sample::select(vec![&b""[..], b"\0\xff", b"abc"]).prop_map(Object::Bytes),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let entries = || prop::collection::vec((key(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Object::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Object::Tuple),
            entries().prop_map(Object::Dict),
            entries().prop_map(Object::Ordered),
            entries().prop_map(Object::Pairs),
            prop::collection::vec((prop::sample::select(vec!["x", "y", "z"]), inner.clone()), 1..4)
                .prop_map(Object::Attributes),
            inner.prop_map(|inner| Object::Twice(Box::new(inner))),
        ]
    })
}

fn model() -> impl Strategy<Value = Model> {
    prop::collection::vec(stored(), 1..4).prop_flat_map(|storages| {
        let views = prop::collection::vec(view(storages.clone()), 1..6);
        views.prop_flat_map(move |views| {
            let storages = storages.clone();
            object(views.len()).prop_map(move |root| Model { storages: storages.clone(), views: views.clone(), root })
        })
    })
}

// --- what must be found ---

/// The elements of a view, one after the other, conjugated and negated.
fn naive(model: &Model, view: &View) -> Vec<u8> {
    let (stored, dtype) = (&model.storages[view.storage], model.storages[view.storage].dtype());
    let width = dtype.itemsize();
    let mut places = vec![view.offset];
    for (&n, &step) in view.size.iter().zip(&view.stride) {
        places = places.iter().flat_map(|place| (0..n).map(move |index| place + index * step)).collect();
    }
    places
        .iter()
        .flat_map(|place| resolved(dtype, &stored.bytes[place * width..][..width], view.neg, view.conj))
        .collect()
}

fn resolved(dtype: DType, element: &[u8], neg: bool, conj: bool) -> Vec<u8> {
    let mut out = element.to_vec();
    let floating = dtype.name().contains("float") || dtype.is_complex();
    if neg && !floating {
        let number = element.iter().rev().fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
        return number.wrapping_neg().to_le_bytes()[..element.len()].to_vec();
    }
    let parts = if dtype.is_complex() { 2 } else { 1 };
    for part in 0..parts {
        if neg != (conj && part == 1) {
            out[(part + 1) * element.len() / parts - 1] ^= 0x80;
        }
    }
    out
}

/// Equal keys are one entry: the first key's place and text, the last value.
fn merged(entries: &[(Key, Object)]) -> Vec<(String, &Object)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut out: Vec<(String, &Object)> = Vec::new();
    for (key, value) in entries {
        let (equality, text) = match key {
            Key::Text(text) => (format!("text {text}"), (*text).to_owned()),
            Key::Int(number) => (format!("number {number}"), number.to_string()),
            Key::Bool(value) => (format!("number {}", i64::from(*value)), if *value { "True" } else { "False" }.into()),
            Key::None => ("None".into(), "None".into()),
        };
        match places.get(&equality) {
            Some(&place) => out[place].1 = value,
            None => {
                places.insert(equality, out.len());
                out.push((text, value));
            }
        }
    }
    out
}

/// Every leaf with its path, in order.
fn walk<'m>(object: &'m Object, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, &'m Object)>) {
    let entries: Vec<(String, &Object)> = match object {
        Object::List(items) | Object::Tuple(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Object::Dict(entries) | Object::Ordered(entries) | Object::Pairs(entries) => merged(entries),
        Object::Attributes(attributes) => {
            let entries: Vec<(Key, Object)> =
                attributes.iter().map(|(name, value)| (Key::Text(name), value.clone())).collect();
            let names: Vec<String> = merged(&entries).into_iter().map(|(name, _)| name).collect();
            let last = |name: &String| attributes.iter().rev().find(|(other, _)| other == name).unwrap();
            names.iter().map(|name| (name.clone(), &last(name).1)).collect()
        }
        Object::Twice(inner) => vec![("0".into(), &**inner), ("1".into(), &**inner)],
        _ => return out.push((path.clone(), object)),
    };
    for (piece, value) in entries {
        path.push(piece);
        walk(value, path, out);
        path.pop();
    }
}

// --- the writers ---

struct Writer<'m> {
    model: &'m Model,
    /// Tensors are named by number, as in a tar file.
    by_number: bool,
    memo: u32,
}

impl Writer<'_> {
    fn code(&mut self, object: &Object) -> Code {
        match object {
            Object::None => none(),
            Object::Bool(value) => bool(*value),
            Object::Int(value) => int(*value),
            Object::Float(value) => float(*value),
            Object::Text(value) => text(value),
            Object::Bytes(value) => bytes(value),
            Object::Tensor(index) => self.tensor(*index),
            Object::List(items) => list(items.iter().map(|item| self.code(item)).collect::<Vec<_>>()),
            Object::Tuple(items) => tuple(items.iter().map(|item| self.code(item)).collect::<Vec<_>>()),
            Object::Dict(entries) => dict_of(self.entries(entries)),
            Object::Ordered(entries) => {
                set_items(reduce(global("collections", "OrderedDict"), []), self.entries(entries))
            }
            Object::Pairs(entries) => {
                let pairs = self.entries(entries).into_iter().map(|(key, value)| list([key, value]));
                reduce(global("collections", "OrderedDict"), [list(pairs.collect::<Vec<_>>())])
            }
            Object::Attributes(attributes) => {
                let state = attributes.iter().map(|(name, value)| (text(name), self.code(value))).collect::<Vec<_>>();
                build([global("run", "Config"), vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat(), dict_of(state))
            }
            Object::Twice(inner) => {
                let slot = self.memo.to_le_bytes();
                self.memo += 1;
                let inner = self.code(inner);
                tuple([[&inner[..], &[op::LONG_BINPUT], &slot].concat(), [&[op::LONG_BINGET][..], &slot].concat()])
            }
        }
    }

    fn entries(&mut self, entries: &[(Key, Object)]) -> Vec<(Code, Code)> {
        let key = |key: &Key| match key {
            Key::Text(value) => text(value),
            Key::Int(value) => int(*value),
            Key::Bool(value) => bool(*value),
            Key::None => none(),
        };
        entries.iter().map(|(name, value)| (key(name), self.code(value))).collect()
    }

    fn tensor(&self, index: usize) -> Code {
        if self.by_number {
            return persistent(int(1000 + index as i64));
        }
        let view = &self.model.views[index];
        let stored = &self.model.storages[view.storage];
        let (class, key) = (&CLASSES[stored.class], view.storage.to_string());
        let signed = |numbers: &[usize]| numbers.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let id = match class.prefix {
            "" => StorageId::untyped(&key, stored.bytes.len() as i64),
            prefix => StorageId::new(&format!("{prefix}Storage"), &key, stored.elements() as i64),
        };
        let mut call = TensorCall::new(&id.location(stored.tag), &signed(&view.size));
        call = call.at(view.offset as i64, &signed(&view.stride));
        if class.prefix.is_empty() {
            call = call.dtype(class.dtype.name());
        }
        if view.grad && !view.parameter {
            call = call.requires_grad();
        }
        let marks = [("neg", view.neg), ("conj", view.conj)].into_iter().filter(|mark| mark.1).map(|mark| mark.0);
        if view.neg || view.conj {
            call = call.metadata(marks.collect::<Vec<_>>());
        }
        if view.parameter { parameter(call.code(), view.grad) } else { call.code() }
    }
}

fn code(model: &Model) -> Code {
    Writer { model, by_number: false, memo: 0 }.code(&model.root)
}

fn stored_bytes(model: &Model) -> Vec<(String, &[u8])> {
    model.storages.iter().enumerate().map(|(key, stored)| (key.to_string(), &*stored.bytes)).collect()
}

/// Without marks, and without dtypes that have no storage class.
fn tar_file(model: &Model) -> Vec<u8> {
    let class = |stored: &Stored, kind: &str| global("torch", &format!("{}{kind}", CLASSES[stored.class].prefix));
    let mut storages = pickle(&int(model.storages.len() as i64));
    for (key, stored) in model.storages.iter().enumerate() {
        storages.extend(pickle(&tuple([int(key as i64), text(stored.tag), class(stored, "Storage")])));
        storages.extend((stored.elements() as i64).to_le_bytes());
        storages.extend(&stored.bytes);
    }
    storages.extend(pickle(&list([])));
    let mut tensors = pickle(&int(model.views.len() as i64));
    for (index, view) in model.views.iter().enumerate() {
        let class = class(&model.storages[view.storage], "Tensor");
        tensors.extend(pickle(&tuple([int(1000 + index as i64), int(view.storage as i64), class])));
        let signed = |numbers: &[usize]| numbers.iter().map(|&n| n as i64).collect::<Vec<_>>();
        tensors.extend(place(&signed(&view.size), &signed(&view.stride), view.offset as i64));
    }
    let root = pickle(&Writer { model, by_number: true, memo: 0 }.code(&model.root));
    TarBuilder::default().with("storages", &storages).with("tensors", &tensors).with("pickle", &root).build()
}

/// The tensors alone, each with a name and its own bytes.
#[cfg(feature = "safetensors")]
fn safetensors_file(model: &Model, tensors: &[&View]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (index, view) in tensors.iter().enumerate() {
        let start = data.len();
        data.extend(naive(model, view));
        let dtype = CLASSES[model.storages[view.storage].class].safetensors;
        let entry = serde_json::json!({ "dtype": dtype, "shape": view.size, "data_offsets": [start, data.len()] });
        header.insert(format!("t{index:03}"), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes(), &*header, &data].concat()
}

// --- what is found ---

/// The same file through every door.
fn every_door(bytes: &[u8], name: &str, mut check: impl FnMut(&Checkpoint)) {
    check(&LoadOptions::new().open_bytes(bytes.to_vec()).unwrap());
    check(&LoadOptions::new().open_reader(bytes).unwrap());
    let file = TempFile::with(name, bytes);
    check(&LoadOptions::new().open(&file.0).unwrap());
    check(&LoadOptions::new().backing(Backing::Owned).verify_checksums(true).open(&file.0).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_found_in_every_container(model in model()) {
        let code = code(&model);
        let storages = stored_bytes(&model);
        let storages: Vec<(&str, &[u8])> = storages.iter().map(|(key, bytes)| (&**key, *bytes)).collect();
        every_door(&torch_file(&code, &storages), "graph.pt", |checkpoint| check(&model, checkpoint, Format::Zip));
        on_the_legacy_stream(|| {
            every_door(&torch_file(&code, &storages), "graph.pth", |checkpoint| check(&model, checkpoint, Format::Legacy));
        });
        if model.storages.iter().all(|stored| !CLASSES[stored.class].prefix.is_empty()) {
            let mut plain = model.clone();
            for view in &mut plain.views {
                (view.grad, view.parameter, view.neg, view.conj) = (false, false, false, false);
            }
            every_door(&tar_file(&plain), "graph.tar", |checkpoint| check(&plain, checkpoint, Format::Tar));
        }
    }

    #[cfg(feature = "safetensors")]
    #[test]
    fn the_same_tensors_are_found_in_safetensors(model in model()) {
        let mut leaves = Vec::new();
        walk(&model.root, &mut Vec::new(), &mut leaves);
        let tensors: Vec<&View> = leaves
            .iter()
            .filter_map(|(_, object)| if let Object::Tensor(index) = object { Some(&model.views[*index]) } else { None })
            .collect();
        prop_assume!(!tensors.is_empty());
        every_door(&safetensors_file(&model, &tensors), "graph.safetensors", |checkpoint| {
            let entries = checkpoint.tensors().unwrap();
            assert_eq!((checkpoint.format(), entries.len()), (Format::Safetensors, tensors.len()));
            for (entry, view) in entries.iter().zip(&tensors) {
                let tensor = entry.tensor();
                assert_eq!(*tensor.bytes().unwrap(), *checks::native(tensor.dtype(), naive(&model, view)));
                assert_eq!((tensor.dtype(), tensor.shape()), (model.storages[view.storage].dtype(), &*view.size));
            }
        });
    }
}
