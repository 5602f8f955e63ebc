//! What the README says of containers is tried.

use torch_checkpoint::{Format, LoadOptions, load_state_dict};

use crate::support::fixture;

/// The table of containers: one line for each, with an example that opens with the same call.
#[test]
fn every_container_of_the_table_loads_with_one_call() {
    let readme = include_str!("../../README.md");
    let rows: Vec<(&str, &str)> = readme
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [container, _, example] = *cells.as_slice() else { return None };
            Some((container, example.trim_matches('`').strip_prefix("fixtures/")?))
        })
        .collect();
    let mut formats = Vec::new();
    for (container, example) in &rows {
        if cfg!(not(feature = "safetensors")) && *container == "safetensors" {
            continue;
        }
        let path = fixture(example);
        let weights = load_state_dict(&path, "cpu").unwrap_or_else(|error| panic!("{container}: {error}"));
        assert!(!weights.is_empty(), "{container}");
        for (name, tensor) in &weights {
            assert_eq!(tensor.device().to_string(), "cpu", "{container}: {name}");
            assert!(tensor.bytes().is_ok(), "{container}: {name}");
        }
        formats.push(LoadOptions::new().open(path).unwrap().format());
    }
    if cfg!(not(feature = "safetensors")) {
        assert_eq!(formats.len(), 10);
        return;
    }
    use Format::*;
    // The fifth is a stream that was compressed.
    let wanted = [Zip, Legacy, Tar, Pickle, Legacy, TorchScript, Export, Package, Safetensors, Sharded, Distributed];
    assert_eq!(formats, wanted);
}
