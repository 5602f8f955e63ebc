//! What each kind of tensor is in burn.

use burn::module::{Module, Param};
use burn::store::{ApplyError, ModuleSnapshot, ModuleStore, bridge};
use burn::tensor::{Bool, BoolStore, DType, Device, Int, Tensor};
use torch_checkpoint::{StateDict, load_state_dict};
use torch_checkpoint_burn::{Error, TorchCheckpointStore};

use crate::fixtures;

fn weights(file: &str) -> StateDict {
    load_state_dict(fixtures().join("zip/torch-2.15").join(file), "cpu").unwrap()
}

/// Of all dtypes that torch has: the same in burn with the same bytes, or the numbers as `f32`, or an error.
#[test]
fn every_dtype_of_torch() {
    let weights = weights("all_dtypes.pt");
    let mut store = TorchCheckpointStore::new(weights.clone());
    for (name, tensor) in &weights {
        let entry = store.get_tensor(name).unwrap().unwrap();
        let same = match name {
            "float64" => DType::F64,
            "float32" => DType::F32,
            "float16" => DType::F16,
            "bfloat16" => DType::BF16,
            "int64" => DType::I64,
            "int32" => DType::I32,
            "int16" => DType::I16,
            "int8" => DType::I8,
            "uint64" => DType::U64,
            "uint32" => DType::U32,
            "uint16" => DType::U16,
            "uint8" => DType::U8,
            "bool" => DType::Bool(BoolStore::Native),
            _ => {
                assert_eq!(entry.dtype, DType::F32, "{name}");
                let data = bridge::to_data(entry);
                if name.starts_with("float8") {
                    let numbers = tensor.cast::<f32>().unwrap();
                    let data = data.unwrap();
                    let same = data.as_slice::<f32>().unwrap().iter().map(|x| x.to_bits());
                    assert!(same.eq(numbers.iter().map(|x| x.to_bits())), "{name}");
                } else {
                    data.unwrap_err();
                }
                continue;
            }
        };
        assert_eq!(entry.dtype, same, "{name}");
        assert_eq!(&*entry.to_bytes().unwrap(), &*tensor.bytes().unwrap(), "{name}");
    }
}

#[test]
fn bytes_that_are_no_bools_become_true() {
    let weights = weights("odd_bools.pt");
    let mut store = TorchCheckpointStore::new(weights.clone());
    let mut odd = false;
    for (name, tensor) in weights.iter().filter(|(_, tensor)| tensor.dtype() == torch_checkpoint::DType::Bool) {
        odd |= tensor.bytes().unwrap().iter().any(|&byte| byte > 1);
        let data = bridge::to_data(store.get_tensor(name).unwrap().unwrap()).unwrap();
        assert_eq!(data.as_slice::<bool>().unwrap(), tensor.to_vec::<bool>().unwrap(), "{name}");
    }
    assert!(odd, "the fixture is about such bytes");
}

#[test]
fn quantised_and_sparse_tensors_are_the_numbers_that_they_stand_for() {
    for file in ["quantised_per_tensor.pt", "quantised_per_channel.pt", "sparse_coo.pt", "sparse_csr.pt"] {
        let weights = weights(file);
        let mut store = TorchCheckpointStore::new(weights.clone());
        let mut checked = 0;
        for (name, tensor) in &weights {
            let entry = store.get_tensor(name).unwrap().unwrap();
            assert_eq!(entry.shape.to_vec(), tensor.shape(), "{file}: {name}");
            let dense = if tensor.quantization().is_some() { tensor.dequantize() } else { tensor.to_dense() };
            let Ok(numbers) = dense.unwrap().to_vec::<f32>() else { continue };
            let data = bridge::to_data(entry).unwrap();
            assert_eq!(data.as_slice::<f32>().unwrap(), numbers, "{file}: {name}");
            checked += 1;
        }
        assert!(checked > 5, "{file}");
    }
}

#[derive(Module, Debug)]
struct Holder {
    wanted: Param<Tensor<1>>,
}

fn holder(len: usize) -> Holder {
    Holder { wanted: Param::from_tensor(Tensor::zeros([len], &Device::default())) }
}

/// A tensor that burn cannot have stands in nobody's way, until a parameter wants it.
#[test]
fn what_burn_cannot_have_is_an_error_only_for_who_wants_it() {
    let store = |name: &str| {
        TorchCheckpointStore::new(weights("all_dtypes.pt")).with_key_remapping(format!("^{name}$"), "wanted").unwrap()
    };
    let result = holder(12).load_from(&mut store("float32")).unwrap();
    assert!(result.unused.contains(&"complex64".to_owned()));

    for (name, len, why) in
        [("complex64", 6, "two parts"), ("bits8", 6, "bits8"), ("float4_e2m1fn_x2", 256, "two numbers")]
    {
        let error = holder(len).load_from(&mut store(name)).unwrap_err();
        let Error::Unfit(result) = &error else { panic!("{error}") };
        let [ApplyError::LoadError { path, message }] = &result.errors[..] else { panic!("{error}") };
        assert!(path == "wanted" && message.contains(why), "{error}");
    }
}

#[test]
fn tensors_without_data_say_so() {
    let path = fixtures().join("zip/torch-2.15/meta_state_dict.pt");
    let weights = torch_checkpoint::LoadOptions::new().key("model").load_state_dict(path).unwrap();
    let (name, tensor) = weights.iter().find(|(_, tensor)| tensor.device().to_string() == "meta").unwrap();
    let mut store = TorchCheckpointStore::new([("wanted".to_owned(), tensor.clone())]);
    let error = store.get_tensor("wanted").unwrap().unwrap().to_bytes().unwrap_err();
    assert!(error.to_string().contains("meta"), "{name}: {error}");
}

/// burn-store's rule: a parameter has the kind that the module says (numbers, integers, truth), and the width of the file.
#[test]
fn the_kind_is_the_modules_and_the_width_the_files() {
    #[derive(Module, Debug)]
    struct Kinds {
        halves: Param<Tensor<1>>,
        steps: Param<Tensor<1, Int>>,
        mask: Param<Tensor<1, Bool>>,
    }
    let device = Device::default();
    let weights = weights("all_dtypes.pt");
    let tensors = |halves: &str| {
        [("halves", halves), ("steps", "int64"), ("mask", "bool")]
            .map(|(name, was)| (name.to_owned(), weights[was].clone()))
    };
    let new = || Kinds {
        halves: Param::from_tensor(Tensor::zeros([16], &device)),
        steps: Param::initialized(Default::default(), Tensor::<1, Int>::zeros([5], &device)),
        mask: Param::initialized(Default::default(), Tensor::<1, Bool>::empty([4], &device)),
    };
    let mut kinds = new();
    kinds.load_from(&mut TorchCheckpointStore::new(tensors("float16"))).unwrap();
    assert_eq!(kinds.halves.val().dtype(), DType::F16);
    let steps = kinds.steps.val().into_data();
    assert_eq!(steps.as_slice::<i64>().unwrap(), weights["int64"].to_vec::<i64>().unwrap());
    let mask: Vec<bool> = kinds.mask.val().into_data().iter::<bool>().collect();
    assert_eq!(mask, weights["bool"].to_vec::<bool>().unwrap());

    let error = new().load_from(&mut TorchCheckpointStore::new(tensors("int16"))).unwrap_err();
    assert!(matches!(&error, Error::Unfit(result) if matches!(&result.errors[..], [ApplyError::DTypeMismatch { .. }])));
}

/// The tensors of every fixture that loads can be asked for, whatever they are.
#[test]
fn no_tensor_of_the_fixtures_makes_it_panic() {
    let mut read = 0;
    for entry in std::fs::read_dir(fixtures().join("zip/torch-2.15")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(weights) = torch_checkpoint::LoadOptions::new().flatten().load_state_dict(&path) else { continue };
        for zero_copy in [false, true] {
            let mut store =
                TorchCheckpointStore::new(weights.clone()).map_indices_contiguous(false).zero_copy(zero_copy);
            for (name, tensor) in &weights {
                let entry = store.get_tensor(name).unwrap().unwrap();
                if let Ok(bytes) = entry.to_bytes() {
                    assert_eq!(bytes.len(), entry.byte_len(), "{}: {name}: {tensor:?}", path.display());
                    read += 1;
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}

/// burn multiplies sizes unchecked.
#[test]
fn more_elements_than_there_can_be_are_an_error_only_for_who_wants_them() {
    let weights = load_state_dict(fixtures().join("integrations/burn/huge_sparse.pt"), "cpu").unwrap();
    assert_eq!(weights["huge"].shape(), [1 << 31, 1 << 31]);
    let mut store = TorchCheckpointStore::new(weights).with_key_remapping("^ordinary$", "wanted").unwrap();
    let mut holder = holder(4);
    assert_eq!(holder.load_from(&mut store).unwrap().unused, ["huge"]);
    assert_eq!(holder.wanted.val().into_data().as_slice::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0]);
    let error = store.get_tensor("huge").unwrap().unwrap().to_bytes().unwrap_err();
    assert!(error.to_string().contains("cannot be addressed"), "{error}");
}
