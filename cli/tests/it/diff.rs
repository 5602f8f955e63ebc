//! `diff` compares checkpoints of any two kinds.

use serde_json::Value;

use crate::{command, fixture, fixtures, refusal, run};

fn file(path: &str) -> String {
    fixtures().join(path).into_os_string().into_string().unwrap()
}

/// The exit code and what is printed.
fn diff(args: &[&str]) -> (i32, String) {
    let output = run(&[&["diff"], args].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn of(args: &[&str]) -> (i32, Value) {
    let (code, text) = diff(&[args, &["--json"]].concat());
    (code, serde_json::from_str(&text).unwrap())
}

#[test]
fn the_same_weights_are_equal_in_any_container() {
    for (a, b) in [
        ("zip/torch-2.15/state_dict.pt", "zip/torch-2.15/trained_cnn_cuda.pt"),
        ("zip/torch-2.15/conj_neg.pt", "legacy/torch-2.15/conj_neg.pt"),
        ("sharded/two_shards", "sharded/legacy_shards"),
        ("sharded/safetensors_shards", "sharded/safetensors_and_pickled_shards"),
        ("zip/torch-2.15/sparse_coo.pt", "legacy/torch-2.15/sparse_coo.pt"),
        ("zip/torch-2.15/quantised_per_channel.pt", "legacy/torch-2.15/quantised_per_channel.pt"),
        ("zip/torch-2.15/views.pt", "legacy/torch-2.15/views.pt"),
        ("zip/torch-2.15/nested_tensor_strided.pt", "legacy/torch-2.15/nested_tensor_strided.pt"),
        ("distributed/torch-2.15/protocol_5", "distributed/torch-2.15/another_order"),
    ] {
        let (code, text) = diff(&[&file(a), &file(b)]);
        assert_eq!(code, 0, "{a} {b}: {text}");
        assert!(
            text.starts_with("result        A and B are equal\nin both       ") && text.lines().count() < 5,
            "{text}"
        );
    }
}

#[test]
fn every_file_equals_itself() {
    for folder in ["zip/torch-2.15", "rewritten", "safetensors"] {
        let files = std::fs::read_dir(fixtures().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| !path.to_str().unwrap().ends_with(".json")).collect();
        assert!(files.len() > 10);
        for path in files {
            let path = path.to_str().unwrap();
            let output = run(&["diff", "--flatten", path, path]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            // Two tensors of one dotted path cannot be told apart.
            let twice = stderr.contains("would both be named");
            assert_eq!(output.status.code(), Some(if twice { 1 } else { 0 }), "{path}: {stderr}");
        }
    }
}

#[test]
fn what_differs_is_a_table() {
    let (model, ema) = (fixture("model_and_ema.pt"), fixture("model_and_ema.pt"));
    let (code, text) = diff(&[&model, &ema, "--key", "model", "--key-b", "ema"]);
    assert_eq!(code, 5, "{text}");
    assert_eq!(
        text,
        "   name       in A            in B  largest    mean  differing
~  fc.weight  float32 [2, 3]  same    1.089  0.5887  6 of 6
~  fc.bias    float32 [2]     same   0.7705  0.4586  2 of 2

result        A and B differ
in both       2 tensors, 0 equal, 2 different in values
largest       1.089 in fc.weight
"
    );
}

#[test]
fn names_dtypes_shapes_and_data_are_compared() {
    let (code, found) = of(&[&fixture("trained_cnn_cuda.pt"), &fixture("wrapped_state_dict.pt")]);
    assert_eq!((code, &found["equal"]), (5, &false.into()));
    let tensors = found["tensors"].as_array().unwrap();
    assert!(tensors.iter().any(|tensor| tensor["b"].is_null() && tensor["equal"] == false));
    let (code, found) = of(&[&fixture("meta_state_dict.pt"), &fixture("meta_state_dict.pt"), "--flatten"]);
    assert_eq!(code, 0, "{found}");
    let text = diff(&[&fixture("root_list.pt"), &fixture("tied.pt"), "--flatten"]).1;
    assert!(text.contains("\nonly in A     3 tensors\n") && text.contains("\nonly in B     14 tensors\n"), "{text}");
}

#[test]
fn a_tolerance_and_filters_let_differences_be() {
    let files = [&*fixture("state_dict.pt"), &*file("zip/torch-1.13/state_dict.pt")];
    let (code, found) = of(&files);
    assert_eq!(code, 5);
    let largest = |tensor: &Value| tensor["values"]["largest"].as_f64().unwrap();
    let largest = found["tensors"].as_array().unwrap().iter().map(largest).fold(0.0, f64::max);
    assert!(largest > 0.0);
    let tolerance = |tolerance: f64| diff(&[&files[..], &["--tolerance", &tolerance.to_string()]].concat()).0;
    assert_eq!((tolerance(largest), tolerance(largest * 0.99)), (0, 5));

    let differing = found["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["equal"] == false);
    let mut args = files.to_vec();
    for tensor in differing {
        args.extend(["--exclude", tensor["name"].as_str().unwrap()]);
    }
    let (code, rest) = of(&args);
    assert_eq!(code, 0);
    assert!(!rest["tensors"].as_array().unwrap().is_empty());
}

#[test]
fn prefixes_are_taken_off() {
    let (plain, prefixed) = (fixture("state_dict.pt"), fixture("compiled_state_dict.pt"));
    let (_, found) = of(&[&plain, &prefixed]);
    let only_b = |found: &Value| found["tensors"].as_array().unwrap().iter().filter(|t| t["a"].is_null()).count();
    let before = only_b(&found);
    let (_, found) = of(&[&plain, &prefixed, "--strip-prefix", "_orig_mod."]);
    assert!(before > 0);
    let names: Vec<&str> =
        found["tensors"].as_array().unwrap().iter().map(|tensor| tensor["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| !name.starts_with("_orig_mod.")), "{names:?}");
}

#[test]
fn errors_are_1_and_wrong_usage_is_2() {
    let sound = fixture("state_dict.pt");
    let message = refusal(&["diff", &sound, "no/such\u{1b}[2J.pt"]);
    assert!(message.starts_with("error: no/such") && !message.contains('\u{1b}'), "{message}");
    let message = refusal(&["diff", "--key", "modle", &fixture("training_checkpoint.pt"), &sound]);
    assert!(message.contains("`modle`"), "{message}");
    let message = refusal(&["diff", &fixture("state_dict.pt"), &fixture("meta_state_dict.pt")]);
    assert!(message.contains("several dicts") && message.contains("`--key model`"), "{message}");
    let twice = ["--flatten", "--strip-prefix", "model.", "--strip-prefix", "kept."];
    let message = refusal(&[&["diff", &fixture("tied.pt"), &sound][..], &twice].concat());
    assert!(message.contains("--strip-prefix makes `embed.weight` the name of two tensors"), "{message}");
    for wrong in [&["--tolerance", "-1"][..], &["--tolerance", "nan"], &["--include", "["]] {
        let output = run(&[&["diff", &sound, &sound], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn colours_mark_what_differs() {
    let mut command = command();
    command.args(["diff", "--flatten", &fixture("root_list.pt"), &fixture("tied.pt")]);
    let plain = command.output().unwrap().stdout;
    assert!(!plain.contains(&0x1b));
    let coloured = String::from_utf8(command.env("CLICOLOR_FORCE", "1").output().unwrap().stdout).unwrap();
    assert!(coloured.contains("\u{1b}[31m- ") && coloured.contains("\u{1b}[32m+ "), "{coloured}");
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string().into_bytes(), plain);
    let none = command.env("NO_COLOR", "1").output().unwrap().stdout;
    assert_eq!(none, plain);
}

#[test]
fn names_cannot_steer_the_terminal_and_lines_fit() {
    for columns in [1, 20, 60, 80, 200] {
        for name in ["keys.pt", "values.pt", "all_dtypes.pt", "location_tags.pt"] {
            let mut command = command();
            command.args(["diff", "--flatten", "--all", &fixture(name), &fixture("tied.pt")]);
            let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
            assert_eq!(output.status.code(), Some(5));
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{name}");
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{name} at {columns}:\n{text}");
        }
    }
}
