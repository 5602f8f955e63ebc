//! Views and arrays against what the library copies, and against torch's own answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the crate is tests")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{Complex, Element, ErrorKind, Layout, LoadOptions, StateDict, Tensor, load_state_dict};
use torch_checkpoint_ndarray::{Error, TensorExt};

fn fixture(path: &str) -> PathBuf {
    Path::new("../../fixtures").join(path)
}

fn views() -> StateDict {
    load_state_dict(fixture("zip/torch-2.15/views.pt"), "cpu").unwrap()
}

#[test]
fn views_have_torchs_values_and_strides() {
    let weights = views();
    for (name, tensor) in weights.iter().filter(|(_, tensor)| tensor.dtype() == torch_checkpoint::DType::Float32) {
        let view = tensor.view::<f32>().unwrap();
        let strides: Vec<usize> = view.strides().iter().map(|&stride| usize::try_from(stride).unwrap()).collect();
        if tensor.numel() > 0 {
            assert_eq!((view.shape(), &strides[..]), (tensor.shape(), tensor.strides()), "{name}");
        }
        let copy = ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.to_vec::<f32>().unwrap()).unwrap();
        assert_eq!(view, copy, "{name}");
    }
    let base = weights["base"].view::<f32>().unwrap();
    for name in ["transposed", "step", "block", "permuted", "expanded", "windows", "diagonal", "scalar"] {
        let view = weights[name].view::<f32>().unwrap();
        let offset = view.first().unwrap() as *const f32 as usize - base.as_ptr() as usize;
        assert!(offset < base.len() * 4, "{name} is a copy");
        assert_eq!(offset, (weights[name].storage_offset() - weights["base"].storage_offset()) * 4, "{name}");
    }
}

#[test]
fn views_that_are_made_here_are_views_too() {
    let weights = views();
    let matrix = &weights["matrix"];
    let turned = matrix.permute(&[1, 0]).unwrap().narrow(0, 1, 2).unwrap();
    let expected = matrix.view::<f32>().unwrap();
    let expected = expected.t();
    assert_eq!(turned.view::<f32>().unwrap(), expected.slice_axis(ndarray::Axis(0), (1..3).into()));
    let column = matrix.select(1, 2).unwrap();
    assert_eq!(column.view::<f32>().unwrap(), expected.index_axis(ndarray::Axis(0), 2));
}

/// What a sweep has met.
#[derive(Debug, Default)]
struct Count {
    viewed: usize,
    strided: usize,
    copied: usize,
}

fn compare<T: Element + PartialEq + Debug>(name: &str, tensor: &Tensor, count: &mut Count) {
    let copy = match tensor.array::<T>() {
        Ok(copy) => copy,
        Err(Error::Read(error)) => {
            assert!(tensor.view::<T>().is_err(), "{name}: a view of what cannot be copied: {error}");
            return;
        }
        Err(Error::Packed { .. }) => return assert!(tensor.view::<T>().is_err(), "{name}"),
        Err(error) => panic!("{name}: {error}"),
    };
    // As text, or a NaN would not be equal to itself.
    let same = |values: Vec<T>| format!("{values:?}") == format!("{:?}", copy.iter().copied().collect::<Vec<T>>());
    match tensor.view::<T>() {
        Ok(view) => {
            assert_eq!(view.shape(), tensor.shape(), "{name}");
            assert!(same(view.iter().copied().collect()), "{name}");
            count.viewed += 1;
            count.strided += usize::from(!tensor.is_contiguous());
        }
        Err(Error::Read(error)) => {
            assert_eq!(error.kind(), ErrorKind::Caller, "{name}: {error}");
            count.copied += 1;
        }
        Err(error) => panic!("{name}: {error}"),
    }
    let either = tensor.view_or_array::<T>().unwrap();
    assert!(same(either.iter().copied().collect()), "{name}");
}

/// Every tensor of every fixture that torch wrote, distributed ones among them.
#[test]
fn every_fixture_is_viewed_as_it_is_copied() {
    let mut count = Count::default();
    for folder in ["zip", "legacy", "distributed", "torchscript", "export"] {
        for path in
            fs::read_dir(fixture(folder)).unwrap().flat_map(|version| fs::read_dir(version.unwrap().path()).unwrap())
        {
            let path = path.unwrap().path();
            let Ok(weights) = LoadOptions::new().flatten().load_state_dict(&path) else { continue };
            for (name, tensor) in &weights {
                // A view of gigabytes that are stored in a few bytes is not to be written out.
                if tensor.nbytes() > 1 << 20 {
                    continue;
                }
                let name = format!("{}: {name}", path.display());
                compare::<f64>(&name, tensor, &mut count);
                compare::<f32>(&name, tensor, &mut count);
                compare::<f16>(&name, tensor, &mut count);
                compare::<bf16>(&name, tensor, &mut count);
                compare::<i64>(&name, tensor, &mut count);
                compare::<i32>(&name, tensor, &mut count);
                compare::<u8>(&name, tensor, &mut count);
                compare::<bool>(&name, tensor, &mut count);
                compare::<Complex<f32>>(&name, tensor, &mut count);
            }
        }
    }
    assert!(count.viewed > 3000 && count.strided > 150 && count.copied > 100, "{count:?}");
}

#[test]
fn chunks_of_several_processes_are_put_together() {
    let weights = LoadOptions::new().flatten().load_state_dict(fixture("distributed/torch-2.15/two_ranks")).unwrap();
    let rows = &weights["model.rows"];
    let whole = rows.array::<f32>().unwrap();
    assert_eq!(rows.transpose(0, 1).unwrap().view::<f32>().unwrap(), whole.t());
    let part = rows.narrow(0, 2, 2).unwrap();
    assert_eq!(part.view::<f32>().unwrap(), whole.slice_axis(ndarray::Axis(0), (2..4).into()));
}

#[test]
fn casts_have_the_shape_of_the_numbers() {
    let weights = LoadOptions::new().flatten().load_state_dict(fixture("zip/torch-2.15/all_dtypes.pt")).unwrap();
    let mut met = 0;
    for (name, tensor) in &weights {
        let Ok(numbers) = tensor.cast_array::<f32>() else { continue };
        let packed = tensor.dtype() == torch_checkpoint::DType::Float4E2M1FnX2;
        assert_eq!(numbers.len(), tensor.numel() * if packed { 2 } else { 1 }, "{name}");
        if packed {
            assert_eq!(numbers.shape().last().copied(), tensor.shape().last().map(|last| last * 2));
        }
        met += 1;
    }
    assert!(met > 15, "{met}");
}

#[test]
fn complex_numbers_are_those_of_num_complex() {
    let weights = load_state_dict(fixture("zip/torch-2.15/conj_neg.pt"), "cpu").unwrap();
    let conj = &weights["conj"];
    let numbers = conj.complex_array::<f32>().unwrap();
    assert_eq!(numbers.shape(), conj.shape());
    for (number, stored) in numbers.iter().zip(conj.to_vec::<Complex<f32>>().unwrap()) {
        assert_eq!((number.re, number.im), (stored.re, stored.im));
    }
    let error = conj.view::<Complex<f32>>().unwrap_err();
    assert!(error.to_string().contains("conjugated"), "{error}");
    assert!(!conj.view_or_array::<Complex<f32>>().unwrap().is_view());
}

#[test]
fn errors_say_what_to_do() {
    let weights = load_state_dict(fixture("zip/torch-2.15/trained_cnn_cuda.pt"), "cpu").unwrap();
    let error = weights["bn1.bias"].view::<f64>().unwrap_err();
    assert!(error.to_string().contains("`cast`"), "{error}");
    let sparse = load_state_dict(fixture("zip/torch-2.15/sparse_coo.pt"), "cpu").unwrap();
    let coo = sparse.values().find(|tensor| tensor.layout() != Layout::Strided).unwrap();
    let error = coo.view::<f32>().unwrap_err();
    assert!(error.to_string().contains("to_dense"), "{error}");
    let dense = coo.to_dense().unwrap();
    assert_eq!(dense.view::<f32>().unwrap().shape(), coo.shape());
}
