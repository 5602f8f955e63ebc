//! Which tensor is which parameter's, and what is said of those that are nobody's.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::store::{KeyRemapper, ModuleSnapshot, ModuleStore, PathFilter};
use burn::tensor::{Device, Tensor};
use torch_checkpoint::{StateDict, load_state_dict};
use torch_checkpoint_burn::{Error, TorchCheckpointStore};

use crate::fixtures;

#[derive(Module, Debug)]
struct Classifier {
    head: Vec<Linear>,
}

fn classifier(sizes: &[usize]) -> Classifier {
    let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(&Device::default());
    Classifier { head: sizes.windows(2).map(layer).collect() }
}

/// conv1, bn1, conv2, bn2, and a head with linear layers at 1 (54 to 8) and 3 (8 to 3).
fn weights() -> StateDict {
    load_state_dict(fixtures().join("zip/torch-2.15/trained_cnn_cuda.pt"), "cpu").unwrap()
}

fn store() -> TorchCheckpointStore {
    TorchCheckpointStore::new(weights())
}

#[test]
fn numbers_are_counted_anew_and_linear_weights_transposed() {
    let mut classifier = classifier(&[54, 8, 3]);
    let result = classifier.load_from(&mut store()).unwrap();
    assert_eq!(result.applied, ["head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"]);
    assert_eq!(result.unused.len(), weights().len() - 4);
    let transposed: Vec<f32> = weights()["head.3.weight"].transpose(0, 1).unwrap().to_vec().unwrap();
    assert_eq!(classifier.head[1].weight.val().into_data().as_slice::<f32>().unwrap(), transposed);
}

#[test]
fn kept_numbers_stay() {
    let anew = store().keys().unwrap();
    assert!(anew.contains(&"head.1.weight".to_owned()) && !anew.contains(&"head.3.weight".to_owned()));
    let as_saved = store().map_indices_contiguous(false).keys().unwrap();
    let kept = store().keep_indices(PathFilter::new().with_full_path("head")).keys().unwrap();
    assert!(as_saved.contains(&"head.3.weight".to_owned()));
    assert_eq!(kept, as_saved);
}

#[test]
fn what_is_missing_is_said_with_what_is_left_over() {
    let mut wider = classifier(&[54, 8, 3, 2]);
    let error = wider.load_from(&mut store()).unwrap_err();
    let Error::Missing(result) = &error else { panic!("{error}") };
    let missing: Vec<&str> = result.missing.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(missing, ["head.2.bias", "head.2.weight"]);
    let text = error.to_string();
    assert!(text.contains("`head.2.bias`") && text.contains("`bn1.bias`") && text.contains("allow_partial"), "{text}");

    let result = wider.load_from(&mut store().allow_partial(true)).unwrap();
    assert_eq!((result.applied.len(), result.missing.len()), (4, 2));
}

#[test]
fn what_does_not_fit_is_said() {
    let mut other = classifier(&[54, 9, 3]);
    let error = other.load_from(&mut store()).unwrap_err();
    let Error::Unfit(result) = &error else { panic!("{error}") };
    assert_eq!(result.errors.len(), 3, "both weights and a bias");
    assert!(error.to_string().contains("head.0.weight"), "{error}");

    let result = other.load_from(&mut store().validate(false)).unwrap();
    assert_eq!(result.applied, ["head.1.bias"]);
}

#[test]
fn a_filter_leaves_parameters_alone() {
    let mut classifier = classifier(&[54, 8, 3]);
    let before = classifier.head[0].weight.val().into_data();
    let result = classifier.load_from(&mut store().filter(PathFilter::new().with_regex(r"^head\.1\."))).unwrap();
    assert_eq!(result.skipped, ["head.0.bias", "head.0.weight"]);
    assert_eq!(classifier.head[0].weight.val().into_data(), before);
}

#[test]
fn names_are_changed_in_the_order_of_the_patterns() {
    let one_by_one = store().with_key_remapping(r"^conv(\d)", "body.c$1").unwrap();
    let one_by_one = one_by_one.with_key_remapping(r"^body\.", "trunk.").unwrap().keys().unwrap();
    assert!(one_by_one.contains(&"trunk.c2.weight".to_owned()), "{one_by_one:?}");
    let remapper = KeyRemapper::from_patterns(vec![(r"^conv(\d)", "trunk.c$1")]).unwrap();
    assert_eq!(store().remap(remapper).keys().unwrap(), one_by_one);

    let error = store().with_key_remapping("(", "").unwrap_err();
    assert!(matches!(&error, Error::Pattern { pattern, .. } if pattern == "("), "{error}");
}

#[test]
fn no_tensor_is_lost_to_another_of_its_name() {
    let mut store = store().with_key_remapping(r"^conv\d\.", "conv.").unwrap();
    let error = store.keys().unwrap_err();
    let Error::SameName { name, were } = &error else { panic!("{error}") };
    assert_eq!((name.as_str(), were), ("conv.weight", &["conv1.weight".to_owned(), "conv2.weight".to_owned()]));
    assert!(matches!(classifier(&[54, 8, 3]).load_from(&mut store), Err(Error::SameName { .. })));
}

#[test]
fn single_tensors_can_be_looked_at() {
    let mut store = store();
    let entry = store.get_tensor("conv1.weight").unwrap().unwrap();
    assert_eq!((entry.shape.to_vec(), entry.byte_len()), (vec![4, 1, 3, 3], 4 * 36));
    assert_eq!(&*entry.to_bytes().unwrap(), &*weights()["conv1.weight"].bytes().unwrap());
    assert!(store.get_tensor("conv9.weight").unwrap().is_none());
}

#[test]
fn there_is_no_writing() {
    let error = classifier(&[2, 2]).save_into(&mut store()).unwrap_err();
    assert!(matches!(error, Error::ReadOnly) && error.to_string().contains("BurnpackStore"), "{error}");
}

#[test]
fn parameters_of_the_module_itself_are_named_so() {
    #[derive(Module, Debug)]
    struct Bare {
        token: Param<Tensor<1>>,
    }
    let mut bare = Bare { token: Param::from_tensor(Tensor::zeros([4], &Device::default())) };
    let mut store = store().with_key_remapping(r"^bn1\.running_mean$", "token").unwrap();
    assert_eq!(bare.load_from(&mut store).unwrap().applied, ["token"]);
    let wanted: Vec<f32> = weights()["bn1.running_mean"].to_vec().unwrap();
    assert_eq!(bare.token.val().into_data().as_slice::<f32>().unwrap(), wanted);
}
