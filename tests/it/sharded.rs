//! Sharded checkpoints: an index, and the files that it names.

use torch_checkpoint::{Backing, ErrorKind, Format, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{TempFolder, fixture, refusal, says, tensor};

fn shard(entries: &[(&str, f32)]) -> Vec<u8> {
    let storages: Vec<(String, Vec<u8>)> =
        entries.iter().enumerate().map(|(n, (_, value))| (n.to_string(), f32s(&[*value]))).collect();
    let tensors = entries.iter().enumerate().map(|(n, (name, _))| (*name, f32_tensor(&n.to_string(), &[1])));
    let storages: Vec<(&str, &[u8])> = storages.iter().map(|(key, data)| (key.as_str(), data.as_slice())).collect();
    torch_file(&dict(tensors), &storages)
}

fn index(map: &[(&str, &str)]) -> Vec<u8> {
    let map: Vec<String> = map.iter().map(|(name, file)| format!("{name:?}: {file:?}")).collect();
    format!(r#"{{"metadata": {{"total_size": 12, "whole": true, "part": 0.5}}, "weight_map": {{{}}}}}"#, map.join(", "))
        .into_bytes()
}

const INDEX: &str = "pytorch_model.bin.index.json";

fn two(name: &str) -> TempFolder {
    TempFolder::new(name)
        .with("one.bin", &shard(&[("a", 1.), ("c", 3.)]))
        .with("two.bin", &shard(&[("b", 2.)]))
        .with(INDEX, &index(&[("b", "two.bin"), ("a", "one.bin"), ("c", "one.bin")]))
}

#[test]
fn case_095_shards_are_one_state_dict_in_the_order_of_the_index() {
    let folder = two("sharded-two");
    for options in [LoadOptions::new(), LoadOptions::new().backing(Backing::Owned).verify_checksums(true)] {
        let mut options = options;
        for path in [folder.0.clone(), folder.0.join(INDEX)] {
            let weights = options.load_state_dict(&path).unwrap();
            let all: Vec<_> = weights.iter().map(|(name, t)| (name, t.as_slice::<f32>().unwrap()[0])).collect();
            assert_eq!(all, [("b", 2.), ("a", 1.), ("c", 3.)]);
            // One key in two shards is two storages.
            assert!(weights.tied().is_empty());
            assert_eq!(weights.checkpoint().format(), Format::Sharded);
        }
    }
    let checkpoint = folder.open().unwrap();
    let (key, metadata) = checkpoint.root().attributes().next().unwrap();
    assert_eq!(key.as_str(), Some("metadata"));
    assert_eq!(metadata.get("total_size").unwrap().as_i64(), Some(12));
    assert_eq!(metadata.get("part").unwrap().as_f64(), Some(0.5));
    assert!(checkpoint.verify().is_empty());
}

#[test]
fn case_095_shards_and_index_have_to_agree() {
    two("sharded-missing").without("two.bin").refused(&["two.bin", "`b`", "cannot open the file"]);
    two("sharded-without").with("one.bin", &shard(&[("a", 1.)])).refused(&[
        "one.bin",
        "`c`",
        "the index says that it is in this shard",
    ]);
    two("sharded-more").with("two.bin", &shard(&[("b", 2.), ("d", 4.)])).refused(&[
        "two.bin",
        "`d`",
        "the index does not name it",
    ]);
    two("sharded-elsewhere").with("two.bin", &shard(&[("b", 2.), ("a", 4.)])).refused(&[
        "two.bin",
        "`a`",
        "the index says that it is in `one.bin`",
    ]);
    two("sharded-list").with("two.bin", &torch_file(&list([int(1)]), &[])).refused(&["two.bin", "a list, not a dict"]);
    let number = torch_file(&dict_of([(int(1), f32_tensor("0", &[1]))]), &[("0", &f32s(&[1.]))]);
    two("sharded-number").with("two.bin", &number).refused(&["two.bin", "a int as a name"]);
}

#[test]
fn case_095_names_cannot_lead_out_of_the_folder() {
    let folder = two("sharded-paths");
    std::fs::create_dir(folder.0.join("inner")).unwrap();
    std::fs::write(folder.0.join("inner/two.bin"), shard(&[("b", 2.)])).unwrap();
    for (name, why) in [
        ("../x.bin", "outside"),
        ("inner/../two.bin", "outside"),
        ("/etc/passwd", "absolute"),
        ("C:/x.bin", "drive"),
        ("..\\x.bin", "backslash"),
        ("", "empty"),
        ("./two.bin", "empty piece"),
        ("a\u{0}b", "NUL"),
    ] {
        let map = [("a", "one.bin"), ("c", "one.bin"), ("b", name)];
        let text = String::from_utf8(index(&map)).unwrap().replace("\\0", "\\u0000");
        std::fs::write(folder.0.join(INDEX), text).unwrap();
        let error = folder.refused(&["the index", "file name", why]);
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    let map = [("a", "one.bin"), ("c", "one.bin"), ("b", "inner/two.bin")];
    std::fs::write(folder.0.join(INDEX), index(&map)).unwrap();
    assert_eq!(folder.open().unwrap().tensors().unwrap().len(), 3);
    let map = [("a", "one.bin"), ("c", "one.bin"), ("b", "inner")];
    std::fs::write(folder.0.join(INDEX), index(&map)).unwrap();
    folder.refused(&["inner", "not a regular file"]);
}

/// The cache of Hugging Face: `snapshots/REVISION/NAME` leads to `blobs/HASH`.
#[test]
#[cfg(unix)]
fn links_of_a_cache_are_followed() {
    use std::os::unix::fs::symlink;
    let blobs =
        TempFolder::new("sharded-blobs").with("0123", &shard(&[("a", 1.)])).with("4567", &index(&[("a", "one.bin")]));
    let snapshot = TempFolder::new("sharded-snapshot");
    let blob = |name: &str| std::path::Path::new("..").join(blobs.0.file_name().unwrap()).join(name);
    symlink(blob("0123"), snapshot.0.join("one.bin")).unwrap();
    symlink(blob("4567"), snapshot.0.join(INDEX)).unwrap();
    assert_eq!(tensor(&snapshot.open().unwrap(), "a").as_slice::<f32>().unwrap(), [1.]);
    std::fs::remove_file(blobs.0.join("0123")).unwrap();
    snapshot.refused(&["one.bin", "cannot open the file"]);
}

#[test]
fn errors_name_the_shard() {
    let damaged = shard(&[("b", 2.)]);
    two("sharded-cut").with("two.bin", &damaged[..damaged.len() - 30]).refused(&["two.bin: "]);
    let past = torch_file(&dict([("b", f32_tensor("0", &[2]))]), &[("0", &f32s(&[1.]))]);
    two("sharded-past").with("two.bin", &past).refused(&["two.bin: archive/data.pkl at byte", "`b`"]);
    two("sharded-html").with("two.bin", b"<!DOCTYPE html><html>no</html>").refused(&["two.bin: this is a web page"]);
    // What shows when it is read, or verified.
    let mut flipped = shard(&[("b", 2.)]);
    let place = flipped.windows(4).position(|bytes| bytes == f32s(&[2.])).unwrap();
    flipped[place] ^= 1;
    let folder = two("sharded-flipped").with("two.bin", &flipped);
    let defects = folder.open().unwrap().verify();
    assert_eq!(defects.len(), 1);
    says(&defects[0], &["two.bin: archive/data/0", "checksum", "`b`"]);
    let checkpoint = LoadOptions::new().verify_checksums(true).open(&folder.0).unwrap();
    says(&tensor(&checkpoint, "b").bytes().unwrap_err(), &["two.bin: archive/data/0"]);
    assert!(tensor(&checkpoint, "a").bytes().is_ok());
}

#[test]
fn an_index_in_memory_says_how_to_open_it() {
    let error = refusal(index(&[("a", "one.bin")]));
    says(&error, &["index of a sharded checkpoint", "open it by its path"]);
}

#[test]
fn indexes_that_lie_are_refused() {
    for (json, words) in [
        (r#"{"weight_map": {"a": "one.bin", "a": "two.bin"}}"#, ["the index", "`a` is there twice"]),
        (r#"{"weight_map": {"a": 1}}"#, ["the index", "expected a string"]),
        (r#"{"weight_map": 1e999}"#, ["the index", "JSON"]),
        (r#"{"weight_map": {"a": "one.bin"}"#, ["the index", "EOF"]),
        (r#"{"metadata": {}}"#, ["the index", "no `weight_map`"]),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", ["the index", "git-lfs"]),
    ] {
        TempFolder::new("sharded-json").with(INDEX, json.as_bytes()).refused(&words);
    }
    let deep = format!(r#"{{"metadata": {}1{}, "weight_map": {{}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    TempFolder::new("sharded-deep").with(INDEX, deep.as_bytes()).refused(&["the index"]);
    let folder = two("sharded-limit");
    let mut limits = torch_checkpoint::Limits::default();
    limits.json_bytes = 20;
    let error = LoadOptions::new().limits(limits).open(&folder.0).unwrap_err();
    says(&error, &["the index", "json_bytes"]);
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn an_empty_index_is_an_empty_state_dict() {
    let folder = TempFolder::new("sharded-none").with(INDEX, br#"{"weight_map": {}}"#);
    assert!(folder.open().unwrap().tensors().unwrap().is_empty());
}

#[test]
fn shards_may_be_of_any_kind() {
    let mixed = if cfg!(feature = "safetensors") { "safetensors_and_pickled_shard" } else { "two_shards" };
    for name in [mixed, "zip_and_legacy_shards", "legacy_shards"] {
        let weights = torch_checkpoint::load_state_dict(fixture("sharded").join(name), "cpu").unwrap();
        assert!(weights.len() > 3, "{name}");
    }
}
