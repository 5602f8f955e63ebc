//! What is written here is what torch 2.15 wrote into the fixtures.

use std::path::{Path, PathBuf};

use torch_checkpoint::{DType, LoadOptions};

use super::numbers::Numbers;
use super::objects::{self, Ids};
use super::weights::{Element, View};
use super::{Weights, distributed, legacy};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// The tensors of a fixture, with the keys that their storages have in it.
fn views(path: &Path, key: impl Fn(&str) -> usize) -> Vec<View> {
    let checkpoint = LoadOptions::new().open(path).expect("a fixture");
    let entries = checkpoint.tensors().expect("tensors");
    let view = |entry: torch_checkpoint::TensorEntry| {
        let (name, tensor) = (entry.name(), entry.into_tensor());
        assert_eq!(tensor.dtype(), DType::Float32);
        View {
            name,
            element: Element::F32,
            key: key(tensor.storage().key()),
            storage_numel: tensor.storage().nbytes() as usize / 4,
            offset: tensor.storage_offset(),
            shape: tensor.shape().to_vec(),
            strides: tensor.strides().to_vec(),
        }
    };
    entries.into_iter().map(view).collect()
}

/// Whether the file has this pickle, uncompressed.
fn has(path: &Path, pickle: &[u8]) -> bool {
    let file = std::fs::read(path).expect("a fixture");
    file.windows(pickle.len()).any(|bytes| bytes == pickle)
}

#[test]
fn pickles_are_those_of_torch() {
    let record = |key: &str| key.parse().expect("a number");
    let tensor = fixture("zip/torch-2.15/root_tensor.pt");
    assert!(has(&tensor, &objects::bare(&views(&tensor, record)[0], Ids::Records)));
    let dict = fixture("zip/torch-2.15/storage_alignment_4096.pt");
    assert!(has(&dict, &objects::pickle(Weights::Many, &views(&dict, record), Ids::Records)));
}

#[test]
fn a_legacy_stream_is_that_of_torch_but_for_the_numbers() {
    let path = fixture("legacy/torch-2.15/root_tensor.pt");
    let address = |key: &str| (key.parse::<usize>().expect("an address") - 94_000_000_000_000) / 64;
    let views = views(&path, address);
    let storages: Vec<&View> = views.iter().collect();
    let mut written = Vec::new();
    let object = objects::bare(&views[0], Ids::Addresses);
    legacy::write(&object, &storages, &Numbers::for_views(&views), &mut written).expect("memory");
    let torch = std::fs::read(&path).expect("a fixture");
    let data: usize = views.iter().map(|view| 8 + view.storage_nbytes()).sum();
    assert_eq!(written.len(), torch.len());
    assert_eq!(written[..written.len() - data], torch[..torch.len() - data]);
}

#[test]
fn chunks_of_eight_ranks_make_the_tensors() {
    let shapes = [vec![21, 3], vec![5], vec![16, 2, 2]];
    let whole = |(n, shape): (usize, Vec<usize>)| View::whole(format!("layer.{n}"), Element::F32, n, shape);
    let views: Vec<View> = shapes.into_iter().enumerate().map(whole).collect();
    let numbers = Numbers::for_views(&views);
    let folder = tempfile::tempdir().expect("a folder");
    distributed::write(&views, &numbers, folder.path()).expect("files");
    let weights = torch_checkpoint::load_state_dict(folder.path(), "cpu").expect("a state dict");
    assert_eq!(weights.len(), views.len());
    for view in &views {
        let tensor = &weights[view.name.as_str()];
        assert_eq!((tensor.shape(), tensor.dtype()), (&*view.shape, DType::Float32));
        assert_eq!(*tensor.bytes().expect("bytes"), *numbers.storage(view));
    }
}

#[test]
fn every_set_of_weights_fits_its_storages() {
    use clap::ValueEnum;
    for weights in Weights::value_variants() {
        for view in weights.views() {
            let last: usize = view.shape.iter().zip(&view.strides).map(|(size, stride)| (size - 1) * stride).sum();
            assert!(view.offset + last < view.storage_numel, "{}", view.name);
            assert_eq!(view.element, weights.element());
        }
    }
}
