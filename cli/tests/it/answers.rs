//! The JSON of every fixture is the answer that torch gives; every file to be refused is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{fixture, fixtures, json, refusal};

/// The files below a folder of the fixtures that have an answer beside them, and the answers.
fn answered(folder: &str) -> Vec<(PathBuf, Value)> {
    let mut folders = vec![fixtures().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Unless it is a checkpoint itself.
                if !PathBuf::from(format!("{}.oracle.json", path.display())).exists() {
                    folders.push(path);
                }
            } else if let Some(file) = path.to_str().unwrap().strip_suffix(".oracle.json") {
                let answer = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                found.push((PathBuf::from(file), answer));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

/// Numbers compare as numbers: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn tensors_agree(path: &Path, answer: &Value, found: &Value) {
    let (wanted, found) = (answer["tensors"].as_array().unwrap(), found["tensors"].as_array().unwrap());
    let subset = answer.get("subset").is_some();
    let place = |tensor: &Value| {
        let path = tensor.get("path").cloned();
        path.unwrap_or_else(|| serde_json::json!([tensor["name"]]))
    };
    let position = |tensor: &Value| wanted.iter().position(|wanted| place(wanted) == place(tensor));
    let listed = |tensor: &&Value| !subset || position(tensor).is_some();
    let mut found: Vec<Value> = found.iter().filter(listed).cloned().collect();
    if answer.get("unordered").is_some() {
        found.sort_by_key(|tensor| position(tensor));
    }
    let names = |tensors: &[Value]| tensors.iter().map(place).collect::<Vec<_>>();
    assert_eq!(names(wanted), names(&found), "{}", path.display());
    let (mut storages, mut back) = (BTreeMap::new(), BTreeMap::new());
    for (wanted, found) in wanted.iter().zip(&found) {
        for (field, value) in wanted.as_object().unwrap() {
            if field == "storage" {
                // Numbers by first appearance, among others perhaps: which share one is what counts.
                let (ours, theirs) = (found[field].as_u64(), value.as_u64());
                let same =
                    *storages.entry(theirs).or_insert(ours) == ours && *back.entry(ours).or_insert(theirs) == theirs;
                assert!(same, "{}: {} shares its storage with others", path.display(), wanted["name"]);
                continue;
            }
            assert!(same(value, &found[field]), "{}: {}.{field}: {}", path.display(), wanted["name"], found[field]);
        }
    }
}

fn values_agree(path: &Path, wanted: &Value, found: &Value) {
    let found = found["values"].as_array().unwrap();
    for wanted in wanted["values"].as_array().into_iter().flatten() {
        let found = found.iter().find(|value| value["path"] == wanted["path"]);
        let found = found.unwrap_or_else(|| panic!("{}: no {}", path.display(), wanted["path"]));
        let agrees = wanted["type"] == found["type"] && same(&wanted["value"], &found["value"]);
        assert!(agrees, "{}: {wanted} is {found}", path.display());
    }
}

fn folder_agrees(folder: &str, format: &str) {
    for (path, answer) in answered(folder) {
        let found = json(&["show", "--json", "--sha256", path.to_str().unwrap()]);
        if answer.get("may").is_some() {
            continue; // another listing is right as well
        }
        // Rewritten files are of the kind that their name begins with.
        let name = path.file_name().unwrap().to_str().unwrap();
        let kinds = ["torchscript", "export"].into_iter().filter(|_| folder == "rewritten");
        let format = kinds.clone().find(|kind| name.starts_with(kind)).unwrap_or(format);
        // A folder may hold only one file, which is then what it is.
        let only = name.starts_with("only_") || name.starts_with("hugging_face");
        assert!(only || found["format"] == format, "{}: {}", path.display(), found["format"]);
        tensors_agree(&path, &answer, &found);
        values_agree(&path, &answer, &found);
    }
}

#[test]
fn what_torch_2_15_writes() {
    folder_agrees("zip/torch-2.15", "zip");
}

#[test]
fn what_torch_2_5_writes() {
    folder_agrees("zip/torch-2.5", "zip");
}

#[test]
fn what_torch_1_13_writes() {
    folder_agrees("zip/torch-1.13", "zip");
}

#[test]
fn legacy_streams() {
    folder_agrees("legacy", "legacy");
}

#[test]
fn tar_files() {
    folder_agrees("tar", "tar");
}

#[test]
fn programs() {
    folder_agrees("torchscript", "torchscript");
    folder_agrees("export", "export");
    folder_agrees("package", "package");
}

#[test]
fn folders_and_safetensors() {
    folder_agrees("safetensors", "safetensors");
    folder_agrees("sharded", "sharded");
    folder_agrees("distributed", "distributed");
}

#[test]
fn plain_pickles() {
    folder_agrees("pickle", "pickle");
}

#[test]
fn what_other_tools_have_rewritten() {
    folder_agrees("rewritten", "zip");
}

#[test]
fn refused_files_say_why_in_one_line() {
    for (path, answer) in answered("refused") {
        let show: &[&str] = if answer["verify"] == true { &["verify"] } else { &["show", "--json", "--sha256"] };
        let message = refusal(&[show, &[path.to_str().unwrap()]].concat());
        // The file's own name cannot supply the reason.
        let message = message.replace(path.to_str().unwrap(), "");
        let words: Vec<&str> = answer["error"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert!(words.is_empty() || words.iter().any(|word| message.contains(word)), "{words:?}: {message}");
    }
}

#[test]
fn without_sha256_nothing_is_hashed() {
    let found = json(&["show", "--json", &fixture("tied.pt")]);
    assert!(found["tensors"].as_array().unwrap().iter().all(|tensor| tensor.get("sha256").is_none()));
}

#[test]
fn tensors_that_are_not_walked_are_counted() {
    assert!(json(&["show", "--json", &fixture("only_inside.pt")])["not_walked"].as_u64() > Some(0));
    assert_eq!(json(&["show", "--json", &fixture("tied.pt")])["not_walked"], 0);
}

#[test]
fn a_key_makes_its_value_the_root() {
    let whole = json(&["show", "--json", &fixture("training_checkpoint.pt")]);
    let model = json(&["show", "--json", "--key", "model", &fixture("training_checkpoint.pt")]);
    assert_eq!((&whole["root"], &model["root"]), (&"dict".into(), &"collections.OrderedDict".into()));
    let names = |listing: &Value| -> Vec<String> {
        let names = listing["tensors"].as_array().unwrap().iter().map(|tensor| tensor["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let below: Vec<String> =
        names(&whole).iter().filter_map(|name| name.strip_prefix("model.")).map(str::to_owned).collect();
    assert!(!below.is_empty());
    assert_eq!(names(&model), below);
    assert_eq!(model["values"].as_array().unwrap().len(), 0);

    let epoch = json(&["show", "--json", "--key", "epoch", &fixture("training_checkpoint.pt")]);
    assert_eq!(epoch["values"][0], serde_json::json!({"path": [], "type": "int", "value": 12}));
}

#[test]
fn map_location_changes_only_the_device() {
    let file = fixture("trained_cnn_cuda.pt");
    let kept = json(&["show", "--json", "--sha256", &file]);
    let devices = |listing: &Value| -> Vec<String> {
        let tensors = listing["tensors"].as_array().unwrap().iter();
        tensors.map(|tensor| tensor["device"].as_str().unwrap().to_owned()).collect()
    };
    for (map, from_to) in [
        ("cpu", [("cuda:0", "cpu"), ("cuda:1", "cpu")]),
        ("cuda:1=cuda:0", [("cuda:0", "cuda:0"), ("cuda:1", "cuda:0")]),
        ("cuda:0=mps,cuda:1=cpu", [("cuda:0", "mps"), ("cuda:1", "cpu")]),
    ] {
        let mut mapped = json(&["show", "--json", "--sha256", "--map-location", map, &file]);
        let expected: Vec<&str> = devices(&kept)
            .iter()
            .map(|device| from_to.iter().find(|(from, _)| device == from).map(|(_, to)| *to).unwrap())
            .collect();
        assert_eq!(devices(&mapped), expected, "{map}");
        for (mapped, kept) in
            mapped["tensors"].as_array_mut().unwrap().iter_mut().zip(kept["tensors"].as_array().unwrap())
        {
            mapped["device"] = kept["device"].clone();
            assert_eq!(mapped, kept, "{map}");
        }
    }
}
