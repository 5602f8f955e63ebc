//! A trained network whose weights torch saved from `cuda:1` gives in burn what it gave in torch.

use burn::module::{Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig,
    PaddingConfig2d,
};
use burn::store::{ApplyResult, FloatCastAdapter, ModuleSnapshot, ModuleStore};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::SafeTensors;
use torch_checkpoint::{LoadOptions, StateDict, load_state_dict};
use torch_checkpoint_burn::{TorchCheckpointStore, unpack_attention};

use crate::fixtures;

/// `fixtures/make/burn_network.py` has it for torch.
#[derive(Module, Debug)]
struct Network {
    conv1: Conv2d,
    batch_norm: BatchNorm,
    conv2: Conv2d,
    group_norm: GroupNorm,
    position: Param<Tensor<3>>,
    norm: LayerNorm,
    attention: MultiHeadAttention,
    head: Vec<Linear>,
}

impl Network {
    fn new(device: &Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv = |channels| Conv2dConfig::new(channels, [3, 3]).with_padding(padding.clone());
        Self {
            conv1: conv([3, 8]).with_bias(false).init(device),
            batch_norm: BatchNormConfig::new(8).init(device),
            conv2: conv([8, 16]).with_stride([2, 2]).init(device),
            group_norm: GroupNormConfig::new(4, 16).init(device),
            position: Param::from_tensor(Tensor::zeros([1, 16, 16], device)),
            norm: LayerNormConfig::new(16).init(device),
            attention: MultiHeadAttentionConfig::new(16, 4).with_dropout(0.0).init(device),
            head: vec![LinearConfig::new(16, 24).init(device), LinearConfig::new(24, 5).init(device)],
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<2> {
        let x = relu(self.batch_norm.forward(self.conv1.forward(image)));
        let x = relu(self.group_norm.forward(self.conv2.forward(x)));
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2) + self.position.val();
        let x = x.clone() + self.attention.forward(MhaInput::self_attn(self.norm.forward(x))).context;
        let x: Tensor<2> = x.mean_dim(1).squeeze_dim(1);
        self.head[1].forward(gelu(self.head[0].forward(x)))
    }
}

/// What `outputs.safetensors` has under a name, read by the safetensors crate.
fn answer(name: &str) -> TensorData {
    let file = std::fs::read(fixtures().join("integrations/burn/outputs.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let numbers: Vec<f32> = tensor.data().as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect();
    TensorData::new(numbers, tensor.shape().to_vec())
}

/// The largest difference from torch's outputs.
fn difference(network: &Network, device: &Device) -> f32 {
    let outputs = network.forward(Tensor::from_data(answer("inputs"), device)).into_data();
    let wanted = answer("outputs");
    assert_eq!(outputs.shape(), wanted.shape());
    let (outputs, wanted) = (outputs.as_slice::<f32>().unwrap(), wanted.as_slice::<f32>().unwrap());
    assert!(wanted.iter().any(|number| number.abs() > 1.0), "the outputs say something");
    outputs.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn store(weights: StateDict) -> TorchCheckpointStore {
    TorchCheckpointStore::new(unpack_attention(weights).unwrap())
        .with_key_remapping(r"^stem\.0\.", "conv1.")
        .and_then(|store| store.with_key_remapping(r"^stem\.1\.", "batch_norm."))
        .and_then(|store| store.with_key_remapping(r"^stem\.3\.", "conv2."))
        .and_then(|store| store.with_key_remapping(r"^stem\.4\.", "group_norm."))
        .unwrap()
}

fn load(mut store: TorchCheckpointStore, device: &Device) -> (Network, ApplyResult) {
    let mut network = Network::new(device);
    let result = network.load_from(&mut store).unwrap();
    (network, result)
}

#[test]
fn a_network_saved_on_cuda_gives_the_outputs_that_it_gave_in_torch() {
    for file in ["network_cuda.pt", "network_cuda_legacy.pt"] {
        let weights = load_state_dict(fixtures().join("integrations/burn").join(file), "cpu").unwrap();
        assert!(weights.values().all(|tensor| tensor.location() == "cuda:1"));
        assert!(!weights["stem.3.weight"].is_contiguous(), "channels last");
        let device = Device::default();
        assert!(difference(&Network::new(&device), &device) > 0.1, "the weights are not in the module itself");
        for zero_copy in [false, true] {
            let (network, result) = load(store(weights.clone()).zero_copy(zero_copy), &device);
            let difference = difference(&network, &device);
            assert!(difference < 1e-4, "{file}: {difference}");
            assert_eq!(result.applied.len(), 24);
            assert_eq!(result.unused, ["batch_norm.num_batches_tracked"]);
            assert!(result.missing.is_empty() && result.skipped.is_empty() && result.errors.is_empty());
        }
    }
}

#[test]
fn without_copies_the_entries_are_views_of_the_file() {
    let path = fixtures().join("zip/torch-2.15/trained_cnn_cuda.pt");
    let weights = load_state_dict(path, "cpu").unwrap();
    let place = weights["conv1.weight"].bytes().unwrap().as_ptr();
    for zero_copy in [true, false] {
        let mut store = TorchCheckpointStore::new(weights.clone()).zero_copy(zero_copy);
        let bytes = store.get_tensor("conv1.weight").unwrap().unwrap().to_bytes().unwrap();
        assert_eq!(bytes.as_ptr() == place, zero_copy);
        assert_eq!(&*bytes, &*weights["conv1.weight"].bytes().unwrap());
    }
}

/// burn would panic over a view whose elements are not aligned; such tensors are copied.
#[test]
fn elements_that_are_not_aligned_are_copied() {
    let path = fixtures().join("rewritten/stored_unaligned.pt");
    let weights = LoadOptions::new().key("weights").load_state_dict(path).unwrap();
    let mut store = TorchCheckpointStore::new(weights.clone()).map_indices_contiguous(false).zero_copy(true);
    let mut unaligned = 0;
    for (name, tensor) in &weights {
        let (stored, size) = (tensor.bytes().unwrap(), tensor.dtype().itemsize());
        let bytes = store.get_tensor(name).unwrap().unwrap().to_bytes().unwrap();
        assert_eq!(*bytes, *stored);
        assert!(bytes.as_ptr().addr().is_multiple_of(size), "{name}");
        unaligned += usize::from(!stored.as_ptr().addr().is_multiple_of(size));
    }
    assert!(unaligned > 0, "the fixture is about that");
}

/// The module outlives the store, the state dict and the last handle on the file.
#[test]
fn views_of_the_file_keep_it_open() {
    let device = Device::default();
    let copy = std::env::temp_dir().join(format!("torch-checkpoint-burn-{}.pt", std::process::id()));
    std::fs::copy(fixtures().join("integrations/burn/network_cuda.pt"), &copy).unwrap();
    // What a module changes in place, it changes in memory of its own.
    let weights = load_state_dict(&copy, "cpu").unwrap();
    let (changed, _) = load(store(weights.clone()).zero_copy(true), &device);
    let (untouched, _) = load(store(weights).zero_copy(true), &device);
    std::fs::remove_file(&copy).unwrap();
    let bias = untouched.conv2.bias.as_ref().unwrap().val().into_data();
    let more = (changed.conv2.bias.unwrap().into_value() + 1.0).into_data();
    let (bias, more) = (bias.as_slice::<f32>().unwrap(), more.as_slice::<f32>().unwrap());
    assert!(bias.iter().zip(more).all(|(bias, more)| bias + 1.0 == *more));
    assert!(difference(&untouched, &device) < 1e-4);
}

#[test]
fn floats_are_cast_on_the_way() {
    let device = Device::default();
    let weights = load_state_dict(fixtures().join("integrations/burn/network_cuda.pt"), "cpu").unwrap();
    let (network, _) = load(store(weights).then_adapter(FloatCastAdapter::to(DType::F16)), &device);
    assert_eq!(network.conv1.weight.val().dtype(), DType::F16);
    assert_eq!(network.head[0].weight.val().dtype(), DType::F16);
    assert_eq!(network.head[0].weight.val().dims(), [16, 24], "and transposed before");
}
