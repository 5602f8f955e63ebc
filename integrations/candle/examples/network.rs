//! A network with convolutions, four normalisations and attention, on the weights of a training checkpoint that was saved on
//! `cuda:1`: `cargo run --release --example network`.
#![allow(clippy::indexing_slicing, reason = "an example may stop where a name is missing")]

use std::error::Error;

use candle_core::{D, DType, Device, Module, ModuleT, Result, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, GroupNorm, LayerNorm, Linear, RmsNorm, VarBuilder};
use torch_checkpoint::LoadOptions;
use torch_checkpoint_candle::var_builder;

const WIDTH: usize = 12;
const HEADS: usize = 2;

/// torch's `nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)`.
struct Attention {
    in_proj: Linear,
    out_proj: Linear,
}

impl Attention {
    fn new(vb: VarBuilder<'_>) -> Result<Self> {
        let in_proj =
            Linear::new(vb.get((3 * WIDTH, WIDTH), "in_proj_weight")?, Some(vb.get(3 * WIDTH, "in_proj_bias")?));
        Ok(Self { in_proj, out_proj: candle_nn::linear(WIDTH, WIDTH, vb.pp("out_proj"))? })
    }
}

impl Module for Attention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, places, _) = x.dims3()?;
        let projected = self.in_proj.forward(x)?.reshape((batch, places, 3, HEADS, WIDTH / HEADS))?;
        let part = |n: usize| projected.narrow(2, n, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scale = 1.0 / ((WIDTH / HEADS) as f64).sqrt();
        let weights = candle_nn::ops::softmax_last_dim(&(q.matmul(&k.t()?.contiguous()?)? * scale)?)?;
        let mixed = weights.matmul(&v)?.transpose(1, 2)?.reshape((batch, places, WIDTH))?;
        self.out_proj.forward(&mixed)
    }
}

struct Block {
    norm_1: LayerNorm,
    attn: Attention,
    norm_2: RmsNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norm_1: candle_nn::layer_norm(WIDTH, 1e-5, vb.pp("norm_1"))?,
            attn: Attention::new(vb.pp("attn"))?,
            norm_2: candle_nn::rms_norm(WIDTH, 1e-6, vb.pp("norm_2"))?,
            up: candle_nn::linear(WIDTH, 2 * WIDTH, vb.pp("up"))?,
            down: candle_nn::linear_no_bias(2 * WIDTH, WIDTH, vb.pp("down"))?,
        })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = (x + self.attn.forward(&self.norm_1.forward(x)?)?)?;
        let wide = self.up.forward(&self.norm_2.forward(&x)?)?;
        &x + self.down.forward(&candle_nn::ops::silu(&wide)?)?
    }
}

/// The classes are those of `fixtures/make/candle_network.py`.
pub struct Network {
    conv_1: Conv2d,
    bn_1: BatchNorm,
    depthwise: Conv2d,
    gn: GroupNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl Network {
    /// The weights, which the builder reads one by one.
    pub fn new(vb: VarBuilder<'_>) -> Result<Self> {
        let padded = Conv2dConfig { padding: 1, ..Default::default() };
        let strided = Conv2dConfig { stride: 2, groups: WIDTH, ..padded };
        Ok(Self {
            conv_1: candle_nn::conv2d_no_bias(3, WIDTH, 3, padded, vb.pp("conv_1"))?,
            bn_1: candle_nn::batch_norm(WIDTH, 1e-5, vb.pp("bn_1"))?,
            depthwise: candle_nn::conv2d(WIDTH, WIDTH, 3, strided, vb.pp("depthwise"))?,
            gn: candle_nn::group_norm(3, WIDTH, 1e-5, vb.pp("gn"))?,
            blocks: (0..2).map(|n| Block::new(vb.pp("blocks").pp(n))).collect::<Result<_>>()?,
            head: candle_nn::linear(WIDTH, 4, vb.pp("head"))?,
        })
    }
}

impl Module for Network {
    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let x = self.bn_1.forward_t(&self.conv_1.forward(image)?, false)?.relu()?;
        let x = self.gn.forward(&self.depthwise.forward(&x)?)?.relu()?;
        let x = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let x = self.blocks.iter().try_fold(x, |x, block| block.forward(&x))?;
        self.head.forward(&x.mean(D::Minus2)?)
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/integrations/candle");
    let device = Device::Cpu;
    let weights = LoadOptions::new().key("model").load_state_dict(format!("{folder}/network_cuda.pt"))?;
    println!("{} tensors, saved on {}", weights.len(), weights["module.head.bias"].location());
    let network = Network::new(var_builder(weights.strip_prefix("module.")?, DType::F32, &device))?;
    let images = candle_core::safetensors::load(format!("{folder}/answer.safetensors"), &device)?;
    println!("{}", network.forward(&images["inputs"])?);
    Ok(())
}
