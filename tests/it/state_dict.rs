//! What a `StateDict` offers (cases 90, 92 to 94 among it).

use torch_checkpoint::{DType, ErrorKind, Kind, LoadOptions, StateDict};

use crate::pickle_builder::*;
use crate::support::{fixture, open, says};

/// Names in an order that no sorting gives, two of them over one storage.
fn weights() -> StateDict {
    let code = ordered_dict([
        ("encoder.weight", f32_tensor("0", &[2, 2])),
        ("encoder.bias", f32_tensor("1", &[2])),
        ("encoder2.weight", f32_tensor("1", &[2])),
        ("decoder._extra_state", text("state")),
        ("decoder.weight", f32_tensor("0", &[4])),
        ("decoder.packed", tuple([f32_tensor("1", &[2]), none()])),
        ("alone", f32_tensor("2", &[1])),
        ("dtype", global("torch", "qint8")),
        ("absent", none()),
    ]);
    let metadata = ordered_dict([("", dict([("version", int(1))])), ("encoder", dict([("version", int(2))]))]);
    let code = build(code, dict([("_metadata", metadata)]));
    let file = torch_file(&code, &[("0", &f32s(&[1., 2., 3., 4.])), ("1", &f32s(&[5., 6.])), ("2", &f32s(&[7.]))]);
    open(file).state_dict().unwrap()
}

const NAMES: [&str; 5] = ["encoder.weight", "encoder.bias", "encoder2.weight", "decoder.weight", "alone"];

#[test]
pub(crate) fn it_keeps_the_order_of_the_file() {
    let weights = weights();
    assert_eq!((weights.len(), weights.is_empty()), (5, false));
    assert_eq!(weights.keys().collect::<Vec<_>>(), NAMES);
    assert_eq!(weights.keys().len(), 5);
    assert_eq!(weights.values().map(|tensor| tensor.numel()).collect::<Vec<_>>(), [4, 2, 2, 4, 1]);
    let mut iter = weights.iter();
    assert_eq!((iter.len(), iter.next().map(|(name, _)| name), iter.len()), (5, Some("encoder.weight"), 4));
    assert_eq!((&weights).into_iter().count(), 5);
    let again = weights.clone();
    let owned: Vec<(String, usize)> = weights.into_iter().map(|(name, tensor)| (name, tensor.numel())).collect();
    assert_eq!(owned.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
    assert_eq!(again["alone"].as_slice::<f32>().unwrap(), [7.0]);
    let shown = format!("{again:?}");
    assert!(shown.contains("\"encoder.weight\": Tensor(float32 [2, 2] on cpu)"), "{shown}");
}

#[test]
pub(crate) fn names_are_looked_up() {
    let weights = weights();
    assert!(weights.get("encoder.bias").is_some() && weights.get("encoder").is_none() && weights.get("").is_none());
    assert!(weights.contains_key("alone") && !weights.contains_key("absent"));
    assert_eq!(weights["decoder.weight"].shape(), [4]);
}

#[test]
#[should_panic(
    expected = "there is no tensor `encoder.wieght` among the 5 of the state dict; the nearest names are `encoder.weight`"
)]
fn indexing_with_a_wrong_name_panics_with_the_nearest_names() {
    let _ = &weights()["encoder.wieght"];
}

#[test]
pub(crate) fn require_says_what_is_wrong() {
    let weights = weights();
    assert_eq!(weights.require("encoder.weight", DType::Float32, &[2, 2]).unwrap().numel(), 4);
    let missing = weights.require("encoder.weigth", DType::Float32, &[2, 2]).unwrap_err();
    says(&missing, &["`encoder.weigth`", "nearest", "`encoder.weight`, `encoder2.weight`"]);
    let dtype = weights.require("encoder.weight", DType::Float16, &[2, 2]).unwrap_err();
    says(&dtype, &["tensor `encoder.weight`", "float32 [2, 2]", "float16 [2, 2]"]);
    let shape = weights.require("encoder.weight", DType::Float32, &[4]).unwrap_err();
    says(&shape, &["[2, 2]", "[4]"]);
    for error in [missing, dtype, shape] {
        assert_eq!(error.kind(), ErrorKind::Caller);
    }
    let far = weights.require("zzzzzzzzzzzzzzzzzz", DType::Float32, &[]).unwrap_err();
    assert!(!far.to_string().contains("nearest"), "{far}");
}

#[test]
pub(crate) fn check_is_torchs_strict_loading() {
    let weights = weights();
    assert!(weights.check(NAMES).is_empty());
    let mismatch = weights.check(["new", "alone", "encoder.bias", "alone", String::from("other").as_str()]);
    assert_eq!(mismatch.missing, ["new", "other"]);
    assert_eq!(mismatch.unexpected, ["encoder.weight", "encoder2.weight", "decoder.weight"]);
    let nothing: [&str; 0] = [];
    assert_eq!(weights.check(nothing).unexpected, NAMES);
}

#[test]
pub(crate) fn case_093_tied_names_are_grouped() {
    let weights = weights();
    assert_eq!(weights.tied(), [vec!["encoder.weight", "decoder.weight"], vec!["encoder.bias", "encoder2.weight"]]);
    assert_eq!(weights["encoder.weight"].storage(), weights["decoder.weight"].storage());
    let detached = weights["encoder.weight"].detach().unwrap();
    assert_ne!(detached.storage(), weights["decoder.weight"].storage());
}

#[test]
pub(crate) fn prefixes_take_whole_pieces() {
    let weights = weights();
    assert_eq!(weights.prefix("encoder").keys().collect::<Vec<_>>(), ["weight", "bias"]);
    assert_eq!(weights.prefix("encoder.").keys().collect::<Vec<_>>(), ["weight", "bias"]);
    assert_eq!(weights.prefix("").keys().collect::<Vec<_>>(), NAMES);
    assert!(weights.prefix("enc").is_empty() && weights.prefix("nothing").is_empty());
    assert!(weights.prefix("alone").is_empty());
    let decoder = weights.prefix("decoder");
    assert_eq!(decoder["weight"].numel(), 4);
    assert_eq!(decoder.others().map(|(name, _)| name).collect::<Vec<_>>(), ["_extra_state", "packed"]);
}

#[test]
pub(crate) fn a_prefix_is_stripped_from_the_names_that_have_it() {
    let stripped = weights().strip_prefix("encoder.").unwrap();
    assert_eq!(stripped.keys().collect::<Vec<_>>(), ["weight", "bias", "encoder2.weight", "decoder.weight", "alone"]);
    assert_eq!(stripped["bias"].as_slice::<f32>().unwrap(), [5.0, 6.0]);
    let unchanged = weights().strip_prefix("module.").unwrap();
    assert_eq!(unchanged.keys().collect::<Vec<_>>(), NAMES);
    let code = dict([("module.a", f32_tensor("0", &[1])), ("a", f32_tensor("0", &[1]))]);
    let both = open(torch_file(&code, &[("0", &f32s(&[1.0]))])).state_dict().unwrap();
    let error = both.strip_prefix("module.").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["both be named `a`"]);
}

#[test]
pub(crate) fn case_090_metadata_is_no_item() {
    let weights = weights();
    assert!(weights.get("_metadata").is_none() && weights.others().all(|(name, _)| name != "_metadata"));
    let metadata = weights.metadata().unwrap();
    let version = |prefix: &str| metadata.get(prefix)?.get("version")?.as_i64();
    assert_eq!((version(""), version("encoder"), version("decoder")), (Some(1), Some(2), None));
    let plain = open(torch_file(&dict([("a", f32_tensor("0", &[1]))]), &[("0", &f32s(&[1.0]))]));
    assert!(plain.state_dict().unwrap().metadata().is_none());
    let real = LoadOptions::new().load_state_dict(fixture("zip/torch-2.15/state_dict.pt")).unwrap();
    assert!(real.metadata().unwrap().len().unwrap() > 1);
}

#[test]
pub(crate) fn case_094_what_is_no_tensor_is_kept() {
    let weights = weights();
    let others: Vec<(&str, Kind)> = weights.others().map(|(name, value)| (name, value.kind())).collect();
    assert_eq!(
        others,
        [
            ("decoder._extra_state", Kind::Str),
            ("decoder.packed", Kind::Tuple),
            ("dtype", Kind::DType),
            ("absent", Kind::None),
        ]
    );
    let packed = weights.others().nth(1).unwrap().1;
    assert_eq!(packed.get(0).unwrap().as_tensor().unwrap().as_slice::<f32>().unwrap(), [5.0, 6.0]);
    // Everything else of the file stays reachable.
    assert_eq!(weights.checkpoint().tensors().unwrap().len(), 6);
    assert_eq!(weights.checkpoint().get("dtype").unwrap().as_dtype(), Some(DType::QInt8));
}

/// Names as the module's own `state_dict()` gives them.
#[test]
pub(crate) fn case_092_a_whole_module() {
    let t = || f32_tensor("0", &[1]);
    let unsaved = reduce(global("__builtin__", "set"), [list([text("cache")])]);
    let bn = object(
        "torch.nn.modules.batchnorm",
        "BatchNorm1d",
        dict([
            ("_parameters", ordered_dict([("weight", parameter(t(), true)), ("bias", none())])),
            ("_buffers", ordered_dict([("running_mean", t()), ("cache", t()), ("empty", none())])),
            ("_non_persistent_buffers_set", unsaved),
            ("_modules", ordered_dict([])),
            ("attribute", t()),
        ]),
    );
    let shared = memo(1, module("Linear", dict([("weight", parameter(t(), false))]), dict([]), dict([])));
    let root =
        module("Net", dict([("p", parameter(t(), true))]), dict([]), dict([("bn", bn), ("x", shared), ("y", get(1))]));
    let checkpoint = open(torch_file(&root, &[("0", &f32s(&[1.0]))]));
    let weights = checkpoint.state_dict().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["p", "bn.weight", "bn.running_mean", "x.weight", "y.weight"]);
    assert!(weights["bn.weight"].is_parameter() && !weights["x.weight"].requires_grad());
    assert_eq!(checkpoint.root().kind(), Kind::Object);
    assert_eq!(checkpoint.root().type_name(), "torch.nn.modules.container.Net");
    // What a module holds beside its state is not lost.
    assert_eq!(checkpoint.tensors().unwrap().len(), 7);
}

/// Quantised modules pickle a state of their own form: what they hold is listed where they stand.
#[test]
pub(crate) fn a_module_of_another_form_is_not_left_out() {
    let odd = object("torch.ao.nn.quantized", "Linear", tuple([f32_tensor("0", &[1]), dict([]), bool(false)]));
    let children = dict([("fc", parameter(f32_tensor("0", &[1]), true)), ("odd", odd), ("gone", none())]);
    let root = module("Net", dict([("p", parameter(f32_tensor("0", &[1]), true))]), dict([]), children);
    let checkpoint = open(torch_file(&root, &[("0", &f32s(&[1.0]))]));
    let names: Vec<String> = checkpoint.tensors().unwrap().iter().map(|entry| entry.name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().any(|name| name.contains("odd")), "{names:?}");
    let weights = checkpoint.state_dict().unwrap();
    assert!(weights.contains_key("p"));
    assert!(weights.others().any(|(name, value)| name == "odd" && value.kind() == Kind::Object));
}

/// A state dict without tensors would look like a model without weights.
#[test]
pub(crate) fn a_module_that_packs_all_its_tensors_is_an_error() {
    let packed = [
        ("_parameters", dict([])),
        ("_buffers", dict([])),
        ("_modules", dict([])),
        ("_packed_params", tuple([f32_tensor("0", &[1]), none()])),
    ];
    let checkpoint = open(torch_file(&object("m", "Linear", dict(packed)), &[("0", &f32s(&[1.0]))]));
    let error = checkpoint.state_dict().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    says(&error, &["_packed_params", "LoadOptions::flatten()"]);
    assert_eq!(checkpoint.tensors().unwrap().len(), 1);
    let empty = open(torch_file(&module("ReLU", dict([]), dict([]), dict([])), &[]));
    assert!(empty.state_dict().unwrap().is_empty());
}
