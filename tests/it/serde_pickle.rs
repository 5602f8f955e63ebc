//! Values as `serde_pickle::Value`, checked against that crate's own reader where it can read.

use std::collections::BTreeMap;

use serde_pickle::{HashableValue, Value as Owned};
use torch_checkpoint::{Checkpoint, Error, ErrorKind, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{fixture, says};

fn file(name: &str) -> Checkpoint {
    LoadOptions::new().open(fixture(&format!("zip/torch-2.15/{name}"))).unwrap()
}

fn converted(code: Code) -> Result<Owned, Error> {
    crate::support::open(torch_file(&code, &[("0", &f32s(&[1.0]))])).root().to_serde_pickle()
}

#[track_caller]
fn refused(code: Code, kind: ErrorKind, words: &[&str]) {
    let error = converted(code).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    says(&error, words);
}

fn key(text: &str) -> HashableValue {
    HashableValue::String(text.to_owned())
}

#[test]
fn it_reads_plain_pickles_as_serde_pickle_does() {
    let code = dict_of([
        (text("none"), none()),
        (text("ints"), list([int(1), int(-1 << 40), long(&[0; 9]), long(&[0, 0, 0, 0, 0, 0, 0, 0, 64])])),
        (text("floats"), tuple([float(0.1), float(f64::INFINITY), float(-0.0)])),
        (tuple([int(1), text("x"), bool(true)]), bytes(b"\x00\xff")),
        (float(0.5), dict([("deep", list([dict([]), tuple([]), list([])]))])),
        (int(7), bool(false)),
        (none(), text("Grüße")),
    ]);
    let expected = serde_pickle::value_from_slice(&pickle(&code), Default::default()).unwrap();
    assert_eq!(converted(code).unwrap(), expected);
}

#[test]
fn hyper_parameters_survive_the_way_through_bytes() {
    let checkpoint = file("training_checkpoint.pt");
    let args = checkpoint.get("args").unwrap().to_serde_pickle().unwrap();
    let Owned::Dict(entries) = &args else { panic!("{args:?}") };
    assert_eq!(entries[&key("lr")], Owned::F64(0.01));
    assert_eq!(entries[&key("milestones")], Owned::List(vec![Owned::I64(5), Owned::I64(10)]));
    let bytes = serde_pickle::value_to_vec(&args, Default::default()).unwrap();
    assert_eq!(serde_pickle::value_from_slice(&bytes, Default::default()).unwrap(), args);
    let read: BTreeMap<String, serde_json::Value> = serde_pickle::from_value(args).unwrap();
    assert_eq!(read["name"], "run-1");
}

#[test]
fn values_of_every_kind() {
    let checkpoint = file("values.pt");
    let get = |path: &str| checkpoint.get(path).unwrap().to_serde_pickle();
    assert_eq!(get("ints.14").unwrap(), Owned::Int(num(70)));
    assert!(matches!(get("int_300_bytes").unwrap(), Owned::Int(_)));
    assert_eq!(get("device").unwrap().to_string(), r#"["cpu", "cuda", "cuda:1", "meta"]"#);
    assert_eq!(get("bytes.2").unwrap(), Owned::Bytes(b"abc\xff\xfe".into()));
    says(&get("complex").unwrap_err(), &["0: a complex number"]);
    let containers = file("containers.pt");
    let get = |path: &str| containers.get(path).unwrap().to_serde_pickle();
    assert_eq!(get("frozenset").unwrap(), Owned::FrozenSet([HashableValue::I64(12)].into()));
    assert_eq!(get("set").unwrap(), Owned::Set([HashableValue::I64(11)].into()));
    says(&get("range").unwrap_err(), &["builtins.range"]);
    let numpy = file("numpy_inside.pt");
    assert_eq!(numpy.get("ints").unwrap().to_serde_pickle().unwrap().to_string(), "[0, 1, 2]");
    assert_eq!(numpy.get("scalar").unwrap().to_serde_pickle().unwrap(), Owned::F64(2.5));
}

fn num(bits: u32) -> num_bigint::BigInt {
    num_bigint::BigInt::from(1) << bits
}

#[test]
fn tensors_are_errors_that_name_their_path() {
    let checkpoint = file("training_checkpoint.pt");
    let error = checkpoint.root().to_serde_pickle().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["model.conv1.weight: a tensor float32", "use as_tensor"]);
    refused(tuple([int(1), dict([("w", f32_tensor("0", &[1]))])]), ErrorKind::Caller, &["1.w: a tensor"]);
}

#[test]
fn cycles_depth_and_multiplication_are_errors() {
    let recursive = file("recursive.pt");
    for path in ["list", "dict", "tuple", "a", "node"] {
        let error = recursive.get(path).unwrap().to_serde_pickle().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
    }
    let own = [memo(0, vec![op::EMPTY_LIST]), get(0), vec![op::APPEND]].concat();
    refused(own, ErrorKind::Caller, &["0: a container that holds itself"]);

    let nested = |levels: usize| (0..levels).fold(int(1), |code, _| list([code]));
    refused(nested(257), ErrorKind::Limit, &["256 levels"]);
    refused(nested(100_000), ErrorKind::Limit, &["256 levels"]);
    // As deep as it goes, in a thread with the usual stack: reading, comparing and dropping recurse.
    let deep = converted(nested(256)).unwrap();
    let read: serde_json::Value = serde_pickle::from_value(deep.clone()).unwrap();
    assert_eq!(read.to_string().len(), 2 * 256 + 1);
    assert_eq!(deep, deep.clone());

    let mut code = memo(0, list([int(1)]));
    for level in 1..20 {
        code = memo(level, list(std::iter::once(code).chain((0..9).map(|_| get(level - 1)))));
    }
    // Held in memory as far as the limit, so a small one.
    let mut limits = torch_checkpoint::Limits::default();
    limits.names = 10_000;
    let checkpoint = LoadOptions::new().limits(limits).open_bytes(torch_file(&code, &[])).unwrap();
    let error = checkpoint.root().to_serde_pickle().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["Limits::names"]);
}

#[test]
fn shared_containers_are_there_each_time() {
    let shared = tuple([memo(0, dict([("k", int(1))])), get(0)]);
    assert_eq!(converted(shared).unwrap().to_string(), r#"({"k": 1}, {"k": 1})"#);
}

#[test]
fn keys_that_have_no_place_are_errors() {
    refused(dict_of([(float(f64::NAN), int(1))]), ErrorKind::Caller, &["NaN"]);
    let dtype = global("torch", "float32");
    refused(
        dict([("a", dict_of([(dtype, int(1)), (text("float32"), int(2))]))]),
        ErrorKind::Caller,
        &["a: two keys", "float32"],
    );
    let object = object("run", "Config", dict([("x", int(1))]));
    refused(dict([("a", dict_of([(object, int(1))]))]), ErrorKind::Caller, &["a: ", "cannot order"]);
}
