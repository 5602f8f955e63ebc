//! A network that was trained in PyTorch on two GPUs, in burn on the CPU:
//!
//! ```sh
//! cargo run --example classify
//! cargo run --example classify -- PATH     # of a file with the same network
//! ```

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "an example, of a network with two linear layers")]

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::store::ModuleSnapshot;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use torch_checkpoint_burn::TorchCheckpointStore;

/// `Cnn` of `fixtures/make/classes.py`: the same names, so that nothing has to be renamed.
#[derive(Module, Debug)]
struct Cnn {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    head: Vec<Linear>,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        Self {
            conv1: Conv2dConfig::new([1, 4], [3, 3]).with_padding(padding).with_bias(false).init(device),
            bn1: BatchNormConfig::new(4).init(device),
            conv2: Conv2dConfig::new([4, 6], [3, 3]).with_stride([2, 2]).init(device),
            bn2: BatchNormConfig::new(6).init(device),
            head: vec![LinearConfig::new(54, 8).init(device), LinearConfig::new(8, 3).init(device)],
        }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(image)));
        let x = relu(self.bn2.forward(self.conv2.forward(x)));
        let x = relu(self.head[0].forward(x.flatten(1, 3)));
        softmax(self.head[1].forward(x), 1)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt");
    let path = std::env::args().nth(1).unwrap_or_else(|| fixture.to_owned());
    let device = Device::default();
    let mut cnn = Cnn::new(&device);
    let result = cnn.load_from(&mut TorchCheckpointStore::from_file(path)?)?;
    println!("{} parameters, not used: {}", result.applied.len(), result.unused.join(", "));
    for brightness in [-1.0, 0.0, 1.0] {
        let classes = cnn.forward(Tensor::full([1, 1, 8, 8], brightness, &device)).into_data();
        println!("an image of {brightness}: {:.3?}", classes.as_slice::<f32>()?);
    }
    Ok(())
}
