//! Values and their containers (cases 51 to 56) through the public interface: what a pickle can nest, share and repeat
//! must neither recurse nor explode. Single opcodes are tested beside the machine.

use std::time::Instant;

use torch_checkpoint::{Checkpoint, ErrorKind, Kind, Limits, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{open, refusal, says, tensor};

fn value(code: &[u8]) -> Checkpoint {
    open(torch_file(code, &[("0", &f32s(&[1.0, 2.0]))]))
}

#[test]
pub(crate) fn case_051_equal_keys_are_one_entry_in_the_first_place() {
    let checkpoint =
        value(&dict_of([(int(1), int(2)), (text("x"), int(0)), (bool(true), int(3)), (float(1.0), int(4))]));
    let entries: Vec<(String, Option<i64>)> =
        checkpoint.root().entries().map(|(key, value)| (key.to_string(), value.as_i64())).collect();
    assert_eq!(entries, [("1".into(), Some(4)), ("x".into(), Some(0))]);
    let odd = [vec![op::EMPTY_DICT, op::MARK], int(1), vec![op::SETITEMS]].concat();
    assert_eq!(refusal(torch_file(&odd, &[])).opcode(), Some("SETITEMS"));
    let error = refusal(torch_file(&dict_of([(list([int(1)]), int(2))]), &[]));
    says(&error, &["archive/data.pkl", "list"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

/// A list in itself, a dict in itself, and a tuple that holds a list that holds the tuple.
#[test]
pub(crate) fn case_052_recursive_values_terminate() {
    let list_in_itself = [vec![op::EMPTY_LIST, op::BINPUT, 9], get(9), vec![op::APPEND]].concat();
    let dict_in_itself = [vec![op::EMPTY_DICT, op::BINPUT, 8], text("me"), get(8), vec![op::SETITEM]].concat();
    let tuple_in_list = [
        vec![op::EMPTY_LIST, op::BINPUT, 7, op::BINGET, 7, op::TUPLE1, op::BINPUT, 6, op::APPEND],
        vec![op::BINGET, 6],
    ];
    // The list stays below the tuple: dropped by making a pair of both.
    let pair = [vec![op::MARK], tuple_in_list.concat(), vec![op::TUPLE]].concat();
    let code =
        dict([("list", list_in_itself), ("dict", dict_in_itself), ("pair", pair), ("weight", f32_tensor("0", &[2]))]);
    let checkpoint = value(&code);
    let root = checkpoint.root();
    let list = root.get("list").unwrap();
    assert!(list.get(0).unwrap().is(&list));
    let dict = root.get("dict").unwrap();
    assert!(dict.get("me").unwrap().is(&dict) && dict.get("me").unwrap().get("me").unwrap().is(&dict));
    let pair = root.get("pair").unwrap();
    assert!(pair.get(1).unwrap().get(0).unwrap().is(&pair.get(0).unwrap()));
    let names: Vec<String> = checkpoint.tensors().unwrap().iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["weight"]);
    assert_eq!(checkpoint.leaves("").unwrap().leaves.len(), 1);
    assert_eq!(checkpoint.state_dict().unwrap().len(), 1);
    for value in [root, list, dict, pair] {
        assert!(format!("{value} {value:?}").len() < 200);
    }
    assert!(format!("{checkpoint:?}").len() < 200);
}

#[test]
pub(crate) fn case_053_deep_nesting_decodes_and_drops() {
    const DEPTH: usize = 200_000;
    let nested = [vec![op::EMPTY_LIST; DEPTH], f32_tensor("0", &[2]), vec![op::APPEND; DEPTH]].concat();
    let checkpoint = value(&nested);
    let mut depth = 0;
    let mut value = checkpoint.root();
    while let Some(inner) = value.get(0) {
        value = inner;
        depth += 1;
    }
    assert_eq!((depth, value.kind()), (DEPTH, Kind::Tensor));
    let error = checkpoint.tensors().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["Limits::nesting"]);
    assert_eq!(checkpoint.state_dict().unwrap_err().kind(), ErrorKind::Limit);
    let mut limits = Limits::default();
    limits.nesting = DEPTH + 1;
    let patient = LoadOptions::new()
        .limits(limits)
        .open_bytes(torch_file(&nested[1..nested.len() - 1], &[("0", &f32s(&[1.0, 2.0]))]))
        .unwrap();
    assert_eq!(patient.tensors().unwrap().len(), 1);
    drop((checkpoint, patient));
}

/// As deep in tuples as keys, in attributes, and in wrapped tensors.
#[test]
pub(crate) fn case_053_deep_nesting_of_other_kinds() {
    let tuples = [int(1), vec![op::TUPLE1; 100_000]].concat();
    let checkpoint = value(&list([tuples.clone()]));
    assert!(checkpoint.root().get(0).unwrap().to_string().len() < 100);
    // A key of that depth either loads or is refused.
    let _ = LoadOptions::new().open_bytes(torch_file(&dict_of([(tuples, int(1))]), &[]));
    let mut object_in_object = none();
    for _ in 0..5_000 {
        object_in_object = object("m", "C", dict([("a", object_in_object)]));
    }
    assert_eq!(value(&object_in_object).tensors().unwrap_err().kind(), ErrorKind::Limit);
    // A mapping made of a mapping made of…, and type tags around each other.
    for (module, name, more) in
        [("collections", "OrderedDict", None), ("torch.jit._pickle", "restore_type_tag", Some("t"))]
    {
        let arguments = more.map_or_else(|| vec![op::TUPLE1], |more| [text(more), vec![op::TUPLE2]].concat());
        let call = [arguments, vec![op::REDUCE]].concat();
        let made = [memo(0, global(module, name)), get(0).repeat(100_000), dict([]), call.repeat(100_001)].concat();
        let checkpoint = value(&made);
        assert!(checkpoint.root().to_string().len() < 100);
        let _ = (checkpoint.tensors(), checkpoint.state_dict());
    }
    let mut wrapped = f32_tensor("0", &[2]);
    for _ in 0..5_000 {
        wrapped = parameter(wrapped, true);
    }
    if let Ok(checkpoint) = LoadOptions::new().open_bytes(torch_file(&wrapped, &[("0", &f32s(&[1.0, 2.0]))])) {
        assert_eq!(checkpoint.tensors().unwrap().len(), 1);
    }
}

/// Thirty levels of ten references each: a page of pickle, 10^30 tensors when flattened.
#[test]
pub(crate) fn case_054_billion_laughs_decode_at_once_and_hit_the_limit() {
    let mut code = memo(0, list([f32_tensor("0", &[2])]));
    for level in 0..30_u8 {
        code = [code, vec![op::POP], memo(level + 1, list((0..10).map(|_| get(level))))].concat();
    }
    let start = Instant::now();
    let mut limits = Limits::default();
    limits.names = 10_000;
    let checkpoint =
        LoadOptions::new().limits(limits).open_bytes(torch_file(&code, &[("0", &f32s(&[1.0, 2.0]))])).unwrap();
    for error in
        [checkpoint.tensors().unwrap_err(), checkpoint.leaves("").unwrap_err(), checkpoint.state_dict().unwrap_err()]
    {
        says(&error, &["Limits::names", "10000"]);
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
    assert!(checkpoint.get("9.9.9.9").is_some());
    assert!(format!("{:?}", checkpoint.root()).len() < 200);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
pub(crate) fn case_054_shared_keys_do_not_explode() {
    // A tuple of ten references to a tuple of ten references …, as a dict key.
    let mut code = memo(0, tuple([int(1)]));
    for level in 0..25_u8 {
        code = [code, vec![op::POP], memo(level + 1, tuple((0..10).map(|_| get(level))))].concat();
    }
    let keyed = [code, vec![op::POP], dict_of([(get(25), f32_tensor("0", &[2]))])].concat();
    let start = Instant::now();
    if let Ok(checkpoint) = LoadOptions::new().open_bytes(torch_file(&keyed, &[("0", &f32s(&[1.0, 2.0]))])) {
        let _ = checkpoint.tensors();
        let _ = checkpoint.state_dict();
        let _ = checkpoint.get("nowhere");
        checkpoint.root().entries().for_each(|(key, _)| assert!(key.to_string().len() < 1 << 20));
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

/// One key of a megabyte above 100,000 tensors: their paths would take 100 GB.
#[test]
pub(crate) fn case_054_a_long_key_above_many_tensors_hits_the_limit() {
    let key = "k".repeat(1 << 20);
    let many = [memo(0, f32_tensor("0", &[2])), vec![op::POP], list((0..100_000).map(|_| get(0)))].concat();
    let buffers = dict_of((0..100_000).map(|n| (int(n), get(0))));
    let start = Instant::now();
    for code in [
        dict([(&*key, many.clone())]),
        [
            many,
            vec![op::POP],
            module("M", dict([]), dict([]), dict([(&*key, module("M", buffers, dict([]), dict([])))])),
        ]
        .concat(),
    ] {
        let mut limits = Limits::default();
        limits.names = 100_000;
        let file = torch_file(&code, &[("0", &f32s(&[1.0, 2.0]))]);
        let checkpoint = LoadOptions::new().limits(limits).open_bytes(file).unwrap();
        for error in [checkpoint.tensors().unwrap_err(), checkpoint.state_dict().unwrap_err()] {
            says(&error, &["Limits::names"]);
        }
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

/// As many names of buffers as there are that are not saved: not compared one by one with each other.
#[test]
pub(crate) fn case_112_many_buffers_that_are_not_persistent() {
    let names: Vec<String> = (0..50_000).map(|n| format!("buffer.{n}")).collect();
    let first = [memo(0, f32_tensor("0", &[2])), vec![op::POP]].concat();
    let buffers = dict(names.iter().map(|name| (&**name, get(0))));
    let unsaved = reduce(global("__builtin__", "set"), [list(names.iter().skip(1).map(|name| text(name)))]);
    let state = [
        ("_parameters", dict([])),
        ("_buffers", buffers),
        ("_non_persistent_buffers_set", unsaved),
        ("_modules", dict([])),
    ];
    let checkpoint = value(&[first, object("m", "M", dict(state))].concat());
    let start = Instant::now();
    let weights = checkpoint.state_dict().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["buffer.0"]);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
pub(crate) fn case_055_a_memo_slot_of_four_billion_costs_nothing() {
    let code =
        [text("x"), vec![op::LONG_BINPUT], vec![0xff; 4], vec![op::POP, op::LONG_BINGET], vec![0xff; 4]].concat();
    assert_eq!(value(&code).root().as_str(), Some("x"));
}

/// Lone surrogates are kept in the bytes and shown as U+FFFD; other bytes that are not UTF-8 are an error, except in
/// Python 2 strings.
#[test]
pub(crate) fn case_056_text_that_is_not_utf8() {
    let checkpoint = value(&list([raw_text(b"a\xed\xa0\x80b"), py2_string(b"caf\xe9"), py2_string("é".as_bytes())]));
    let lone = checkpoint.root().get(0).unwrap();
    assert_eq!(lone.as_str_bytes(), Some(&b"a\xed\xa0\x80b"[..]));
    assert!(lone.as_str().unwrap().starts_with("a\u{fffd}"));
    let latin = checkpoint.root().get(1).unwrap();
    assert_eq!((latin.as_str(), latin.to_text().as_deref()), (None, Some("café")));
    assert_eq!(checkpoint.root().get(2).unwrap().as_str(), Some("é"));
    let error = refusal(torch_file(&raw_text(b"\xff\xfe"), &[]));
    says(&error, &["UTF-8", "archive/data.pkl"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
pub(crate) fn case_056_096_names_that_become_one_text_are_reported() {
    let two =
        |a: &[u8], b: &[u8]| dict_of([(raw_text(a), f32_tensor("0", &[2])), (raw_text(b), f32_tensor("0", &[2]))]);
    let checkpoint = value(&two(b"x\xed\xa0\x80", b"x\xed\xa0\x81"));
    assert_eq!(checkpoint.tensors().unwrap().len(), 2);
    let error = checkpoint.state_dict().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["both be named"]);
    // Case 96: a Python 2 key and a text key.
    let checkpoint = value(&dict_of([(bytes(b"a"), f32_tensor("0", &[2])), (text("a"), f32_tensor("0", &[2]))]));
    let names: Vec<String> = checkpoint.tensors().unwrap().iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["b'a'", "a"]);
    let python2 = value(&dict_of([(py2_string(b"a\xe9"), f32_tensor("0", &[2])), (text("aé"), f32_tensor("0", &[2]))]));
    says(&python2.state_dict().unwrap_err(), &["both be named", "aé"]);
    // In ASCII both are one key, as torch decodes them.
    let python2 = value(&dict_of([(py2_string(b"a"), f32_tensor("0", &[2])), (text("a"), f32_tensor("0", &[2]))]));
    assert_eq!(python2.state_dict().map(|weights| weights.len()).unwrap_or(1), 1);
}

#[test]
pub(crate) fn case_088_plain_values_of_every_kind() {
    let checkpoint = value(&dict([
        ("none", none()),
        ("bool", bool(true)),
        ("int", int(-7)),
        ("big", long(&[0, 0, 0, 0, 0, 0, 0, 0, 64])),
        ("float", float(0.5)),
        ("text", text("Größe")),
        ("bytes", bytes(&[0, 255])),
        ("complex", reduce(global("__builtin__", "complex"), [float(1.0), float(-2.0)])),
        ("size", reduce(global("torch", "Size"), [ints(&[2, 3])])),
        ("dtype", global("torch", "bfloat16")),
        ("device", reduce(global("torch", "device"), [text("cuda"), int(1)])),
        ("layout", reduce(global("torch.serialization", "_get_layout"), [text("torch.strided")])),
        ("qscheme", global("torch", "per_tensor_affine")),
        ("function", global("posix", "system")),
        ("object", object("argparse", "Namespace", dict([("lr", float(0.1))]))),
        ("storage", StorageId::new("FloatStorage", "0", 2).location("cuda:1").code()),
    ]));
    let root = checkpoint.root();
    let at = |key: &str| root.get(key).unwrap();
    assert!(at("none").is_none());
    assert_eq!(at("bool").as_bool(), Some(true));
    assert_eq!((at("int").as_i64(), at("int").as_f64(), at("bool").as_i64()), (Some(-7), None, None));
    assert_eq!((at("big").as_i64(), at("big").to_string()), (None, "1180591620717411303424".into()));
    assert_eq!(at("float").as_f64(), Some(0.5));
    assert_eq!(at("text").as_str(), Some("Größe"));
    assert_eq!(at("bytes").as_bytes().as_deref(), Some(&[0, 255][..]));
    assert_eq!(at("complex").as_complex(), Some((1.0, -2.0)));
    // Case 88.
    assert_eq!(at("size").iter().map(|size| size.as_i64()).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(at("dtype").as_dtype().map(|dtype| dtype.name()), Some("bfloat16"));
    assert_eq!(at("device").as_device().map(|device| device.to_string()).as_deref(), Some("cuda:1"));
    assert_eq!((at("layout").kind(), at("qscheme").as_name()), (Kind::Layout, Some("per_tensor_affine")));
    assert_eq!((at("function").kind(), at("function").as_name()), (Kind::Global, Some("system")));
    assert_eq!(at("object").kind(), Kind::Object);
    assert_eq!(at("object").type_name(), "argparse.Namespace");
    assert_eq!(at("object").get("lr").and_then(|lr| lr.as_f64()), Some(0.1));
    assert_eq!(checkpoint.get("object.lr").and_then(|lr| lr.as_f64()), Some(0.1));
    assert_eq!(at("storage").as_storage().map(|storage| storage.location()), Some("cuda:1"));
    assert!(root.get("nothing").is_none() && root.get(0).is_none() && at("int").get("x").is_none());
}

/// Tensors in places that no listing walks are found all the same.
#[test]
pub(crate) fn tensors_in_sets_and_unknown_calls_are_listed() {
    let deque = [reduce(global("collections", "deque"), []), f32_tensor("0", &[2]), vec![op::APPEND]].concat();
    let unknown = reduce(global("some.module", "rebuild"), [f32_tensor("0", &[2])]);
    let checkpoint = value(&dict([("deque", deque), ("unknown", unknown), ("w", f32_tensor("0", &[2]))]));
    assert_eq!(checkpoint.tensors().unwrap().len(), 3);
    assert_eq!(checkpoint.leaves("").unwrap().not_walked, 1);
    assert_eq!(tensor(&checkpoint, "w").numel(), 2);
}

/// Python 2 pickles an `OrderedDict` as a call with its pairs: later ones win, as in Python, and tensors count once.
#[test]
pub(crate) fn case_061_equal_keys_of_an_ordered_dict_made_of_pairs_are_one_entry() {
    let pairs = |made: Code| {
        let items = [list([text("w"), int(1)]), list([text("x"), int(2)]), tuple([text("w"), f32_tensor("0", &[2])])];
        reduce(made, [list(items)])
    };
    for made in [global("collections", "OrderedDict"), global("__builtin__", "dict"), global("collections", "Counter")]
    {
        let checkpoint = value(&pairs(made));
        let keys: Vec<String> = checkpoint.root().entries().map(|(key, _)| key.to_string()).collect();
        assert_eq!(keys, ["w", "x"]);
        assert_eq!(checkpoint.tensors().unwrap().len(), 1);
        assert!(checkpoint.root().get("w").unwrap().as_tensor().is_some());
    }
    // One by one, with others made in between.
    let one_by_one = [
        vec![op::EMPTY_LIST],
        list([text("w"), int(1)]),
        vec![op::APPEND],
        list([text("x"), int(2)]),
        vec![op::APPEND],
        list([text("w"), int(3)]),
        vec![op::APPEND],
    ];
    let checkpoint = value(&reduce(global("collections", "OrderedDict"), [one_by_one.concat()]));
    assert_eq!((checkpoint.root().len(), checkpoint.root().get("w").unwrap().as_i64()), (Some(2), Some(3)));
    // What is set later counts too, and what was given is a copy.
    let given = memo(3, dict([("a", int(1))]));
    let counter = set_items(reduce(global("collections", "Counter"), [given]), [(text("a"), int(5))]);
    let checkpoint = value(&tuple([counter, get(3)]));
    let at = |index| checkpoint.root().get(index).unwrap().get("a").unwrap().as_i64();
    assert_eq!((at(0_usize), at(1)), (Some(5), Some(1)));
    let factory = reduce(global("collections", "defaultdict"), [global("__builtin__", "list"), dict([("a", int(1))])]);
    assert_eq!(value(&factory).root().get("a").unwrap().as_i64(), Some(1));
    let unhashable = reduce(global("collections", "OrderedDict"), [list([list([list([]), int(1)])])]);
    says(&refusal(torch_file(&unhashable, &[])), &["(REDUCE)", "list", "cannot hash"]);
}

/// Protocols 0 and 1 make instances of subclasses of `dict`, `list` and `tuple` with `copyreg._reconstructor`: their paths are
/// those of protocol 2.
#[test]
fn case_058_what_subclasses_of_containers_hold_is_their_own() {
    let made = |base: &str, held: Code| {
        reduce(global("copy_reg", "_reconstructor"), [global("run", "Own"), global("__builtin__", base), held])
    };
    let weight = || f32_tensor("0", &[2]);
    let checkpoint = value(&dict([
        ("dict", made("dict", dict([("w", weight())]))),
        ("list", made("list", list([weight()]))),
        ("tuple", made("tuple", tuple([int(1), weight()]))),
        ("plain", build(made("object", none()), dict([("w", weight())]))),
        ("text", made("str", text("x"))),
    ]));
    let names: Vec<String> = checkpoint.tensors().unwrap().iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["dict.w", "list.0", "tuple.1", "plain.w"]);
    assert_eq!(checkpoint.leaves("").unwrap().not_walked, 0);
}

/// A call that Python would refuse keeps its arguments: nothing is guessed, nothing is lost.
#[test]
fn arguments_that_a_builder_does_not_take_are_kept() {
    for call in [
        reduce(global("torch", "Size"), [ints(&[1]), f32_tensor("0", &[2])]),
        reduce(global("__builtin__", "set"), [list([int(1)]), f32_tensor("0", &[2])]),
        reduce(global("collections", "OrderedDict"), [list([]), f32_tensor("0", &[2])]),
        reduce(global("torch", "device"), [text("cuda"), int(0), f32_tensor("0", &[2])]),
        reduce(global("__builtin__", "complex"), [float(1.0), float(1.0), f32_tensor("0", &[2])]),
    ] {
        let checkpoint = value(&tuple([call]));
        assert_eq!(checkpoint.tensors().unwrap().len(), 1);
    }
    let unpacked = reduce_tuple(global("collections", "OrderedDict"), list([f32_tensor("0", &[2])]));
    says(&refusal(torch_file(&unpacked, &[("0", &[0; 8])])), &["(REDUCE)", "arguments must be a tuple, found list"]);
}

#[test]
fn keys_without_a_text_of_their_own_are_named_by_their_class() {
    let frozen = reduce(global("__builtin__", "frozenset"), [list([int(1)])]);
    let frozen_opcode = [vec![op::MARK], int(1), vec![0x91]].concat();
    let storage = StorageId::new("FloatStorage", "0", 2).code();
    let checkpoint = value(&dict_of([(frozen, int(1)), (frozen_opcode, int(2)), (storage, int(3))]));
    let names: Vec<String> = checkpoint.leaves("").unwrap().leaves.iter().map(|leaf| leaf.path.join(".")).collect();
    assert_eq!(names, ["<builtins.frozenset>", "<builtins.frozenset>", "<torch.storage.TypedStorage>"]);
}

/// A few bytes that ask for a copy of many entries, again and again.
#[test]
fn mappings_of_the_same_entries_over_and_over_are_refused() {
    let many = memo(0, list((0..2000).map(|n| list([int(n), none()]))));
    let again = memo(1, global("collections", "OrderedDict"));
    let copies = (0..2000).map(|_| [get(1), get(0), vec![op::TUPLE1, op::REDUCE]].concat());
    let error = refusal(torch_file(&list([many, again].into_iter().chain(copies)), &[]));
    says(&error, &["(REDUCE)", "over and over"]);
    assert_eq!(error.kind(), ErrorKind::Limit);
}
