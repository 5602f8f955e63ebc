//! The checkpoints: written without torch, byte for byte as torch would, and the same weights as safetensors.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use safetensors::tensor::{Dtype, TensorView};

use crate::Result;
use crate::pickle::{self, View, row_major};
use crate::zip_builder::torch_builder;

/// A set of weights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// 50,000 tensors of 4x4 f32, in a plain dict.
    Many,
    /// 147 tensors of a language model in f16, 1.9 GB, in a module's state dict.
    Model,
    /// 60 transposed f32 tensors, 0.8 GB.
    Transposed,
    /// 4,096 views of one storage of 512 MiB of f32.
    Views,
    /// The same storage as one tensor.
    OneView,
}

impl Weights {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Model => "model",
            Self::Transposed => "transposed",
            Self::Views => "views",
            Self::OneView => "one-view",
        }
    }

    /// Whether safetensors can hold them: neither strides nor sharing.
    const fn as_safetensors(self) -> bool {
        !matches!(self, Self::Transposed | Self::Views)
    }
}

impl FromStr for Weights {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Many, Self::Model, Self::Transposed, Self::Views, Self::OneView]
            .into_iter()
            .find(|weights| weights.name() == name)
            .ok_or_else(|| format!("no weights `{name}`"))
    }
}

/// Writes `NAME.pt`, and `NAME.safetensors` where that can hold the weights, unless they are there.
pub fn make(weights: Weights, dir: &Path) -> Result {
    let pt = dir.join(weights.name()).with_extension("pt");
    if pt.exists() {
        return Ok(());
    }
    let (views, pickle) = match weights {
        Weights::Many => {
            let view = |n| View::whole(format!("layers.{n}.weight"), "FloatStorage", n, vec![4, 4]);
            let views: Vec<View<'_>> = (0..50_000).map(view).collect();
            let pickle = pickle::plain_dict(&views);
            (views, pickle)
        }
        Weights::Model => {
            let shapes = model().into_iter().enumerate();
            let views: Vec<View<'_>> =
                shapes.map(|(n, (name, shape))| View::whole(name, "HalfStorage", n, shape)).collect();
            let pickle = pickle::state_dict(&views);
            (views, pickle)
        }
        Weights::Transposed => {
            let view = |n: usize| View {
                strides: vec![1, 2048],
                ..View::whole(format!("layers.{n}.weight"), "FloatStorage", n, vec![2048, 1632])
            };
            let views: Vec<View<'_>> = (0..60).map(view).collect();
            let pickle = pickle::plain_dict(&views);
            (views, pickle)
        }
        Weights::Views => {
            let shape = vec![128, 256];
            let view = |n: usize| View {
                name: format!("layers.{n}.weight"),
                storage_class: "FloatStorage",
                key: "0".to_owned(),
                storage_numel: 4096 * 128 * 256,
                offset: n * 128 * 256,
                strides: row_major(&shape),
                shape: shape.clone(),
            };
            let views: Vec<View<'_>> = (0..4096).map(view).collect();
            let pickle = pickle::plain_dict(&views);
            (views, pickle)
        }
        Weights::OneView => {
            let views = vec![View::whole("weight".to_owned(), "FloatStorage", 0, vec![4096, 128, 256])];
            let pickle = pickle::plain_dict(&views);
            (views, pickle)
        }
    };
    let (itemsize, dtype) = if weights == Weights::Model { (2, Dtype::F16) } else { (4, Dtype::F32) };
    let numbers = numbers(views.iter().map(|view| view.storage_numel * itemsize).max().unwrap_or(0), itemsize);

    // Views of one storage stand beside each other.
    let mut storages: Vec<&View<'_>> = views.iter().collect();
    storages.dedup_by(|a, b| a.key == b.key);
    let records: Vec<(&str, &[u8])> =
        storages.iter().map(|view| (view.key.as_str(), &numbers[..view.storage_numel * itemsize])).collect();
    let mut out = BufWriter::new(File::create(&pt)?);
    torch_builder(weights.name(), &pickle, &records).write_to(&mut out)?;
    out.flush()?;

    if weights.as_safetensors() {
        let mut tensors = Vec::new();
        for view in &views {
            let bytes = &numbers[..view.storage_numel * itemsize];
            tensors.push((view.name.as_str(), TensorView::new(dtype, view.shape.clone(), bytes)?));
        }
        safetensors::serialize_to_file(tensors, None, &pt.with_extension("safetensors"))?;
    }
    Ok(())
}

/// Names and shapes of a Llama-like model of 0.95 billion parameters.
fn model() -> Vec<(String, Vec<usize>)> {
    let (vocabulary, hidden, inner) = (32_000, 2048, 5632);
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden])];
    for layer in 0..16 {
        let mut add = |name: &str, shape: &[usize]| {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape.to_vec()));
        };
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{name}"), &[hidden, hidden]);
        }
        add("mlp.gate_proj", &[inner, hidden]);
        add("mlp.up_proj", &[inner, hidden]);
        add("mlp.down_proj", &[hidden, inner]);
        add("input_layernorm", &[hidden]);
        add("post_attention_layernorm", &[hidden]);
    }
    shapes.push(("model.norm.weight".to_owned(), vec![hidden]));
    shapes.push(("lm_head.weight".to_owned(), vec![vocabulary, hidden]));
    shapes
}

/// Floats of 2 or 4 bytes that look random and are finite.
fn numbers(len: usize, itemsize: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    // The highest bit of an exponent, in the last byte of each number.
    let mask = if itemsize == 2 { 0xbfff_bfff_bfff_bfff } else { 0xbfff_ffff_bfff_ffff_u64 };
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend((state & mask).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
