//! Which dict of a file is its state dict: the rules of `load_state_dict`, as a table (case 91 among them). Case 95
//! (sharded checkpoints) comes with the support for them.

use torch_checkpoint::{Checkpoint, Error, ErrorKind, Kind, LoadOptions, StateDict};

use crate::pickle_builder::*;
use crate::support::{TempFile, fixture, says};

/// A tensor of one number.
fn t() -> Code {
    f32_tensor("0", &[1])
}

/// `{name: tensor, …}`
fn weights(names: &[&'static str]) -> Code {
    dict(names.iter().map(|&name| (name, t())))
}

/// A module with a parameter, a buffer, a buffer that is `None`, one that is not persistent, and a submodule.
fn network() -> Code {
    let child = module("Linear", dict([("weight", parameter(t(), true)), ("bias", none())]), dict([]), dict([]));
    let buffers = dict([("mean", t()), ("absent", none())]);
    module("Net", dict([("scale", parameter(t(), true))]), buffers, dict([("fc", child), ("gone", none())]))
}

fn file(root: &[u8]) -> Vec<u8> {
    torch_file(root, &[("0", &f32s(&[1.0]))])
}

fn open(root: &[u8]) -> Checkpoint {
    crate::support::open(file(root))
}

/// Through a path, where `key` and `flatten` count.
fn with(options: &mut LoadOptions<'_>, root: &[u8]) -> Result<StateDict, Error> {
    let name = format!("{:?}-{}.pt", std::thread::current().id(), root.len());
    let path = TempFile::with(&name, &file(root));
    options.load_state_dict(&path.0)
}

fn names(weights: &StateDict) -> Vec<&str> {
    weights.keys().collect()
}

/// Root, and the names that are taken.
#[test]
pub(crate) fn the_rules_choose_one_dict() {
    let table: Vec<(&str, Code, &[&str])> = vec![
        // 1. A module.
        ("module", network(), &["scale", "mean", "fc.weight"]),
        // 2. A dict of tensors, whatever plain values are beside them.
        ("dict", weights(&["a", "b"]), &["a", "b"]),
        ("OrderedDict", ordered_dict([("a", t())]), &["a"]),
        ("beside a number", dict([("epoch", int(3)), ("a", t())]), &["a"]),
        ("beside dicts without tensors", dict([("a", t()), ("config", dict([("lr", float(0.1))]))]), &["a"]),
        ("beside dicts with int keys", dict([("a", t()), ("state", dict_of([(int(0), t())]))]), &["a"]),
        ("beside lists of tensors", dict([("a", t()), ("more", list([t()]))]), &["a"]),
        // 3. The only candidate child of a root without tensors.
        ("model", dict([("model", weights(&["a"])), ("epoch", int(1))]), &["a"]),
        ("any name", dict([("whatever", weights(&["a"]))]), &["a"]),
        ("int key", dict_of([(int(5), weights(&["a"]))]), &["a"]),
        ("in a list", list([int(1), weights(&["a"])]), &["a"]),
        ("in a tuple", tuple([weights(&["a"]), none()]), &["a"]),
        ("module under a key", dict([("model", network()), ("epoch", int(1))]), &["scale", "mean", "fc.weight"]),
        (
            "beside an optimizer",
            dict([
                ("net", weights(&["a"])),
                (
                    "optimizer",
                    dict([("state", dict_of([(int(0), weights(&["exp_avg"]))])), ("param_groups", list([]))]),
                ),
            ]),
            &["a"],
        ),
        // 4. `state_dict` and `model_state_dict` beside tensors.
        ("best_acc1", dict([("state_dict", weights(&["a"])), ("best_acc1", t())]), &["a"]),
        ("loss", dict([("loss", t()), ("model_state_dict", weights(&["a"]))]), &["a"]),
        // Prefixes stay.
        ("prefix", dict([("state_dict", weights(&["module._orig_mod.a"]))]), &["module._orig_mod.a"]),
    ];
    for (what, root, expected) in table {
        let found = open(&root).state_dict().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(names(&found), expected, "{what}");
        let by_path = with(&mut LoadOptions::new(), &root).unwrap();
        assert_eq!(names(&by_path), expected, "{what}");
    }
}

/// Root, and the words of the error.
#[test]
pub(crate) fn no_rule_guesses() {
    let optimizer = dict([("state", dict_of([(int(0), weights(&["exp_avg", "step"]))])), ("param_groups", list([]))]);
    let table: Vec<(&str, Code, &[&str])> = vec![
        (
            "two",
            dict([("model", weights(&["a"])), ("ema", weights(&["a"]))]),
            &["several", "`model`, `ema`", "LoadOptions::key(\"model\")", "LoadOptions::flatten()"],
        ),
        (
            "both well-known names",
            dict([("state_dict", weights(&["a"])), ("model_state_dict", weights(&["b"]))]),
            &["`state_dict`, `model_state_dict`"],
        ),
        (
            "the root or its child",
            dict([("a", t()), ("model", weights(&["a"]))]),
            &["the top level (key \"\"), `model`"],
        ),
        ("list of two", list([weights(&["a"]), weights(&["b"])]), &["`0`, `1`"]),
        ("bare tensor", t(), &["one bare tensor", "as_tensor()"]),
        ("bare parameter", parameter(t(), true), &["one bare tensor"]),
        ("optimizer", optimizer, &["`state.0.exp_avg`, `state.0.step`", "LoadOptions::flatten()"]),
        ("list of tensors", list([t(), t()]), &["`0`, `1`", "flatten"]),
        ("number", int(3), &["no tensors"]),
        ("empty dict", dict([]), &["no tensors"]),
        ("two deep", dict([("a", dict([("b", weights(&["w"]))]))]), &["`a.b.w`"]),
    ];
    for (what, root, words) in table {
        let error = open(&root).state_dict().map(|found| format!("{what}: {found:?}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{what}");
        says(&error, words);
    }
}

#[test]
pub(crate) fn many_candidates_are_listed_in_short() {
    let keys: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    let root = dict(keys.iter().map(|key| (&**key, weights(&["a"]))));
    says(&open(&root).state_dict().unwrap_err(), &["`m0`", "`m7`, 4 more"]);
    let many: Vec<Code> = (0..100).map(|_| t()).collect();
    says(&open(&list(many)).state_dict().unwrap_err(), &["it has 100", "`7`, …"]);
    // Names from the file are shown harmlessly.
    let forged = dict([("a\u{1b}[2J\n", weights(&["a"])), ("b", weights(&["a"]))]);
    assert!(!open(&forged).state_dict().unwrap_err().to_string().contains(['\n', '\u{1b}']));
}

#[test]
pub(crate) fn a_key_names_the_dict() {
    let root = dict([
        ("model", weights(&["a"])),
        ("ema", dict([("shadow", weights(&["b"])), ("decay", float(0.9))])),
        ("runs", list([weights(&["c"]), weights(&["d"])])),
        ("dotted.key", weights(&["e"])),
        ("dotted", dict([("key", weights(&["f"])), ("other.key", weights(&["g"]))])),
        ("object", object("m", "C", dict([("net", weights(&["h"]))]))),
        ("holder", dict([("w", t()), ("child", weights(&["i"]))])),
        ("epoch", int(3)),
    ]);
    for (key, expected) in [
        ("model", &["a"][..]),
        ("ema.shadow", &["b"]),
        // The rules choose below a key that is not a candidate itself.
        ("ema", &["b"]),
        ("runs.1", &["d"]),
        // The longest piece counts.
        ("dotted.key", &["e"]),
        ("dotted.other.key", &["g"]),
        ("object.net", &["h"]),
        // Named, a dict that holds tensors is taken, whatever else it holds.
        ("holder", &["w"]),
        ("holder.child", &["i"]),
    ] {
        let found = with(&mut LoadOptions::new().key(key), &root).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(names(&found), expected, "{key}");
    }
    for (key, words) in [
        ("nothing", &["`nothing`", "`model`, `ema`"][..]),
        ("model.nothing", &["`model.nothing`"]),
        ("runs", &["several", "`0`, `1`"]),
        ("epoch", &["no tensors"]),
        ("runs.2", &["`runs.2`"]),
    ] {
        let error = with(&mut LoadOptions::new().key(key), &root).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{key}");
        says(&error, words);
        assert!(error.path().is_some(), "{error}");
    }
    // The root, named.
    let both = dict([("w", t()), ("child", weights(&["i"]))]);
    assert!(with(&mut LoadOptions::new(), &both).is_err());
    let chosen = with(&mut LoadOptions::new().key(""), &both).unwrap();
    assert_eq!(names(&chosen), ["w"]);
    assert_eq!(chosen.others().map(|(name, value)| (name, value.kind())).collect::<Vec<_>>(), [("child", Kind::Dict)]);
}

#[test]
pub(crate) fn a_candidate_in_an_error_can_be_named() {
    let root = dict([("a.b", weights(&["x"])), ("c", weights(&["y"]))]);
    says(&open(&root).state_dict().unwrap_err(), &["`a.b`, `c`"]);
    assert_eq!(names(&with(&mut LoadOptions::new().key("a.b"), &root).unwrap()), ["x"]);
    let ints = dict_of([(int(0), weights(&["x"])), (int(1), weights(&["y"]))]);
    assert_eq!(names(&with(&mut LoadOptions::new().key("1"), &ints).unwrap()), ["y"]);
    let list = list([weights(&["x"]), weights(&["y"])]);
    assert_eq!(names(&with(&mut LoadOptions::new().key("1"), &list).unwrap()), ["y"]);
}

#[test]
pub(crate) fn flattening_takes_every_tensor_under_its_path() {
    let root = dict([
        ("model", weights(&["a", "b"])),
        ("optimizer", dict([("state", dict_of([(int(0), weights(&["step"]))]))])),
        ("net", network()),
        ("list", list([t(), int(1), t()])),
        ("deque", [reduce(global("collections", "deque"), []), t(), vec![op::APPEND]].concat()),
    ]);
    let all = with(&mut LoadOptions::new().flatten(), &root).unwrap();
    assert_eq!(
        names(&all),
        [
            "model.a",
            "model.b",
            "optimizer.state.0.step",
            "net.scale",
            "net.mean",
            "net.fc.weight",
            "list.0",
            "list.2",
            "deque.0",
        ]
    );
    assert_eq!(all.tied()[0].len(), 9);
    let below = with(&mut LoadOptions::new().flatten().key("optimizer"), &root).unwrap();
    assert_eq!(names(&below), ["state.0.step"]);
    // Nothing is left out below a key either.
    let held = dict([("deque", [reduce(global("collections", "deque"), []), t(), vec![op::APPEND]].concat())]);
    let held = with(&mut LoadOptions::new().flatten().key("held"), &dict([("held", held)])).unwrap();
    assert_eq!(names(&held), ["deque.0"]);
    assert_eq!(names(&with(&mut LoadOptions::new().flatten(), &t()).unwrap()), [""]);
    assert!(with(&mut LoadOptions::new().flatten(), &int(3)).unwrap().is_empty());
    assert_eq!(with(&mut LoadOptions::new().flatten().key("x"), &root).unwrap_err().kind(), ErrorKind::Caller);
}

#[test]
pub(crate) fn flattened_names_that_collide_are_an_error() {
    let root = dict([("a.b", t()), ("a", weights(&["b"]))]);
    let error = with(&mut LoadOptions::new().flatten(), &root).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["`a.b`", "Checkpoint::tensors"]);
    assert_eq!(open(&root).tensors().unwrap().len(), 2);
    let int_and_text = dict_of([(int(1), t()), (text("1"), t())]);
    says(&with(&mut LoadOptions::new().flatten(), &int_and_text).unwrap_err(), &["`1`"]);
}

/// The wrappers of real trainers.
#[test]
pub(crate) fn case_091_fixtures_by_rule() {
    let open = |name: &str| LoadOptions::new().open(fixture(&format!("zip/torch-2.15/{name}.pt"))).unwrap();
    assert!(open("wrapped_state_dict").state_dict().is_ok());
    let several = open("model_and_ema").state_dict().unwrap_err();
    assert!(several.path().is_some());
    says(&several, &["several", "model"]);
    assert!(open("module_prefix").state_dict().unwrap().keys().all(|name| name.starts_with("module.")));
    let stacked = open("stacked_prefixes").state_dict().unwrap();
    let bare = stacked.strip_prefix("module.").unwrap().strip_prefix("_orig_mod.").unwrap();
    assert!(bare.keys().all(|name| !name.contains("_orig_mod")) && bare.len() == stacked.len());
    let training = LoadOptions::new().key("model").load_state_dict(fixture("zip/torch-2.15/training_checkpoint.pt"));
    assert!(!training.unwrap().is_empty());
    says(&open("root_tensor").state_dict().unwrap_err(), &["bare tensor"]);
}
