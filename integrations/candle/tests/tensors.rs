//! Tensors, dtypes, devices and errors.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the crate is tests")]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Error, Tensor};
use candle_nn::VarBuilder;
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{DType as Torch, LoadOptions, StateDict, load_state_dict};
use torch_checkpoint_candle::{TensorExt, device, device_of, tensors, var_builder};

fn fixture(path: &str) -> PathBuf {
    Path::new("../../fixtures").join(path)
}

fn flattened(path: &str) -> StateDict {
    LoadOptions::new().flatten().load_state_dict(fixture(path)).unwrap()
}

/// The elements as bytes: a NaN is equal to itself.
fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.flatten_all().unwrap();
    match tensor.dtype() {
        DType::U8 => tensor.to_vec1::<u8>().unwrap(),
        DType::U32 => tensor.to_vec1::<u32>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::I16 => tensor.to_vec1::<i16>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::I32 => tensor.to_vec1::<i32>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::I64 => tensor.to_vec1::<i64>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::F16 => tensor.to_vec1::<f16>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::BF16 => tensor.to_vec1::<bf16>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::F32 => tensor.to_vec1::<f32>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        DType::F64 => tensor.to_vec1::<f64>().unwrap().iter().flat_map(|n| n.to_ne_bytes()).collect(),
        dtype => panic!("{dtype:?} is compared by its numbers"),
    }
}

/// Every tensor of every fixture that torch wrote: what candle has is what the library has.
#[test]
fn every_fixture_is_in_candle_what_it_is() {
    let (mut equal, mut strided, mut cast, mut refused) = (0, 0, 0, 0);
    for folder in ["zip", "legacy", "distributed", "torchscript", "export"] {
        for path in
            fs::read_dir(fixture(folder)).unwrap().flat_map(|version| fs::read_dir(version.unwrap().path()).unwrap())
        {
            let path = path.unwrap().path();
            let Ok(weights) = LoadOptions::new().flatten().load_state_dict(&path) else { continue };
            // A view of gigabytes that are stored in a few bytes is not to be written out.
            for (name, tensor) in weights.iter().filter(|(_, tensor)| tensor.nbytes() < 1 << 20) {
                let name = format!("{}: {name}", path.display());
                match tensor.to_candle(&Device::Cpu) {
                    Ok(there) if matches!(there.dtype(), DType::F8E4M3 | DType::F8E8M0) => {
                        assert_eq!(there.dims(), tensor.shape(), "{name}");
                    }
                    Ok(there) => {
                        assert_eq!(there.dims(), tensor.shape(), "{name}");
                        let stored = tensor.bytes().unwrap().into_owned();
                        let stored = match tensor.dtype() {
                            Torch::Bool => stored.iter().map(|&byte| u8::from(byte != 0)).collect(),
                            _ => stored,
                        };
                        assert!(bytes(&there) == stored, "{name}");
                        equal += 1;
                        strided += usize::from(!tensor.is_contiguous());
                    }
                    Err(_) => refused += 1,
                }
                if let Ok(numbers) = tensor.cast::<f32>() {
                    let there = tensor.to_candle_as(DType::F32, &Device::Cpu).unwrap();
                    assert!(
                        bytes(&there) == numbers.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<u8>>(),
                        "{name}"
                    );
                    cast += 1;
                }
            }
        }
    }
    assert!(equal > 4000 && strided > 150 && cast > 4000 && refused > 100, "{equal} {strided} {cast} {refused}");
}

#[test]
fn float8_has_the_same_numbers() {
    let weights = flattened("zip/torch-2.15/all_dtypes.pt");
    let codes = weights.values().find(|tensor| tensor.dtype() == Torch::Float8E4M3Fn && tensor.numel() >= 256).unwrap();
    let there = codes.to_candle(&Device::Cpu).unwrap();
    assert_eq!(there.dtype(), DType::F8E4M3);
    let numbers: Vec<f32> = there.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap();
    for (number, expected) in numbers.iter().zip(codes.cast::<f32>().unwrap()) {
        assert!(
            number.to_bits() == expected.to_bits() || (number.is_nan() && expected.is_nan()),
            "{number} {expected}"
        );
    }
}

#[test]
fn a_dtype_that_candle_lacks_is_named_with_the_cast_that_helps() {
    let weights = flattened("zip/torch-2.15/all_dtypes.pt");
    let refused = |dtype: Torch| {
        let tensor = weights.values().find(|tensor| tensor.dtype() == dtype && tensor.numel() > 0).unwrap();
        (tensor.clone(), tensor.to_candle(&Device::Cpu).unwrap_err().to_string())
    };
    for dtype in [Torch::Int8, Torch::UInt16, Torch::UInt64, Torch::Float8E5M2, Torch::Float4E2M1FnX2] {
        let (tensor, error) = refused(dtype);
        assert!(error.contains(dtype.name()) && error.contains("to_candle_as"), "{error}");
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            assert_eq!(tensor.to_candle_as(dtype, &Device::Cpu).unwrap().dtype(), dtype);
        }
    }
    let (complex, error) = refused(Torch::Complex64);
    assert!(error.contains("two tensors"), "{error}");
    assert!(complex.to_candle_as(DType::F32, &Device::Cpu).unwrap_err().to_string().contains("two parts"));
}

#[test]
fn integers_are_converted_by_candle() {
    let weights = flattened("zip/torch-2.15/all_dtypes.pt");
    let flags = weights.values().find(|tensor| tensor.dtype() == Torch::Bool && tensor.numel() > 1).unwrap();
    let numbers =
        flags.to_candle_as(DType::I64, &Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<i64>().unwrap();
    assert_eq!(numbers, flags.to_vec::<bool>().unwrap().into_iter().map(i64::from).collect::<Vec<_>>());
}

#[test]
fn map_location_decides_the_device() {
    let path = fixture("zip/torch-2.15/trained_cnn_cuda.pt");
    let cpu = load_state_dict(&path, "cpu").unwrap();
    assert!(device_of(&cpu).unwrap().is_cpu());
    let there = tensors(&cpu).unwrap();
    assert_eq!(there.len(), cpu.len());
    assert!(there.values().all(|tensor| tensor.device().is_cpu()));

    let kept = load_state_dict(&path, None).unwrap();
    let error = device_of(&kept).unwrap_err().to_string();
    assert!(error.contains("`cuda:0` and `cuda:1`"), "{error}");
    if !candle_core::utils::cuda_is_available() {
        let error = tensors(&kept).unwrap_err().to_string();
        assert!(
            ["cuda:0", "map_location", "not been built with cuda", "tensor `"].iter().all(|w| error.contains(w)),
            "{error}"
        );
    }
    for name in ["xpu:0", "meta", "privateuseone"] {
        let error = device(&name.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("map_location"), "{error}");
    }
}

fn builder(path: &str, dtype: DType) -> VarBuilder<'static> {
    var_builder(LoadOptions::new().load_state_dict(fixture(path)).unwrap(), dtype, &Device::Cpu)
}

/// Each beside candle's own reader, where that can read the file.
#[test]
fn it_gives_what_from_pth_gives() {
    for path in ["zip/torch-2.15/state_dict.pt", "zip/torch-2.15/trained_cnn_cuda.pt"] {
        let (ours, candles) =
            (builder(path, DType::F32), VarBuilder::from_pth(fixture(path), DType::F32, &Device::Cpu).unwrap());
        let weights = load_state_dict(fixture(path), "cpu").unwrap();
        let mut compared = 0;
        for (name, tensor) in weights.iter().filter(|(_, tensor)| tensor.dtype() == Torch::Float32) {
            let theirs = candles.get(tensor.shape(), name).unwrap();
            assert!(bytes(&ours.get(tensor.shape(), name).unwrap()) == bytes(&theirs), "{path}: {name}");
            compared += 1;
        }
        assert!(compared > 4);
    }
}

#[test]
fn dtypes_are_converted_as_the_builder_asks() {
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let vb = builder("zip/torch-2.15/trained_cnn_cuda.pt", dtype);
        assert_eq!(vb.pp("bn1").get(4, "bias").unwrap().dtype(), dtype);
        assert_eq!(vb.pp("bn1").get_unchecked_dtype("num_batches_tracked", DType::I64).unwrap().dtype(), DType::I64);
    }
}

#[test]
fn a_distributed_checkpoint_is_a_builder_too() {
    let weights =
        LoadOptions::new().key("model").load_state_dict(fixture("distributed/torch-2.15/fully_sharded")).unwrap();
    let expected = weights["0.weight"].to_vec::<f32>().unwrap();
    let shape = weights["0.weight"].shape().to_vec();
    let vb = var_builder(weights, DType::F32, &Device::Cpu);
    let there = vb.pp("0").get(shape, "weight").unwrap();
    assert_eq!(there.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
}

#[test]
fn names_and_shapes_that_do_not_fit_are_errors() {
    let vb = builder("zip/torch-2.15/trained_cnn_cuda.pt", DType::F32);
    assert!(vb.pp("bn1").contains_tensor("bias") && !vb.contains_tensor("bn1"));
    let error = vb.pp("bn1").get(4, "biass").unwrap_err();
    assert!(
        error.to_string().contains("cannot find tensor bn1.biass") && error.to_string().contains("`bn1.bias`"),
        "{error}"
    );
    let error = vb.pp("bn1").get(5, "bias").unwrap_err();
    assert!(matches!(error, Error::UnexpectedShape { .. } | Error::WithBacktrace { .. }), "{error}");
    assert!(error.to_string().contains("bn1.bias"), "{error}");
}
