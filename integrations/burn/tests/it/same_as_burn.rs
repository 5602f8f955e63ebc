//! For files that burn's own `PytorchStore` reads, this store has the same entries: names, dtypes, shapes, bytes.

use burn::store::{ModuleStore, PytorchStore};
use torch_checkpoint::LoadOptions;
use torch_checkpoint_burn::TorchCheckpointStore;

use crate::fixtures;

/// Files, and which dict of theirs.
const FILES: &[(&str, Option<&str>)] = &[
    ("integrations/burn/network_cuda.pt", Some("model")),
    ("zip/torch-2.15/state_dict.pt", None),
    ("zip/torch-2.15/trained_cnn_cuda.pt", None),
    ("zip/torch-2.15/wrapped_state_dict.pt", Some("state_dict")),
    ("zip/torch-2.15/many_storages.pt", None),
    ("zip/torch-1.13/state_dict.pt", None),
    ("legacy/torch-2.15/state_dict.pt", None),
];

type Both = (TorchCheckpointStore, PytorchStore);

fn differences(what: &str, change: impl Fn(Both) -> Both) {
    for (file, key) in FILES {
        let path = fixtures().join(file);
        let (mut options, mut theirs) = (LoadOptions::new(), PytorchStore::from_file(&path));
        if let Some(key) = key {
            (options, theirs) = (options.key(*key), theirs.with_top_level_key(*key));
        }
        let ours = TorchCheckpointStore::new(options.load_state_dict(&path).unwrap());
        let (mut ours, mut theirs) = change((ours, theirs));
        assert_eq!(ours.keys().unwrap(), theirs.keys().unwrap(), "{what}: {file}");
        let theirs = theirs.get_all_tensors().unwrap();
        assert!(!theirs.is_empty());
        for ((name, ours), theirs) in ours.get_all_tensors().unwrap().iter().zip(theirs.values()) {
            assert_eq!((ours.dtype, &ours.shape), (theirs.dtype, &theirs.shape), "{what}: {file}: {name}");
            assert_eq!(&*ours.to_bytes().unwrap(), &*theirs.to_bytes().unwrap(), "{what}: {file}: {name}");
        }
    }
}

#[test]
fn the_defaults_are_the_same() {
    differences("defaults", |both| both);
}

#[test]
fn the_options_have_the_same_effects() {
    differences("numbers as they are", |(ours, theirs)| {
        (ours.map_indices_contiguous(false), theirs.map_indices_contiguous(false))
    });
    differences("one list kept", |(ours, theirs)| {
        let head = burn::store::PathFilter::new().with_regex("^head$");
        (ours.keep_indices(head), theirs.map_indices_contiguous_except("^head$"))
    });
    differences("renamed", |(ours, theirs)| {
        let (from, to) = (r"^(\w+)\.(\d+)\.", "$1.b$2.");
        (ours.with_key_remapping(from, to).unwrap(), theirs.with_key_remapping(from, to))
    });
}
