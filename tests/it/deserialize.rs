//! Values into the caller's types, through serde.

mod bounds;
mod numpy;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use torch_checkpoint::{Checkpoint, Error, ErrorKind, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{fixture, says};

fn file(name: &str) -> Checkpoint {
    LoadOptions::new().open(fixture(&format!("zip/torch-2.15/{name}"))).unwrap()
}

fn made(root: &[u8]) -> Checkpoint {
    crate::support::open(torch_file(root, &[("0", &f32s(&[1.0, 2.0, 3.0]))]))
}

/// What a type reads from the object that some code makes.
fn read<T: for<'de> Deserialize<'de>>(code: Code) -> Result<T, Error> {
    made(&code).root().deserialize()
}

/// The same with a small limit on values.
fn read_few<T: for<'de> Deserialize<'de>>(code: Code) -> Result<T, Error> {
    let mut limits = torch_checkpoint::Limits::default();
    limits.names = 100_000;
    LoadOptions::new().limits(limits).open_bytes(torch_file(&code, &[]))?.root().deserialize()
}

#[track_caller]
fn refused<T: for<'de> Deserialize<'de> + std::fmt::Debug>(code: Code, words: &[&str]) {
    let error = read::<T>(code).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    says(&error, words);
}

fn new(module: &str, name: &str, args: impl IntoIterator<Item = Code>) -> Code {
    [global(module, name), tuple(args), vec![op::NEWOBJ]].concat()
}

#[test]
fn hyper_parameters_are_read_from_beside_the_weights() {
    #[derive(Deserialize)]
    struct Run<'a> {
        epoch: u16,
        losses: Vec<f32>,
        best_loss: f64,
        args: Args,
        #[serde(borrow)]
        git: Git<'a>,
        optimizer: Optimizer,
        numpy_rng_state: (String, Vec<u32>, u32, u8, f64),
        #[serde(default)]
        absent: Option<u8>,
    }
    #[derive(Deserialize)]
    struct Args {
        lr: f64,
        batch_size: usize,
        name: String,
        resume: Option<PathBuf>,
        milestones: [u32; 2],
        ema: bool,
    }
    #[derive(Deserialize)]
    struct Git<'a> {
        commit: &'a str,
        dirty: bool,
    }
    #[derive(Deserialize)]
    struct Optimizer {
        param_groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        betas: (f64, f64),
        params: Vec<u8>,
        initial_lr: f64,
    }

    let checkpoint = file("training_checkpoint.pt");
    let run: Run = checkpoint.deserialize("").unwrap();
    assert_eq!((run.epoch, run.losses.len(), run.best_loss), (12, 12, f64::INFINITY));
    assert_eq!((run.args.lr, run.args.batch_size, &*run.args.name), (0.01, 48, "run-1"));
    assert_eq!((run.args.resume, run.args.milestones, run.args.ema), (None, [5, 10], false));
    assert_eq!((run.git.commit.len(), run.git.dirty, run.absent), (40, false, None));
    let group = &run.optimizer.param_groups[0];
    assert_eq!((group.betas, group.params.len(), group.initial_lr), ((0.9, 0.999), 11, 0.01));
    assert_eq!((&*run.numpy_rng_state.0, run.numpy_rng_state.1.len()), ("MT19937", 624));
    // `numpy.random.seed(7)` begins its state so.
    assert_eq!(run.numpy_rng_state.1[0], 7);
}

#[test]
fn errors_name_the_path_of_the_value_that_failed() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Wrong {
        args: Args,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Args {
        milestones: Vec<String>,
    }
    let checkpoint = file("training_checkpoint.pt");
    let error = checkpoint.deserialize::<Wrong>("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.path().is_some());
    assert_eq!(error.message(), "args.milestones.0: invalid type: integer `5`, expected a string");
    let error = checkpoint.deserialize::<Args>("git").unwrap_err();
    assert_eq!(error.message(), "git: missing field `milestones`");
    let error = checkpoint.deserialize::<f64>("args.name").unwrap_err();
    assert_eq!(error.message(), "args.name: invalid type: string \"run-1\", expected f64");
    let error = checkpoint.deserialize::<f64>("args.nobody").unwrap_err();
    says(&error, &["args.nobody", "there is nothing"]);
    let error = checkpoint.root().deserialize::<Wrong>().unwrap_err();
    assert_eq!(error.message(), "args.milestones.0: invalid type: integer `5`, expected a string");
}

#[test]
fn plain_values_of_every_kind() {
    let checkpoint = file("values.pt");
    checkpoint.deserialize::<()>("none").unwrap();
    assert_eq!(checkpoint.deserialize::<Option<u8>>("none").unwrap(), None);
    assert!(checkpoint.deserialize::<bool>("true").unwrap());
    assert_eq!(
        checkpoint.deserialize::<Vec<i128>>("ints").unwrap()[7..],
        [(1 << 31) - 1, 1 << 31, -(1 << 31), -(1 << 31) - 1, (1 << 53) + 1, 1 << 63, -(1 << 63), 1 << 70, -(1 << 70)]
    );
    assert_eq!(checkpoint.deserialize::<u64>("ints.12").unwrap(), 1 << 63);
    assert_eq!(checkpoint.deserialize::<u128>("ints.14").unwrap(), 1 << 70);
    assert_eq!(checkpoint.deserialize::<f64>("ints.11").unwrap(), 9_007_199_254_740_992.0);
    assert_eq!(checkpoint.deserialize::<f32>("ints.14").unwrap(), 2_f32.powi(70));
    for (path, words) in [("ints.14", "i128"), ("int_300_bytes", "an integer of 300 bytes")] {
        let error = checkpoint.deserialize::<u64>(path).unwrap_err();
        says(&error, &[path, words, "u64"]);
    }
    assert!(checkpoint.deserialize::<f64>("int_300_bytes").is_err());
    assert_eq!(checkpoint.deserialize::<Vec<f64>>("floats").unwrap()[2], 0.1);
    assert!(checkpoint.deserialize::<[f32; 3]>("not_finite").unwrap()[0].is_nan());
    assert_eq!(checkpoint.deserialize::<Vec<String>>("texts").unwrap()[3], "日本語");
    assert_eq!(checkpoint.deserialize::<char>("texts.4").unwrap(), '😀');
    assert_eq!(checkpoint.deserialize::<Vec<&str>>("lone_surrogates").unwrap()[1], "a\u{fffd}b");
    assert_eq!(checkpoint.deserialize::<Vec<Vec<u8>>>("bytes").unwrap()[2], b"abc\xff\xfe");
    assert_eq!(checkpoint.deserialize::<Vec<u8>>("bytearrays.1").unwrap(), [1, 0x80]);
    assert_eq!(checkpoint.deserialize::<(f64, f64)>("complex.0").unwrap(), (1.0, 2.0));
    assert_eq!(checkpoint.deserialize::<Vec<Vec<u64>>>("size").unwrap()[1], [2, 3]);
    assert_eq!(checkpoint.deserialize::<Vec<String>>("device").unwrap(), ["cpu", "cuda", "cuda:1", "meta"]);
    assert_eq!(checkpoint.deserialize::<Vec<String>>("dtype").unwrap()[..3], ["float32", "float16", "bfloat16"]);
    type Deep = (u8, u8, u8, (u8, (u8, ())));
    let tuples =
        checkpoint.deserialize::<(IgnoredAny, (u8,), (u8, u8), [u8; 3], serde_json::Value, IgnoredAny)>("tuples");
    assert_eq!(tuples.unwrap().4, json!([1, 2, 3, [4, [5, []]]]));
    assert!(checkpoint.deserialize::<Deep>("tuples.4").is_err(), "an empty tuple is no unit");
}

#[test]
fn containers_of_pythons_library() {
    let checkpoint = file("containers.pt");
    assert_eq!(checkpoint.deserialize::<std::collections::HashSet<u8>>("set").unwrap(), [11].into());
    assert_eq!(checkpoint.deserialize::<Vec<u8>>("frozenset").unwrap(), [12]);
    assert_eq!(
        checkpoint.deserialize::<BTreeMap<String, u8>>("counter").unwrap(),
        [("x".into(), 2), ("y".into(), 0)].into()
    );
    assert_eq!(checkpoint.deserialize::<(u8, &str)>("deque").unwrap(), (1, "two"));
    assert_eq!(checkpoint.deserialize::<Vec<&str>>("layout").unwrap(), ["strided", "sparse_coo"]);
    assert_eq!(
        checkpoint.deserialize::<Vec<PathBuf>>("paths").unwrap(),
        ["/data/run/1", "relative"].map(PathBuf::from)
    );
    assert_eq!(checkpoint.deserialize::<HashMap<String, IgnoredAny>>("defaultdict").unwrap().len(), 2);
    assert_eq!(checkpoint.deserialize::<String>("class").unwrap(), "torch.nn.modules.linear.Linear");
    // What only its class could tell is no value: a range is not its three arguments.
    for path in ["range", "slice", "times", "partial", "none_type", "error"] {
        let error = checkpoint.deserialize::<serde_json::Value>(path).unwrap_err();
        says(&error, &[path, "an object of `"]);
    }
}

#[test]
fn objects_read_by_their_attributes_arguments_or_items() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Blue,
    }
    let checkpoint = file("objects.pt");
    assert_eq!(checkpoint.deserialize::<Colour>("enum.1").unwrap(), Colour::Blue);
    assert_eq!(checkpoint.deserialize::<(u8, String, i64)>("enum").unwrap(), (1, "blue".into(), 9));
    let error = checkpoint.deserialize::<Colour>("enum.0").unwrap_err();
    says(&error, &["enum.0", "classes.Colour", "serde_repr"]);

    #[derive(Deserialize)]
    struct Pair {
        first: u8,
        #[serde(rename = "second")]
        _second: IgnoredAny,
    }
    assert_eq!(checkpoint.deserialize::<Pair>("named_tuple_old").unwrap().first, 1);
    #[derive(Deserialize)]
    struct Some {
        label: Option<u8>,
        name: Option<String>,
        shift: Option<f64>,
        layers: Option<Vec<u8>>,
        item: Option<IgnoredAny>,
        version: Option<u8>,
    }
    let some = |path: &str| checkpoint.deserialize::<Some>(path).unwrap();
    assert_eq!(some("dataclass").label, Some(3));
    assert_eq!(some("frozen_dataclass").name.as_deref(), Some("frozen"));
    assert_eq!(some("slots").shift, Some(2.5));
    assert_eq!(some("slots_and_dict").shift, Some(2.5));
    assert_eq!(some("config").layers.as_deref(), Some(&[1, 2][..]));
    assert_eq!(some("getstate").version, Some(2));
    assert!(some("no_state").label.is_none());
    assert!(some("attr_dict").item.is_some());
    let (_, two, _) = checkpoint.deserialize::<(IgnoredAny, &str, IgnoredAny)>("attr_list").unwrap();
    assert_eq!(two, "two");
    says(&checkpoint.deserialize::<(IgnoredAny, u8)>("reduced").unwrap_err(), &["reduced", "classes.Reduced"]);
}

#[test]
fn a_tensor_is_never_a_value() {
    let checkpoint = file("objects.pt");
    let error = checkpoint.deserialize::<Vec<f32>>("slots.scale").unwrap_err();
    assert_eq!(error.message(), "slots.scale: invalid type: a tensor float32 [1]; use as_tensor, expected a sequence");
    let scalar = file("root_scalar_tensor.pt");
    says(&scalar.deserialize::<f64>("").unwrap_err(), &["a tensor", "[]", "use as_tensor"]);
    let storage = file("root_untyped_storage.pt");
    says(&storage.deserialize::<Vec<u8>>("").unwrap_err(), &["a storage of", "use as_storage"]);
}

#[test]
fn numbers_are_strict_but_for_int_to_float() {
    assert_eq!(read::<f64>(int(1)).unwrap(), 1.0);
    assert_eq!(read::<f32>(int(1)).unwrap(), 1.0);
    assert_eq!(read::<u8>(int(255)).unwrap(), 255);
    refused::<u8>(int(256), &["256", "u8"]);
    refused::<u8>(int(-1), &["-1", "u8"]);
    refused::<i64>(float(1.0), &["floating point `1.0`", "i64"]);
    refused::<i64>(bool(true), &["boolean `true`", "i64"]);
    refused::<f64>(bool(true), &["boolean `true`", "f64"]);
    refused::<bool>(int(1), &["integer `1`", "a boolean"]);
    refused::<f64>(text("1.0"), &["string \"1.0\"", "f64"]);
    refused::<String>(int(1), &["integer `1`", "a string"]);
    refused::<String>(bytes(b"x"), &["byte array", "a string"]);
    refused::<u8>(none(), &["unit", "u8"]);
    let largest = [&[0xff; 16][..], &[0]].concat();
    assert_eq!(read::<u128>(long(&largest)).unwrap(), u128::MAX);
    refused::<i128>(long(&largest), &["u128"]);
    refused::<u128>(long(&[&largest[..16], &[1]].concat()), &["an integer of 17 bytes", "u128"]);
    assert_eq!(read::<i128>(long(&[&[0; 15][..], &[0x80]].concat())).unwrap(), i128::MIN);
    let huge = |bytes: usize| long(&[&vec![0; bytes - 1][..], &[1]].concat());
    assert_eq!(read::<f64>(huge(128)).unwrap(), 2_f64.powi(1016));
    refused::<f64>(huge(130), &["an integer of 130 bytes"]);
}

#[test]
fn python_2_strings_are_text_or_bytes_as_asked() {
    #[derive(Deserialize)]
    struct Bytes<'a>(&'a [u8]);
    assert_eq!(read::<String>(py2_string(b"abc")).unwrap(), "abc");
    assert_eq!(read::<String>(py2_string(b"\xfc")).unwrap(), "ü");
    let checkpoint = made(&py2_string(b"\xfc"));
    assert_eq!(checkpoint.deserialize::<Bytes>("").unwrap().0, b"\xfc");
    #[derive(Deserialize)]
    struct Config {
        lr: f64,
    }
    let old = dict_of([(py2_string(b"lr"), float(0.5))]);
    assert_eq!(read::<Config>(old).unwrap().lr, 0.5);
}

#[test]
fn keys_keep_their_type_and_their_order() {
    let code = || dict_of([(int(7), text("a")), (int(-1), text("b"))]);
    assert_eq!(read::<HashMap<i8, String>>(code()).unwrap(), [(7, "a".into()), (-1, "b".into())].into());
    assert_eq!(
        read::<BTreeMap<String, String>>(code()).unwrap(),
        [("-1".into(), "b".into()), ("7".into(), "a".into())].into()
    );
    refused::<HashMap<u8, String>>(code(), &["key `-1`: invalid value: integer `-1`, expected u8"]);
    assert_eq!(read::<HashMap<bool, u8>>(dict_of([(bool(true), int(1))])).unwrap(), [(true, 1)].into());
    let pairs = dict_of([(tuple([int(1), text("x")]), int(5))]);
    assert_eq!(read::<HashMap<(u8, String), u8>>(pairs).unwrap(), [((1, "x".into()), 5)].into());
    // A number is no position among the fields of a struct.
    #[derive(Debug, Deserialize)]
    struct First {
        #[serde(rename = "a")]
        _a: u8,
    }
    refused::<First>(dict_of([(int(0), int(5))]), &["missing field `a`"]);

    let keys = file("keys.pt");
    let values = keys.root().get("values").unwrap();
    let order: Vec<String> = InOrder::deserialize(values).unwrap().0;
    assert_eq!(order[..6], ["text", "", "two words", "a.b", "7", "-1"]);
}

/// The keys of a mapping, up to the first that is no text.
struct InOrder(Vec<String>);

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = InOrder;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut keys = Vec::new();
                while keys.len() < 6 {
                    keys.extend(map.next_entry::<String, IgnoredAny>()?.map(|(key, _)| key));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(InOrder(keys))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[test]
fn enums_from_text_or_a_mapping_with_one_entry() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Schedule {
        Constant,
        Step(u32),
        Warmup(u32, f64),
        Cosine { max: u32, min_lr: f64 },
    }
    use Schedule::*;
    assert_eq!(read::<Schedule>(text("Constant")).unwrap(), Constant);
    assert_eq!(read::<Schedule>(py2_string(b"Constant")).unwrap(), Constant);
    assert_eq!(read::<Schedule>(dict([("Constant", none())])).unwrap(), Constant);
    assert_eq!(read::<Schedule>(dict([("Step", int(5))])).unwrap(), Step(5));
    assert_eq!(read::<Schedule>(dict([("Warmup", tuple([int(5), int(1)]))])).unwrap(), Warmup(5, 1.0));
    let cosine = dict([("Cosine", dict([("max", int(9)), ("min_lr", float(0.5))]))]);
    assert_eq!(read::<Schedule>(cosine).unwrap(), Cosine { max: 9, min_lr: 0.5 });
    let by_name = reduce(global("__builtin__", "getattr"), [global("run", "Schedule"), text("Constant")]);
    assert_eq!(read::<Schedule>(by_name).unwrap(), Constant);
    assert_eq!(read::<Schedule>(reduce(global("run", "Schedule"), [text("Constant")])).unwrap(), Constant);

    refused::<Schedule>(text("Linear"), &["unknown variant `Linear`", "`Cosine`"]);
    refused::<Schedule>(text("Step"), &["unit variant", "newtype variant"]);
    refused::<Schedule>(dict([("Step", text("x"))]), &["Step: invalid type: string \"x\", expected u32"]);
    refused::<Schedule>(dict([("Cosine", dict([("max", int(9))]))]), &["Cosine: missing field `min_lr`"]);
    refused::<Schedule>(dict([("Step", int(1)), ("Constant", none())]), &["one entry"]);
    refused::<Schedule>(dict([]), &["one entry"]);
    refused::<Schedule>(int(1), &["int `1`", "name of a variant"]);
    refused::<Schedule>(dict_of([(int(1), int(1))]), &["name of a variant"]);
    // A function's result is not its argument.
    refused::<Schedule>(reduce(global("run", "schedule"), [text("Constant")]), &["an object of `run.schedule`"]);
}

#[test]
fn instances_of_subclasses_of_plain_types() {
    let version = || new("torch.torch_version", "TorchVersion", [text("2.1.0")]);
    assert_eq!(read::<String>(version()).unwrap(), "2.1.0");
    assert_eq!(read::<serde_json::Value>(version()).unwrap(), json!("2.1.0"));
    assert_eq!(read::<String>(build(version(), dict([("x", int(1))]))).unwrap(), "2.1.0");
    assert_eq!(read::<(String,)>(version()).unwrap().0, "2.1.0", "a named tuple with one field looks alike");
    let old = reduce(
        global("copy_reg", "_reconstructor"),
        [global("run", "Dict"), global("__builtin__", "dict"), dict([("a", int(1))])],
    );
    assert_eq!(read::<HashMap<String, u8>>(old).unwrap()["a"], 1);
    let pair = reduce(
        global("copy_reg", "_reconstructor"),
        [global("run", "Pair"), global("__builtin__", "tuple"), ints(&[1, 2])],
    );
    assert_eq!(read::<(u8, u8)>(pair).unwrap(), (1, 2));
    let mut endless = int(1);
    for _ in 0..20 {
        endless = reduce(global("run", "Class"), [tuple([endless])]);
    }
    assert!(read::<serde_json::Value>(endless).is_ok(), "tuples are levels, not stand-ins");
}

#[test]
fn what_is_left_over_is_an_error() {
    refused::<(u8, u8)>(ints(&[1, 2, 3]), &["invalid length 3"]);
    refused::<(u8, u8)>(ints(&[1]), &["invalid length 1"]);
    refused::<[u8; 2]>(bytes(b"abc"), &["invalid length 3"]);
}

#[test]
fn texts_of_the_file_cannot_forge_a_message() {
    let error = read::<HashMap<String, u8>>(dict([("a\nb", text(&"\u{202e}\n".repeat(10_000)))])).unwrap_err();
    says(&error, &["a\\u{a}b: invalid type: string"]);
    assert!(error.to_string().chars().count() < 1000 && !error.to_string().contains('\u{202e}'));
}

#[test]
fn a_value_is_a_deserializer() {
    let checkpoint = made(&dict([("a", list([int(1), float(0.5), none()]))]));
    assert_eq!(serde_json::Value::deserialize(checkpoint.root()).unwrap(), json!({"a": [1, 0.5, null]}));
    let error = HashMap::<String, Vec<u8>>::deserialize(checkpoint.root()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Caller, "a.1: invalid type: floating point `0.5`, expected u8")
    );
}
