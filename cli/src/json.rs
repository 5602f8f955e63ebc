//! The JSON form of a listing, a line for each tensor and value.

mod values;

use std::fmt::Display;

use serde::{Serialize, Serializer};
use torch_checkpoint::{Device, Error, Format, Layout, ListedValue, Listing, Tensor, ZeroPoints};

use crate::failure::Failure;
use crate::hash::{self, Sha};
use crate::output::Output;
use crate::show::stats::Stats;
use crate::show::tree::Tree;
use crate::show::views::Extras;
use crate::show::{Joined, Numbering, stored, stored_bytes, tied};

use values::ValueLine;
pub(crate) use values::plain;

/// Prints a listing; `hashes` are those of its tensors, in order, if they are wanted, `components` those of its nested
/// tensors.
pub(crate) fn print(
    format: Format,
    listing: &Listing<'_>,
    hashes: Option<&[Option<Sha>]>,
    components: Vec<Vec<Component>>,
    extras: &Extras<'_>,
) -> Result<(), Failure> {
    let mut output = Output::new();
    output.text("{\"format\": ")?;
    output.json(&Text(&format))?;
    output.text(", \"root\": ")?;
    output.json(&*listing.root.type_name())?;
    output.text(",\n\"tensors\": [")?;
    let mut storages = Numbering::default();
    let mut separator = Separator::default();
    let mut hashes = hashes.map(<[_]>::iter);
    let mut components = components.into_iter();
    let mut stats = extras.stats.as_deref().map(<[_]>::iter);
    for leaf in &listing.leaves {
        let Some(tensor) = leaf.value.as_tensor() else { continue };
        let sha256 = hashes.as_mut().map(|hashes| hashes.next().copied().flatten());
        output.text(separator.next())?;
        let components = if tensor.layout() == Layout::Nested { components.next() } else { None };
        let mut line = TensorLine::new(leaf, tensor, &mut storages, sha256, components)?;
        line.stats = stats.as_mut().map(|stats| stats.next().and_then(Option::as_ref));
        output.json(&line)?;
    }
    output.text("],\n\"values\": [")?;
    let mut separator = Separator::default();
    for leaf in &listing.leaves {
        if leaf.value.as_tensor().is_none() {
            output.text(separator.next())?;
            output.json(&ValueLine::new(leaf))?;
        }
    }
    output.text("],\n\"not_walked\": ")?;
    output.json(&listing.not_walked)?;
    if let Some(left_out) = extras.left_out {
        output.text(",\n\"left_out\": ")?;
        output.json(&left_out)?;
    }
    if extras.views.tied {
        list(&mut output, "tied", tied::groups(listing).iter().map(tied::Group::line))?;
    }
    if extras.views.tree {
        list(&mut output, "modules", Tree::of(listing).lines().into_iter())?;
    }
    output.text("}\n")?;
    Ok(output.finish()?)
}

/// One more list, a line for each element.
fn list<T: Serialize>(output: &mut Output, name: &str, elements: impl Iterator<Item = T>) -> Result<(), Failure> {
    output.text(&format!(",\n\"{name}\": ["))?;
    let mut separator = Separator::default();
    for element in elements {
        output.text(separator.next())?;
        output.json(&element)?;
    }
    Ok(output.text("]")?)
}

/// What stands in front of the elements of an array.
#[derive(Default)]
struct Separator {
    started: bool,
}

impl Separator {
    fn next(&mut self) -> &'static str {
        if std::mem::replace(&mut self.started, true) { ",\n" } else { "\n" }
    }
}

#[derive(Serialize)]
struct TensorLine<'a> {
    name: Text<Joined<'a>>,
    path: &'a [String],
    dtype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stride: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_offset: Option<usize>,
    layout: &'static str,
    /// `null` for a meta tensor that has none in the file.
    storage: Option<usize>,
    location: &'a str,
    device: Text<&'a torch_checkpoint::Device>,
    requires_grad: bool,
    is_parameter: bool,
    nbytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Option<Text<Sha>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<Component>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantization: Option<Quantized>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<ShardOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Option<&'a Stats>>,
}

/// The parameters of a quantised tensor: one of each, or one of each for every index along the axis.
#[derive(Serialize)]
#[serde(untagged)]
enum Quantized {
    PerTensor { scheme: &'static str, scale: f64, zero_point: i64 },
    PerChannel { scheme: &'static str, axis: usize, scales: Vec<f64>, zero_points: Points },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Points {
    Int(Vec<i64>),
    Float(Vec<f64>),
}

fn quantized(tensor: &Tensor) -> Result<Option<Quantized>, Error> {
    let Some(quantization) = tensor.quantization() else { return Ok(None) };
    let scheme = quantization.scheme().name();
    if let (Some(scale), Some(zero_point)) = (quantization.scale(), quantization.zero_point()) {
        return Ok(Some(Quantized::PerTensor { scheme, scale, zero_point }));
    }
    let zero_points = match quantization.zero_points()? {
        ZeroPoints::Float(points) => Points::Float(points),
        ZeroPoints::Int(points) => Points::Int(points),
    };
    let axis = quantization.axis().unwrap_or_default();
    Ok(Some(Quantized::PerChannel { scheme, axis, scales: quantization.scales()?, zero_points }))
}

/// Of a tensor that is one rank's part of a larger one.
#[derive(Serialize)]
struct ShardOf<'a> {
    global_shape: &'a [usize],
    placements: &'a [String],
}

/// One of the tensors that a nested one consists of.
#[derive(Serialize)]
pub(crate) struct Component {
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Option<Text<Sha>>>,
}

impl<'a> TensorLine<'a> {
    fn new(
        leaf: &'a ListedValue<'_>,
        tensor: &'a Tensor,
        storages: &mut Numbering,
        sha256: Option<Option<Sha>>,
        components: Option<Vec<Component>>,
    ) -> Result<Self, Failure> {
        let nested = tensor.layout() == Layout::Nested;
        let strided = tensor.layout() == Layout::Strided;
        Ok(Self {
            name: Text(Joined(&leaf.path)),
            path: &leaf.path,
            dtype: tensor.dtype().name(),
            shape: (!nested).then(|| tensor.shape()),
            stride: strided.then(|| tensor.strides()),
            storage_offset: strided.then(|| tensor.storage_offset()),
            layout: tensor.layout().name(),
            storage: stored(tensor).map(|storage| storages.number(storage)),
            location: tensor.location(),
            device: Text(tensor.device()),
            requires_grad: tensor.requires_grad(),
            is_parameter: tensor.is_parameter(),
            nbytes: stored_bytes(tensor),
            sha256: sha256.filter(|_| !nested).map(|sha| sha.map(Text)),
            components,
            quantization: quantized(tensor)?,
            shard: tensor
                .shard()
                .map(|shard| ShardOf { global_shape: shard.global_shape(), placements: shard.placements() }),
            stats: None,
        })
    }
}

/// The components of a nested tensor: none of one without data, which nobody can tell.
pub(crate) fn components(tensor: &Tensor, hashes: bool) -> Result<Vec<Component>, Error> {
    if *tensor.device() == Device::Meta {
        return Ok(Vec::new());
    }
    let component = |part: Tensor| {
        let sha256 = hashes.then(|| hash::one(&part)).transpose()?;
        Ok(Component { shape: part.shape().to_vec(), sha256: sha256.map(|sha| sha.map(Text)) })
    };
    tensor.unbind()?.into_iter().map(component).collect()
}

/// Prints as JSON text what can be displayed.
pub(crate) struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
