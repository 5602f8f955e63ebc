//! The sets of weights: names, shapes, strides, and which storages they are views of.

use clap::ValueEnum;
use safetensors::Dtype;

/// A set of weights.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// 50,000 tensors of 4x4 f32, in a plain dict.
    Many,
    /// 147 tensors of a language model in f16, 1.9 GB, in a module's state dict.
    Model,
    /// The same in bf16.
    ModelBf16,
    /// The same in float8_e4m3fn, 0.95 GB.
    ModelF8,
    /// Two layers of it in f16, 0.47 GB.
    SmallModel,
    /// A smaller model in f32 and the state of Adam for it, 0.66 GB.
    Training,
    /// 60 transposed f32 tensors, 0.8 GB.
    Transposed,
    /// 40 convolutions in f32, channels last, 0.75 GB.
    ChannelsLast,
    /// 4,096 views of one storage of 512 MiB of f32.
    Views,
    /// The same storage as one tensor.
    OneView,
}

/// What one number of a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    Bf16,
    /// `float8_e4m3fn`
    F8,
}

impl Element {
    pub const fn itemsize(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8 => 1,
        }
    }

    /// torch's name of the dtype.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F8 => "float8_e4m3fn",
        }
    }

    /// torch's class of storages; dtypes that came later have none.
    pub const fn storage_class(self) -> Option<&'static str> {
        match self {
            Self::F32 => Some("FloatStorage"),
            Self::F16 => Some("HalfStorage"),
            Self::Bf16 => Some("BFloat16Storage"),
            Self::F8 => None,
        }
    }

    pub const fn safetensors(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
            Self::F8 => Dtype::F8_E4M3,
        }
    }
}

/// A tensor to be: a view of a storage.
#[derive(Clone)]
pub struct View {
    pub name: String,
    pub element: Element,
    pub key: usize,
    /// Elements of the storage.
    pub storage_numel: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl View {
    /// A contiguous tensor alone in its storage.
    pub fn whole(name: String, element: Element, key: usize, shape: Vec<usize>) -> Self {
        let strides = row_major(&shape);
        let storage_numel = shape.iter().product();
        Self { name, element, key, storage_numel, offset: 0, shape, strides }
    }

    pub const fn storage_nbytes(&self) -> usize {
        self.storage_numel * self.element.itemsize()
    }
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|dim| shape[dim + 1..].iter().product()).collect()
}

impl Weights {
    pub const fn element(self) -> Element {
        match self {
            Self::Model | Self::SmallModel => Element::F16,
            Self::ModelBf16 => Element::Bf16,
            Self::ModelF8 => Element::F8,
            _ => Element::F32,
        }
    }

    /// The tensors in the order of the file.
    pub fn views(self) -> Vec<View> {
        let element = self.element();
        let layer = |n: usize| format!("layers.{n}.weight");
        match self {
            Self::Many => (0..50_000).map(|n| View::whole(layer(n), element, n, vec![4, 4])).collect(),
            Self::Model | Self::ModelBf16 | Self::ModelF8 => whole(language_model(32_000, 2048, 5632, 16), element),
            Self::SmallModel => whole(language_model(32_000, 2048, 5632, 2), element),
            Self::Training => training(),
            Self::Transposed => {
                let strides = vec![1, 2048];
                let view = |n| View { strides: strides.clone(), ..View::whole(layer(n), element, n, vec![2048, 1632]) };
                (0..60).map(view).collect()
            }
            Self::ChannelsLast => {
                let strides = vec![512 * 9, 1, 3 * 512, 512];
                let shape = vec![1024, 512, 3, 3];
                let view = |n| View { strides: strides.clone(), ..View::whole(layer(n), element, n, shape.clone()) };
                (0..40).map(view).collect()
            }
            Self::Views => {
                let view = |n| View {
                    key: 0,
                    storage_numel: 4096 * 128 * 256,
                    offset: n * 128 * 256,
                    ..View::whole(layer(n), element, n, vec![128, 256])
                };
                (0..4096).map(view).collect()
            }
            Self::OneView => vec![View::whole("weight".into(), element, 0, vec![4096, 128, 256])],
        }
    }
}

fn whole(shapes: Vec<(String, Vec<usize>)>, element: Element) -> Vec<View> {
    let numbered = shapes.into_iter().enumerate();
    numbered.map(|(n, (name, shape))| View::whole(name, element, n, shape)).collect()
}

/// A model's parameters, then for each of them what Adam keeps: a count and two averages.
fn training() -> Vec<View> {
    let mut shapes = language_model(16_000, 512, 1408, 12);
    let parameters = shapes.clone();
    shapes.iter_mut().for_each(|(name, _)| name.insert_str(0, "model."));
    for (n, (_, shape)) in parameters.into_iter().enumerate() {
        for (name, shape) in [("step", vec![]), ("exp_avg", shape.clone()), ("exp_avg_sq", shape)] {
            shapes.push((format!("optimizer.state.{n}.{name}"), shape));
        }
    }
    whole(shapes, Element::F32)
}

/// Names and shapes of a Llama-like model; with 32,000, 2048, 5632 and 16 it has 0.95 billion parameters.
fn language_model(vocabulary: usize, hidden: usize, inner: usize, layers: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden])];
    for layer in 0..layers {
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
