//! Which tensors are written, and as what.

use std::collections::HashMap;
use std::path::PathBuf;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{Float, LoadOptions};

use super::{assert_has, converted, dict, flat, metadata, named, names};
use crate::usage::tempdir;
use crate::{fixture, fixtures, refusal, run};

/// Why a fixture cannot be converted, and how many that is so for at least.
const REASONS: [(&str, usize); 5] = [
    ("safetensors has no dtype for complex", 10),
    ("it is nested", 5),
    ("on the device `meta`", 3),
    ("there are no tensors", 10),
    ("would both be named", 1),
];

/// Every fixture that has an answer of torch's.
fn answered() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![fixtures()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_checkpoint = PathBuf::from(format!("{}.oracle.json", path.display())).exists();
            if path.is_dir() && !is_checkpoint && !path.ends_with("refused") {
                folders.push(path);
            } else if is_checkpoint && !path.ends_with("refused") {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn every_fixture_that_can_be_converted_is() {
    let out = tempdir("every_fixture").join("out.safetensors");
    let files = answered();
    assert!(files.len() > 800, "{}", files.len());
    let mut done = 0;
    let mut refused = HashMap::new();
    for file in files {
        let _ = std::fs::remove_file(&out);
        let args = ["convert", file.to_str().unwrap(), out.to_str().unwrap()];
        let options = ["--flatten", "--tied", "clone", "--dense", "--dequantize", "--local"];
        let output = run(&[&args[..], &options].concat());
        if output.status.success() {
            assert_has(&out, named(&flat(&file)));
            done += 1;
            continue;
        }
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains("Checkpoint::"), "{error}");
        assert!(output.status.code() == Some(1) && error.lines().count() == 1 && !out.exists(), "{error}");
        let reason = REASONS.iter().find(|(reason, _)| error.contains(reason));
        let (reason, _) = reason.unwrap_or_else(|| panic!("{error}"));
        *refused.entry(reason).or_insert(0) += 1;
    }
    assert!(done > 600, "{done} {refused:?}");
    for (reason, least) in &REASONS {
        assert!(refused.get(reason).copied().unwrap_or(0) >= *least, "{reason}: {refused:?}");
    }
}

#[test]
fn remedies_are_options() {
    let out = tempdir("remedies").join("out.safetensors");
    let mut named = 0;
    for file in answered().iter().filter(|file| file.to_str().unwrap().contains("torch-2.15")) {
        let output = run(&["convert", file.to_str().unwrap(), out.to_str().unwrap(), "--tied", "first", "--force"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!["LoadOptions", "Checkpoint::", "state_dict("].iter().any(|ours| error.contains(ours)), "{error}");
        named += usize::from(error.contains("--flatten") || error.contains("--key"));
    }
    assert!(named > 20, "{named}");
    let bare = fixture("root_tensor.pt");
    let message = refusal(&["convert", &bare, out.to_str().unwrap(), "--force"]);
    assert!(message.contains("`--rename '^$=NAME'`"), "{message}");
    let (_, out) = converted("bare_tensor", &bare, &["--flatten", "--rename", "^$=bare"]);
    assert_eq!(names(&out), ["bare"]);
}

#[test]
fn files_are_those_that_the_crate_writes() {
    let input = fixture("trained_cnn_cuda.pt");
    let (_, out) = converted("as_the_crate_writes", &input, &[]);
    let dict = dict(&input);
    let data: Vec<(&str, _)> = dict.iter().map(|(name, tensor)| (name, super::expected(tensor))).collect();
    let views = data.iter().map(|(name, (bytes, dtype, shape))| {
        let dtype = serde_json::from_str(&format!("\"{dtype}\"")).unwrap();
        (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    let texts = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    assert!(std::fs::read(out).unwrap() == safetensors::serialize(views, Some(texts)).unwrap());
}

#[test]
fn a_distributed_checkpoint_and_a_legacy_one_from_cuda() {
    let ranks = fixtures().join("distributed/torch-2.15/two_ranks");
    let (report, out) = converted("two_ranks", ranks.to_str().unwrap(), &["--flatten"]);
    assert_eq!(report["format"], "distributed");
    assert!(report["tensors"].as_array().unwrap().len() > 3);
    assert_has(&out, named(&flat(&ranks)));

    let legacy = fixtures().join("legacy/torch-1.0-py2/training_cuda.pt");
    let (report, out) = converted("legacy_cuda", legacy.to_str().unwrap(), &[]);
    assert_eq!(report["format"], "legacy");
    let weights = dict(&legacy);
    assert!(weights.values().any(|tensor| tensor.location().starts_with("cuda:")));
    assert_has(&out, named(&weights));
}

fn casts_to<T: Float + PartialEq + std::fmt::Debug>(option: &str, from_bytes: impl Fn(&[u8]) -> Vec<T>) {
    let input = fixture("trained_cnn_cuda.pt");
    let (report, out) = converted(&format!("casts_to_{option}"), &input, &["--dtype", option]);
    let bytes = std::fs::read(out).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (mut cast, mut kept) = (0, 0);
    for (name, tensor) in &dict(&input) {
        let view = file.tensor(name).unwrap();
        assert_eq!(view.shape(), tensor.shape());
        if tensor.dtype().is_floating_point() {
            assert_eq!(from_bytes(view.data()), tensor.cast::<T>().unwrap(), "{name}");
            cast += 1;
        } else {
            assert_eq!(view.dtype().to_string(), "I64");
            assert!(view.data() == &*tensor.bytes().unwrap());
            kept += 1;
        }
    }
    assert!(cast > 5 && kept > 0, "{cast} {kept}");
    let reported = report["tensors"].as_array().unwrap();
    assert_eq!(reported.iter().filter(|tensor| tensor["dtype"] != tensor["stored_dtype"]).count(), cast);
}

#[test]
fn floating_point_tensors_are_cast() {
    casts_to("f16", |bytes| bytes.as_chunks().0.iter().map(|&two| f16::from_le_bytes(two)).collect());
    casts_to("bf16", |bytes| bytes.as_chunks().0.iter().map(|&two| bf16::from_le_bytes(two)).collect());
    let (_, out) = converted("to_f32", &fixture("trained_cnn_cuda.pt"), &["--dtype", "f32"]);
    assert_has(&out, named(&dict(fixture("trained_cnn_cuda.pt"))));
}

#[test]
fn tied_weights_are_an_error_unless_it_is_said_what_to_do() {
    let input = fixture("tied.pt");
    let weights = LoadOptions::new().key("model").load_state_dict(&input).unwrap();
    let out = tempdir("tied").join("out.safetensors");
    let message = refusal(&["convert", &input, out.to_str().unwrap(), "--key", "model"]);
    assert!(message.contains("`embed.weight` = `out.weight`") && message.contains("--tied first"), "{message}");
    assert!(!out.exists());

    let (report, out) = converted("tied_first", &input, &["--key", "model", "--tied", "first"]);
    assert_eq!(report["tied"], serde_json::json!({"out.weight": "embed.weight"}));
    assert_eq!(metadata(&out, "out.weight").unwrap(), "embed.weight");
    assert_has(&out, named(&weights).filter(|(name, _)| name != "out.weight"));

    let (report, out) = converted("tied_clone", &input, &["--key", "model", "--tied", "clone"]);
    assert_eq!(report["tied"], serde_json::json!({}));
    assert_has(&out, named(&weights));

    // Without the other name there is no tie.
    let (_, out) = converted("tied_excluded", &input, &["--key", "model", "--exclude", "out.*"]);
    assert_eq!(names(&out).len(), weights.len() - 1);
}

#[test]
fn views_that_differ_are_written_in_full() {
    // Two whole views of one storage, and parts of it.
    let input = fixture("views.pt");
    let all = flat(&input);
    let (report, out) = converted("views_first", &input, &["--flatten", "--tied", "first"]);
    let dropped: Vec<&String> = report["tied"].as_object().unwrap().keys().collect();
    for name in &dropped {
        let (view, kept) = (&all[name.as_str()], &all[report["tied"][name.as_str()].as_str().unwrap()]);
        assert_eq!((view.shape(), view.strides()), (kept.shape(), kept.strides()));
        assert_eq!((view.storage(), view.storage_offset()), (kept.storage(), kept.storage_offset()));
    }
    assert!(names(&out).len() > 1);
    assert_has(&out, named(&all).filter(|(name, _)| !dropped.contains(&name)));
}

#[test]
fn what_safetensors_cannot_hold_is_named() {
    let out = tempdir("cannot_hold").join("out.safetensors");
    for (file, options, words) in [
        ("sparse_coo.pt", &["--flatten", "--tied", "clone"][..], "sparse_coo; write it in full with --dense"),
        ("quantised_per_tensor.pt", &["--flatten", "--tied", "clone"], "--dequantize"),
        ("nested_tensor_strided.pt", &["--flatten", "--tied", "clone"], "it is nested"),
        ("meta_state_dict.pt", &["--flatten"], "on the device `meta`"),
        ("all_dtypes.pt", &["--flatten"], "safetensors has no dtype for"),
        ("dtensor_rank_0_of_2.pt", &["--flatten"], "one rank's part of it"),
        ("tied.pt", &["--flatten", "--include", "nothing*"], "no name is left"),
        ("training_checkpoint.pt", &[], "`--key model`"),
    ] {
        let input = fixture(file);
        let message = refusal(&[&["convert", &input, out.to_str().unwrap()], options].concat());
        assert!(message.starts_with(&format!("error: {input}: ")) && message.contains(words), "{message}");
        assert!(!out.exists());
    }
    let (_, out) = converted(
        "excluded",
        &fixture("all_dtypes.pt"),
        &["--flatten", "--exclude", "*complex*", "--exclude", "*bits*", "--tied", "clone"],
    );
    assert!(names(&out).len() > 5);
}

#[test]
fn names_are_chosen_and_changed() {
    let input = fixture("trained_cnn_cuda.pt");
    let (report, out) = converted(
        "names",
        &input,
        &["--include", "*.weight", "--exclude", "fc*", "--strip-prefix", "conv", "--rename", r"^bn(\d)\.=norm.$1."],
    );
    let tensors = report["tensors"].as_array().unwrap();
    let pairs: HashMap<&str, &str> =
        tensors.iter().map(|t| (t["from"].as_str().unwrap(), t["name"].as_str().unwrap())).collect();
    assert_eq!((pairs["conv1.weight"], pairs["bn1.weight"]), ("1.weight", "norm.1.weight"));
    let weights = dict(&input);
    assert_has(&out, pairs.iter().map(|(from, name)| ((*name).to_owned(), &weights[*from])));

    let both = tempdir("names_both").join("out.safetensors");
    let message = refusal(&["convert", &input, both.to_str().unwrap(), "--rename", r"\d+="]);
    assert!(message.contains("would both be written as"), "{message}");
    let message =
        refusal(&["convert", &input, both.to_str().unwrap(), "--include", "bn1.bias", "--rename", ".*=__metadata__"]);
    assert!(message.contains("for itself"), "{message}");
}

#[test]
fn hyper_parameters_come_along_on_request() {
    let input = fixture("training_checkpoint.pt");
    let (_, out) = converted("no_hyper_parameters", &input, &["--key", "model"]);
    assert_eq!((metadata(&out, "format").as_deref(), metadata(&out, "checkpoint")), (Some("pt"), None));

    let (_, out) = converted("hyper_parameters", &input, &["--key", "model", "--metadata"]);
    let values: serde_json::Value = serde_json::from_str(&metadata(&out, "checkpoint").unwrap()).unwrap();
    assert_eq!(values["epoch"], 12);
    assert_eq!(values["args"]["lr"], 0.01);
    assert_eq!(values["args"]["milestones"], serde_json::json!([5, 10]));
    assert_eq!(values["optimizer"]["param_groups"][0]["lr"], 0.0025);
    assert!(values.get("model").is_none());
}

#[test]
fn the_texts_of_a_safetensors_file_stay() {
    let input = fixtures().join("safetensors");
    let files = std::fs::read_dir(input).unwrap().map(|entry| entry.unwrap().path());
    let mut kept = 0;
    for file in files.filter(|path| path.extension() != Some("json".as_ref())) {
        let texts = super::header(&file).metadata().clone().unwrap_or_default();
        if texts.is_empty() {
            continue;
        }
        let (_, out) = converted("texts_stay", file.to_str().unwrap(), &["--tied", "clone"]);
        let written = super::header(&out).metadata().clone().unwrap();
        assert!(texts.iter().all(|(key, text)| written.get(key) == Some(text)), "{}", file.display());
        kept += 1;
    }
    assert!(kept > 0);
}
