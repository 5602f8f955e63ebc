//! What is written, read back with the crate `safetensors`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the crate is tests")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use torch_checkpoint::{Layout, LoadOptions, StateDict, Tensor, load_state_dict};
use torch_checkpoint_safetensors::{Error, Ties, Writer};

fn fixture(path: &str) -> PathBuf {
    Path::new("../../fixtures").join(path)
}

fn write(writer: &Writer, weights: StateDict) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    writer.write(weights, &mut file).map(|()| file)
}

fn metadata(file: &[u8]) -> HashMap<String, String> {
    SafeTensors::read_metadata(file).unwrap().1.metadata().clone().unwrap_or_default()
}

/// What torch itself has under each name: shape and SHA-256 of the row-major bytes.
fn answers(path: &Path) -> HashMap<String, (Vec<usize>, String)> {
    let answer = fs::read_to_string(format!("{}.oracle.json", path.display())).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let tensors = answer["tensors"].as_array().unwrap().iter();
    let shape = |tensor: &serde_json::Value| serde_json::from_value(tensor["shape"].clone()).unwrap();
    tensors
        .map(|tensor| {
            let text = |key: &str| tensor[key].as_str().unwrap_or_default().to_owned();
            (text("name"), (shape(tensor), text("sha256")))
        })
        .collect()
}

fn equals_torch(path: &str) {
    let path = fixture(path);
    let weights = LoadOptions::new().flatten().map_location("cpu").load_state_dict(&path).unwrap();
    let file = write(&Writer::new().ties(Ties::Clone), weights).unwrap();
    let answers = answers(&path);
    let written = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(written.len(), answers.len());
    for (name, view) in written.iter() {
        let (shape, sha256) = &answers[name];
        assert_eq!(view.shape(), shape, "{name}");
        assert_eq!(&hex::encode(Sha256::digest(view.data())), sha256, "{name}");
    }
}

#[test]
fn a_legacy_stream_saved_on_cuda_is_what_torch_has() {
    let saved = load_state_dict(fixture("legacy/torch-2.15/trained_cnn_cuda.pt"), None).unwrap();
    assert!(saved.values().any(|tensor| tensor.location() == "cuda:1"));
    equals_torch("legacy/torch-2.15/trained_cnn_cuda.pt");
}

#[test]
fn a_distributed_checkpoint_is_what_torch_has() {
    equals_torch("distributed/torch-2.15/two_ranks");
    equals_torch("distributed/torch-2.5/fully_sharded");
}

#[test]
fn views_of_every_kind_are_row_major() {
    equals_torch("zip/torch-2.15/views.pt");
}

/// Every tensor of every fixture that safetensors can hold, read back equal; the rest is refused.
#[test]
fn every_fixture_is_read_back_equal() {
    let (mut equal, mut refused) = (0, 0);
    for folder in ["zip", "legacy", "distributed", "torchscript", "export", "package"] {
        for path in
            fs::read_dir(fixture(folder)).unwrap().flat_map(|version| fs::read_dir(version.unwrap().path()).unwrap())
        {
            let path = path.unwrap().path();
            let Ok(weights) = LoadOptions::new().flatten().load_state_dict(&path) else { continue };
            // A view of gigabytes that are stored in a few bytes is not to be written out.
            for (name, tensor) in weights.into_iter().filter(|(_, tensor)| tensor.nbytes() < 1 << 20) {
                let mut file = Vec::new();
                let written = Writer::new().write([(name.clone(), tensor.clone())], &mut file);
                match (written, tensor.bytes()) {
                    (Ok(()), Ok(bytes)) => {
                        let read = SafeTensors::deserialize(&file).unwrap();
                        let view = read.tensor(&name).unwrap();
                        assert_eq!(view.data(), &*bytes, "{}: {name}", path.display());
                        if view.dtype() != Dtype::F4 {
                            assert_eq!(view.shape(), tensor.shape(), "{}: {name}", path.display());
                        }
                        equal += 1;
                    }
                    (Err(Error::Read { .. }), Err(_)) => refused += 1, // on `meta`
                    (Err(Error::Layout { layout, .. }), _) => {
                        assert_ne!(layout, Layout::Strided);
                        refused += 1;
                    }
                    (Err(Error::DType { dtype, .. }), _) => {
                        let word = dtype.to_string();
                        assert!(
                            ["quint", "qint", "complex", "bcomplex", "bits"].iter().any(|k| word.starts_with(k)),
                            "{word}"
                        );
                        refused += 1;
                    }
                    (written, bytes) => panic!("{}: {name}: {written:?}, {:?}", path.display(), bytes.map(|_| ())),
                }
            }
        }
    }
    assert!(equal > 5000 && refused > 50, "{equal} equal, {refused} refused");
}

#[test]
fn tied_weights_are_what_the_caller_chose() {
    let weights = LoadOptions::new().key("model").load_state_dict(fixture("zip/torch-2.15/tied.pt")).unwrap();
    let error = write(&Writer::new(), weights.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensors \"embed.weight\" and \"out.weight\" share memory, and a safetensors file cannot say so: choose `Ties::First`, or `Ties::Clone`"
    );

    let file = write(&Writer::new().ties(Ties::First), weights.clone()).unwrap();
    let written = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(written.len(), weights.len() - 1);
    assert_eq!(written.tensor("embed.weight").unwrap().data(), &*weights["out.weight"].bytes().unwrap());
    let texts = metadata(&file);
    assert_eq!((texts["out.weight"].as_str(), texts["format"].as_str(), texts.len()), ("embed.weight", "pt", 2));

    let file = write(&Writer::new().ties(Ties::Clone), weights.clone()).unwrap();
    let written = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(written.len(), weights.len());
    assert_eq!(written.tensor("out.weight").unwrap(), written.tensor("embed.weight").unwrap());
}

/// Names and tensors that view `fc.weight` of a state dict.
fn views(ties: Ties, views: impl Fn(&Tensor) -> Vec<(&'static str, Tensor)>) -> Result<Vec<String>, Error> {
    let weights = load_state_dict(fixture("zip/torch-2.15/wrapped_state_dict.pt"), "cpu").unwrap();
    let mut file = Vec::new();
    Writer::new().ties(ties).write(views(&weights["fc.weight"]), &mut file)?;
    let mut names: Vec<String> =
        SafeTensors::deserialize(&file).unwrap().names().iter().map(|&name| name.to_owned()).collect();
    names.sort();
    Ok(names)
}

#[test]
fn slices_of_one_buffer_are_not_tied_and_overlapping_views_are_not_dropped() {
    let halves = |w: &Tensor| {
        let rows = w.shape()[0] / 2;
        vec![("b", w.narrow(0, rows, rows).unwrap()), ("a", w.narrow(0, 0, rows).unwrap())]
    };
    assert_eq!(views(Ties::Error, halves).unwrap(), ["a", "b"]);

    let part = |w: &Tensor| vec![("all", w.clone()), ("row", w.select(0, 1).unwrap()), ("again", w.clone())];
    assert!(matches!(views(Ties::Error, part), Err(Error::Tied { .. })));
    let error = views(Ties::First, part).unwrap_err();
    assert!(matches!(&error, Error::Overlapping { first, second } if first == "all" && second == "row"), "{error}");
    assert_eq!(views(Ties::Clone, part).unwrap(), ["again", "all", "row"]);

    let turned = |w: &Tensor| vec![("w", w.clone()), ("t", w.transpose(0, 1).unwrap())];
    assert!(matches!(views(Ties::First, turned), Err(Error::Overlapping { .. })));
    let three = |w: &Tensor| vec![("one", w.clone()), ("two", w.clone()), ("three", w.clone())];
    assert_eq!(views(Ties::First, three).unwrap(), ["one"]);
}

#[test]
fn names_that_a_file_cannot_have_are_refused() {
    let twice = |w: &Tensor| vec![("w", w.clone()), ("w", w.clone())];
    assert_eq!(
        views(Ties::Clone, twice).unwrap_err().to_string(),
        "the name \"w\" is there twice: rename one of the tensors"
    );
    let metadata = |w: &Tensor| vec![("__metadata__", w.clone())];
    assert!(matches!(views(Ties::Clone, metadata), Err(Error::Name { .. })));
    let key = |w: &Tensor| vec![("w", w.clone()), ("format", w.clone())];
    assert!(matches!(views(Ties::First, key), Err(Error::Name { name, .. }) if name == "format"));
}

#[test]
fn the_same_tensors_give_the_same_file_and_data_are_aligned() {
    let path = fixture("zip/torch-2.15/all_dtypes.pt");
    let weights = || {
        let weights = LoadOptions::new().flatten().load_state_dict(&path).unwrap();
        let held = |tensor: &Tensor| Writer::new().write([("x", tensor.clone())], std::io::sink()).is_ok();
        weights.into_iter().filter(|(_, tensor)| held(tensor)).collect::<Vec<_>>()
    };
    let mut writer = Writer::new().ties(Ties::Clone);
    for n in 0..20 {
        writer = writer.metadata(format!("key {n}"), "text");
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    writer.write(weights(), &mut first).unwrap();
    writer.write(weights(), &mut second).unwrap();
    assert!(first == second);

    let (header, file) = SafeTensors::read_metadata(&first).unwrap();
    assert_eq!(header % 8, 0);
    let dtypes: Vec<Dtype> = file.offset_keys().iter().map(|name| file.info(name).unwrap().dtype).collect();
    assert!(dtypes.is_sorted_by_key(|&dtype| std::cmp::Reverse(dtype)) && dtypes.len() > 15, "{dtypes:?}");
    for name in file.offset_keys() {
        let info = file.info(&name).unwrap();
        assert_eq!((info.data_offsets.0 * 8) % info.dtype.bitsize(), 0, "{name}");
    }
}

#[test]
fn a_file_is_replaced_only_when_the_new_one_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let weights = || load_state_dict(fixture("zip/torch-2.15/trained_cnn_cuda.pt"), "cpu").unwrap();
    Writer::new().save(weights(), &path).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(SafeTensors::deserialize(&before).unwrap().len(), weights().len());

    let on_meta = load_state_dict(fixture("zip/torch-2.15/trained_cnn_cuda.pt"), "meta").unwrap();
    let error = Writer::new().save(on_meta, &path).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error}");
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_has_the_permissions_of_a_new_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("model.safetensors"), folder.path().join("plain"));
    Writer::new().save(load_state_dict(fixture("zip/torch-2.15/state_dict.pt"), "cpu").unwrap(), &path).unwrap();
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
