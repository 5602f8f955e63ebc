//! Folders: which of their files is the checkpoint.

use torch_checkpoint::{ErrorKind, Format, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{TempFolder, says};

fn save(value: f32) -> Vec<u8> {
    torch_file(&dict([("w", f32_tensor("0", &[1]))]), &[("0", &f32s(&[value]))])
}

fn index(file: &str) -> Vec<u8> {
    format!(r#"{{"weight_map": {{"w": "{file}"}}}}"#).into_bytes()
}

fn value(folder: &TempFolder) -> f32 {
    let weights = LoadOptions::new().load_state_dict(&folder.0).unwrap();
    weights["w"].to_vec::<f32>().unwrap()[0]
}

#[cfg(feature = "safetensors")]
fn safetensors(value: f32) -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &value.to_le_bytes()].concat()
}

#[test]
fn the_only_checkpoint_is_taken_by_what_it_is() {
    let folder =
        TempFolder::new("folder-one").with("weights", &save(1.)).with("config.json", b"{}").with("notes", b"x");
    assert_eq!(value(&folder), 1.);
    assert_eq!(folder.open().unwrap().format(), Format::Zip);
    let folder = folder.with("vocabulary.pkl", &pickle(&list([int(1)])));
    assert_eq!(value(&folder), 1., "a pickle beside it is something else");
    let folder = folder.with("more.pt", &save(2.));
    let error = folder.refused(&["several", "`more.pt`", "`weights`", "by its path"]);
    assert_eq!(error.kind(), ErrorKind::Caller);
    let folder = folder.with("pytorch_model.bin", &save(3.));
    assert_eq!(value(&folder), 3., "the usual name");
    let folder = folder.with("pytorch_model.bin", b"<!DOCTYPE html>");
    folder.refused(&["pytorch_model.bin: this is a web page"]);
}

#[test]
#[cfg(feature = "safetensors")]
fn safetensors_come_first() {
    let folder =
        TempFolder::new("folder-both").with("pytorch_model.bin", &save(1.)).with("model.safetensors", &safetensors(2.));
    assert_eq!(value(&folder), 2.);
    let folder = TempFolder::new("folder-both-sharded")
        .with("a.bin", &save(1.))
        .with("b.safetensors", &safetensors(2.))
        .with("pytorch_model.bin.index.json", &index("a.bin"))
        .with("model.safetensors.index.json", &index("b.safetensors"));
    assert_eq!(value(&folder), 2.);
    let weights = LoadOptions::new().load_state_dict(folder.0.join("pytorch_model.bin.index.json")).unwrap();
    assert_eq!(weights["w"].to_vec::<f32>().unwrap(), [1.]);
}

#[test]
#[cfg(not(feature = "safetensors"))]
fn without_the_feature_torchs_own_format_comes_first() {
    let folder = TempFolder::new("folder-off").with("pytorch_model.bin", &save(1.)).with("model.safetensors", b"x");
    assert_eq!(value(&folder), 1.);
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
    says(&LoadOptions::new().open_bytes(file).unwrap_err(), &["enable", "feature `safetensors`"]);
}

#[test]
fn several_indexes_are_named() {
    let folder = TempFolder::new("folder-indexes")
        .with("a.pt", &save(1.))
        .with("encoder.bin.index.json", &index("a.pt"))
        .with("decoder.bin.index.json", &index("a.pt"))
        .with("faiss.index.json", b"{}");
    let error = folder.refused(&["several indexes", "`encoder.bin.index.json`", "`decoder.bin.index.json`"]);
    assert!(!error.to_string().contains("faiss"));
    let folder = folder.without("encoder.bin.index.json");
    assert_eq!(folder.open().unwrap().format(), Format::Sharded);
}

#[test]
fn other_folders_say_what_they_have() {
    let folder = TempFolder::new("folder-none");
    folder.refused(&["holds no checkpoint", "empty"]);
    std::fs::create_dir(folder.0.join("snapshots")).unwrap();
    folder.refused(&["holds no checkpoint", "`snapshots`", "open the one that is meant"]);
    let folder = folder.with("config.json", b"{}").with("a\u{202e}b", b"x");
    let error = folder.refused(&["`config.json`", "folders `snapshots`"]);
    assert_eq!(error.kind(), ErrorKind::NotACheckpoint);
    assert!(error.to_string().contains("a\\u{202e}b"), "{error}");
    let error = LoadOptions::new().offset(1).open(&folder.0).unwrap_err();
    says(&error, &["this is a folder"]);
    let error = LoadOptions::new().open(folder.0.join("nowhere")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn case_108_a_distributed_checkpoint_without_its_metadata_is_incomplete() {
    let folder = TempFolder::new("folder-distcp").with("__0_0.distcp", &save(1.)).with("model.pt", &save(2.));
    let error = folder.refused(&["incomplete", "1 data files", "`.metadata`", "written last"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let two = [save(1.), save(2.)].concat();
    let folder = folder.with("__0_0.distcp", &two);
    let error = LoadOptions::new().open(folder.0.join("__0_0.distcp")).unwrap_err();
    says(&error, &["one data file of a distributed checkpoint", "by its folder"]);
}
