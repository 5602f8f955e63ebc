//! Every fixture against torch's own answer, through every way of opening it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use torch_checkpoint::{
    Backing, Checkpoint, Device, Kind, Layout, ListedValue, LoadOptions, Storage, Tensor, ZeroPoints,
};

use crate::support::{fixtures, little_endian};

/// The folders of fixtures that load, one for each container and one for archives that other programs rewrote.
const LOADED: &[&str] = &[
    "zip",
    "rewritten",
    "legacy",
    "tar",
    "pickle",
    "gzip",
    "torchscript",
    "export",
    "package",
    "safetensors",
    "sharded",
    "distributed",
];

pub(crate) type Object = HashMap<String, Box<RawValue>>;

/// Fixtures below a folder with their answers: files, and folders that are one checkpoint. A file without an answer, or an
/// answer without its file, fails.
fn cases(folder: &str) -> Vec<(PathBuf, Object)> {
    let mut folders = vec![fixtures().join(folder)];
    let (mut cases, mut answers) = (Vec::new(), Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let text = path.to_str().unwrap();
            match text.strip_suffix(".oracle.json") {
                Some(case) => answers.push(PathBuf::from(case)),
                None if path.is_dir() && !Path::new(&format!("{text}.oracle.json")).exists() => folders.push(path),
                None => cases.push(path),
            }
        }
    }
    cases.sort();
    answers.sort();
    assert_eq!(answers, cases, "each fixture has its answer and each answer its fixture");
    assert!(!cases.is_empty(), "no fixtures in {folder}");
    let answer = |case: &Path| std::fs::read_to_string(format!("{}.oracle.json", case.to_str().unwrap())).unwrap();
    let cases = cases.into_iter().filter(|case| cfg!(feature = "safetensors") || !needs_safetensors(case));
    cases
        .map(|case| (serde_json::from_str(&answer(&case)).unwrap(), case))
        .map(|(answer, case)| (case, answer))
        .collect()
}

/// Whether a case is, or has, a safetensors file.
fn needs_safetensors(case: &Path) -> bool {
    let named = |path: &Path| path.to_str().is_some_and(|path| path.contains("safetensors"));
    named(case) || case.is_dir() && std::fs::read_dir(case).unwrap().any(|entry| named(&entry.unwrap().path()))
}

/// Everything that is different from the answer.
pub(crate) fn differences(answer: &Object, checkpoint: &Checkpoint) -> Vec<String> {
    let listing = checkpoint.leaves("").unwrap();
    if answer.get("may").is_some() {
        // torch's own answer needs its code: another one is right too, but no tensor may be lost.
        let tensors: Vec<Json> = serde_json::from_str(answer["tensors"].get()).unwrap();
        let in_the_file = tensors.iter().filter(|tensor| tensor.get("location").is_some()).count();
        let found = checkpoint.tensors().unwrap().len();
        return if found < in_the_file { vec![format!("{found} tensors, not {in_the_file}")] } else { Vec::new() };
    }
    let mut wrong = tensor_differences(answer, &listing.leaves);
    wrong.extend(value_differences(answer, &listing.leaves));
    // The same tensors in the same order, then those that only sets and the like hold.
    let everything = checkpoint.tensors().unwrap();
    let walked = everything.len() - listing.not_walked;
    let leaves = listing.leaves.iter().filter(|leaf| leaf.value.as_tensor().is_some());
    if !leaves.map(|leaf| leaf.path.as_slice()).eq(everything.iter().take(walked).map(|entry| entry.path())) {
        wrong.push("`tensors` and `leaves` differ".into());
    }
    wrong
}

fn tensor_differences(answer: &Object, leaves: &[ListedValue<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let wanted: Vec<Json> = serde_json::from_str(answer["tensors"].get()).unwrap();
    let mut given: Vec<(&[String], &Tensor)> =
        leaves.iter().filter_map(|leaf| Some((leaf.path.as_slice(), leaf.value.as_tensor()?))).collect();
    let place = |tensor: &Json| tensor.get("path").cloned().unwrap_or_else(|| json!([tensor["name"]]));
    if answer.contains_key("subset") {
        // torch gives only some of the tensors: it cannot list a `ShardedTensor` without the other ranks.
        given.retain(|(path, _)| wanted.iter().any(|tensor| place(tensor) == json!(path)));
    }
    if answer.contains_key("unordered") {
        given.sort_by_key(|(path, _)| wanted.iter().position(|tensor| place(tensor) == json!(path)));
    }
    let paths: Vec<Json> = given.iter().map(|(path, _)| json!(path)).collect();
    let wanted_paths: Vec<Json> = wanted.iter().map(place).collect();
    if paths != wanted_paths {
        return vec![format!("the tensors are {paths:?}, not {wanted_paths:?}")];
    }
    // Storages correspond one to one.
    let (mut storage_of, mut number_of) = (HashMap::<u64, &Storage>::new(), HashMap::<&Storage, u64>::new());
    for (wanted, (path, tensor)) in wanted.iter().zip(given) {
        for (field, value) in wanted.as_object().unwrap() {
            let found = match field.as_str() {
                "name" => json!(path.join(".")),
                "path" => json!(path),
                "dtype" => json!(tensor.dtype().name()),
                "shape" => json!(tensor.shape()),
                "stride" => json!(tensor.strides()),
                "storage_offset" => json!(tensor.storage_offset()),
                "layout" => json!(tensor.layout().name()),
                "location" => json!(tensor.location()),
                "requires_grad" => json!(tensor.requires_grad()),
                "is_parameter" => json!(tensor.is_parameter()),
                "sha256" if value.is_null() => json!(tensor.bytes().err().map(|error| format!("{:?}", error.kind()))),
                "sha256" => json!(hash(tensor)),
                "storage" => {
                    let number = value.as_u64().unwrap();
                    let storage = *storage_of.entry(number).or_insert(tensor.storage());
                    let back = *number_of.entry(tensor.storage()).or_insert(number);
                    json!(if storage == tensor.storage() { back } else { u64::MAX })
                }
                "quantization" => quantization(tensor, value),
                "components" => {
                    let parts = tensor.unbind().unwrap();
                    let part = |part: &Tensor| json!({ "shape": part.shape(), "sha256": hash(part) });
                    parts.iter().map(part).collect()
                }
                "shard" => tensor.shard().map_or(
                    Json::Null,
                    |shard| json!({ "global_shape": shard.global_shape(), "placements": shard.placements() }),
                ),
                other => panic!("the answer has a field `{other}` that is not compared"),
            };
            let agrees = if value.is_null() { found == json!("Caller") } else { same(&found, value) };
            if !agrees {
                wrong.push(format!("{}: {field} is {found}, not {value}", path.join(".")));
            }
        }
    }
    wrong
}

/// The hash of what answers hash: of a sparse tensor the dense one.
fn hash(tensor: &Tensor) -> String {
    let bytes = match tensor.layout() {
        Layout::Strided => little_endian(tensor),
        _ => tensor.to_dense().and_then(|dense| little_endian(&dense)),
    };
    bytes.map_or_else(|error| error.to_string(), sha256)
}

/// Equality by value: `1e-9` and `1e-09` are one number, whichever way `serde_json` keeps numbers.
fn same(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Number(found), Json::Number(wanted)) => {
            found.is_f64() == wanted.is_f64() && (found == wanted || found.as_f64() == wanted.as_f64())
        }
        (Json::Array(found), Json::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
        }
        (Json::Object(found), Json::Object(wanted)) => {
            found.len() == wanted.len()
                && found.iter().all(|(key, found)| wanted.get(key).is_some_and(|wanted| same(found, wanted)))
        }
        _ => found == wanted,
    }
}

/// The parameters that the answer has, as numbers of the same kind.
fn quantization(tensor: &Tensor, wanted: &Json) -> Json {
    let Some(found) = tensor.quantization() else { return Json::Null };
    let fields = wanted.as_object().unwrap().keys().map(|field| {
        let value = match field.as_str() {
            "scheme" => json!(found.scheme().name()),
            "scale" => json!(found.scale()),
            "zero_point" => json!(found.zero_point()),
            "axis" => json!(found.axis()),
            "scales" => json!(found.scales().unwrap()),
            "zero_points" => match found.zero_points().unwrap() {
                ZeroPoints::Int(points) => json!(points),
                ZeroPoints::Float(points) => json!(points),
            },
            other => panic!("the answer has a parameter `{other}` that is not compared"),
        };
        (field.clone(), value)
    });
    fields.collect()
}

/// Plain values: those of the answer, in its order, among ours.
fn value_differences(answer: &Object, leaves: &[ListedValue<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let wanted: Option<Vec<Object>> =
        answer.get("values").and_then(|values| serde_json::from_str(values.get()).unwrap());
    let wanted = wanted.unwrap_or_default();
    let mut rest = leaves.iter();
    for wanted in &wanted {
        let path: Vec<String> = serde_json::from_str(wanted["path"].get()).unwrap();
        let kind: String = serde_json::from_str(wanted["type"].get()).unwrap();
        let place = path.join(".");
        let Some(found) = rest.by_ref().find(|leaf| leaf.path == path && leaf.value.as_tensor().is_none()) else {
            wrong.push(format!("value {place} is missing, or not in order"));
            rest = leaves.iter();
            continue;
        };
        if !is(found, &kind, wanted["value"].get()) {
            wrong.push(format!("value {place} is {:?}, not {kind} {}", found.value, wanted["value"].get()));
        }
    }
    wrong
}

/// Whether a leaf is the value that the answer writes as this JSON.
fn is(leaf: &ListedValue<'_>, kind: &str, json: &str) -> bool {
    let value = &leaf.value;
    let string = || serde_json::from_str::<String>(json).unwrap();
    match kind {
        "none" => value.is_none(),
        "bool" => value.kind() == Kind::Bool && value.as_bool() == Some(json == "true"),
        "int" => {
            let fits = json.parse::<i64>().ok();
            value.kind() == Kind::Int && value.to_string() == json && value.as_i64() == fits
        }
        "float" => value.as_f64().is_some_and(|found| {
            let wanted = json.trim_matches('"').parse::<f64>().unwrap();
            found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan())
        }),
        "str" => value.kind() == Kind::Str && value.to_text().as_deref() == Some(&string()),
        "bytes" => value.kind() == Kind::Bytes && value.as_bytes().is_some_and(|bytes| hex(&bytes) == string()),
        "bytearray" => value.kind() == Kind::ByteArray && value.as_bytes().is_some_and(|bytes| hex(&bytes) == string()),
        "complex" => {
            let parts: Vec<Json> = serde_json::from_str(json).unwrap();
            let part = |part: &Json| part.as_f64().unwrap_or_else(|| part.as_str().unwrap().parse().unwrap());
            value.as_complex().is_some_and(|(re, im)| {
                [re, im].iter().zip(&parts).all(|(found, wanted)| {
                    let wanted = part(wanted);
                    *found == wanted || (found.is_nan() && wanted.is_nan())
                })
            })
        }
        "size" => {
            let sizes: Vec<i64> = serde_json::from_str(json).unwrap();
            value.kind() == Kind::Size && value.iter().map(|size| size.as_i64()).eq(sizes.into_iter().map(Some))
        }
        "dtype" => leaf.storage_dtype.or(value.as_dtype()).is_some_and(|dtype| dtype.name() == string()),
        "device" => value.as_device().is_some_and(|device| device.to_string() == string()),
        other => panic!("the answer has a value of type `{other}` that is not compared"),
    }
}

fn sha256(bytes: Vec<u8>) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares every answered fixture, opened in one way, with its answer; those that are folders if there is a way to open
/// them.
fn every_answer(folders: bool, mut open: impl FnMut(&Path) -> Checkpoint) {
    let mut failures = Vec::new();
    let mut compared = 0;
    for folder in LOADED {
        for (path, answer) in cases(folder).into_iter().filter(|(path, _)| folders || path.is_file()) {
            let wrong = differences(&answer, &open(&path));
            failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", path.display())));
            compared += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 100, "only {compared} fixtures were compared");
}

#[test]
fn mapped_files_agree_with_torch() {
    every_answer(true, |path| LoadOptions::new().open(path).unwrap());
}

#[test]
fn owned_files_agree_with_torch() {
    every_answer(true, |path| LoadOptions::new().backing(Backing::Owned).verify_checksums(true).open(path).unwrap());
}

#[test]
fn bytes_agree_with_torch() {
    every_answer(false, |path| LoadOptions::new().open_bytes(std::fs::read(path).unwrap()).unwrap());
}

#[test]
fn readers_agree_with_torch() {
    every_answer(false, |path| LoadOptions::new().open_reader(std::fs::File::open(path).unwrap()).unwrap());
}

#[test]
fn files_in_memory_agree_with_torch() {
    let mut loaded = 0;
    every_answer(true, |path| match LoadOptions::new().flatten().load_state_dict(path) {
        Ok(weights) => {
            // What torch has no kernel for is refused, with the rest in memory or in the file.
            loaded += usize::from(weights.load_into_memory(|_| ()).is_ok());
            weights.checkpoint().clone()
        }
        // Two tensors under one name.
        Err(_) => LoadOptions::new().open(path).unwrap(),
    });
    assert!(loaded > 700, "only {loaded} fixtures were loaded into memory");
}

/// Under `cpu` only devices change: every one is `cpu`, and what has no data stays `meta`.
#[test]
fn case_098_on_the_cpu_everything_else_stays() {
    let mut moved = 0;
    every_answer(true, |path| {
        let checkpoint = LoadOptions::new().map_location("cpu").open(path).unwrap();
        for entry in checkpoint.tensors().unwrap() {
            let device = if entry.tensor().location() == "meta" { Device::Meta } else { Device::Cpu };
            assert_eq!(*entry.tensor().device(), device, "{}: {}", path.display(), entry.name());
        }
        checkpoint
    });
    for (path, _) in cases("zip") {
        let kept = LoadOptions::new().open(&path).unwrap();
        for entry in kept.tensors().unwrap() {
            assert_eq!(entry.tensor().device().to_string(), entry.tensor().location(), "{}", path.display());
            moved += usize::from(entry.tensor().location() != "cpu");
        }
    }
    assert!(moved > 30, "the fixtures have tensors from elsewhere");
}

#[test]
fn refused_files_are_refused_in_torchs_place_or_better() {
    for (path, answer) in cases("refused") {
        let words: Vec<String> = serde_json::from_str(answer["error"].get()).unwrap();
        let needs_checksums = answer.get("verify").is_some_and(|verify| verify.get() == "true");
        let bytes = path.is_file().then(|| std::fs::read(&path).unwrap());
        let read = |options: &mut LoadOptions<'_>| -> Result<(), torch_checkpoint::Error> {
            let checkpoint = match &bytes {
                Some(bytes) => options.open_bytes(bytes.clone())?,
                None => options.open(&path)?,
            };
            checkpoint.tensors()?.iter().try_for_each(|entry| {
                let tensor = entry.tensor();
                match tensor.layout() {
                    Layout::Strided => tensor.bytes().map(drop),
                    Layout::Nested => tensor.unbind()?.iter().try_for_each(|part| part.bytes().map(drop)),
                    _ => tensor.to_dense().map(drop),
                }
            })
        };
        if needs_checksums {
            read(&mut LoadOptions::new()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let error = read(&mut LoadOptions::new().verify_checksums(needs_checksums)).expect_err(path.to_str().unwrap());
        // The fixture's own name cannot supply the reason.
        let sentence = error.to_string().replace(path.to_str().unwrap(), "");
        assert!(sentence.len() >= 10 && sentence.lines().count() == 1, "{}: {sentence}", path.display());
        assert!(
            words.is_empty() || words.iter().any(|word| sentence.contains(word)),
            "{}: none of {words:?} is in: {sentence}",
            path.display()
        );
        let by_path = LoadOptions::new().verify_checksums(needs_checksums).open(&path);
        if let Err(by_path) = by_path {
            assert_eq!((by_path.kind(), by_path.message()), (error.kind(), error.message()), "{}", path.display());
            assert_eq!(by_path.path(), Some(path.as_path()));
        }
    }
}
