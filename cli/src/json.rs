//! The JSON form of a listing, a line for each tensor and value.

use std::fmt::{Display, Write as _};

use serde::{Serialize, Serializer};
use serde_json::Number;
use torch_checkpoint::{Device, Error, Format, Kind, Layout, ListedValue, Listing, Tensor, Value, ZeroPoints};

use crate::failure::Failure;
use crate::hash::{self, Sha};
use crate::output::Output;
use crate::show::{Joined, Numbering, stored, stored_bytes};

/// Prints a listing; `hashes` are those of its tensors, in order, if they are wanted, `components` those of its nested
/// tensors.
pub(crate) fn print(
    format: Format,
    listing: &Listing<'_>,
    hashes: Option<&[Option<Sha>]>,
    components: Vec<Vec<Component>>,
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
    for leaf in &listing.leaves {
        let Some(tensor) = leaf.value.as_tensor() else { continue };
        let sha256 = hashes.as_mut().map(|hashes| hashes.next().copied().flatten());
        output.text(separator.next())?;
        let components = if tensor.layout() == Layout::Nested { components.next() } else { None };
        output.json(&TensorLine::new(leaf, tensor, &mut storages, sha256, components)?)?;
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
    output.text("}\n")?;
    Ok(output.finish()?)
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

#[derive(Serialize)]
struct ValueLine<'a> {
    path: &'a [String],
    r#type: &'static str,
    value: Plain<'a>,
}

/// A value in JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Plain<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that no Rust type holds.
    Number(Number),
    Float(f64),
    Text(std::borrow::Cow<'a, str>),
    List(Vec<Plain<'a>>),
    Storage {
        storage_key: &'a str,
        nbytes: u64,
        location: &'a str,
        device: Text<&'a torch_checkpoint::Device>,
    },
}

impl<'a> ValueLine<'a> {
    fn new(leaf: &'a ListedValue<'_>) -> Self {
        let (r#type, value) = match leaf.storage_dtype {
            Some(dtype) => ("dtype", Plain::Text(dtype.name().into())),
            None => plain(leaf.value),
        };
        Self { path: &leaf.path, r#type, value }
    }
}

/// A value's type and JSON. What is no plain value is named only.
pub(crate) fn plain(value: Value<'_>) -> (&'static str, Plain<'_>) {
    match value.kind() {
        Kind::None => ("none", Plain::Null),
        Kind::Bool => ("bool", value.as_bool().map_or(Plain::Null, Plain::Bool)),
        Kind::Int => ("int", int(value)),
        Kind::Float => ("float", value.as_f64().map_or(Plain::Null, float)),
        Kind::Complex => {
            let parts = |(re, im)| Plain::List(vec![float(re), float(im)]);
            ("complex", value.as_complex().map_or(Plain::Null, parts))
        }
        Kind::Str => ("str", value.to_text().map_or(Plain::Null, Plain::Text)),
        Kind::Bytes => ("bytes", hexadecimal(value)),
        Kind::ByteArray => ("bytearray", hexadecimal(value)),
        Kind::Size => ("size", Plain::List(value.iter().map(int).collect())),
        Kind::DType => ("dtype", value.as_dtype().map_or(Plain::Null, |dtype| Plain::Text(dtype.name().into()))),
        Kind::Device => ("device", value.as_device().map_or(Plain::Null, |device| text(&device))),
        Kind::Layout => ("layout", value.as_name().map_or(Plain::Null, |name| Plain::Text(name.into()))),
        Kind::QScheme => ("qscheme", value.as_name().map_or(Plain::Null, |name| Plain::Text(name.into()))),
        Kind::Storage => (
            "storage",
            value.as_storage().map_or(Plain::Null, |storage| Plain::Storage {
                storage_key: storage.key(),
                nbytes: storage.nbytes(),
                location: storage.location(),
                device: Text(storage.device()),
            }),
        ),
        Kind::Global => ("global", text(&value)),
        Kind::Set => ("set", text(&value)),
        Kind::FrozenSet => ("frozenset", text(&value)),
        _ => ("object", text(&value)),
    }
}

fn int(value: Value<'_>) -> Plain<'_> {
    match value.as_i64() {
        Some(value) => Plain::Int(value),
        // Digits are a number in JSON; whatever else a forged `torch.Size` has is not.
        None => match value.to_string().parse() {
            Ok(number) if value.kind() == Kind::Int => Plain::Number(number),
            _ => text(&value),
        },
    }
}

fn float(value: f64) -> Plain<'static> {
    match value {
        value if value.is_nan() => Plain::Text("nan".into()),
        f64::INFINITY => Plain::Text("inf".into()),
        f64::NEG_INFINITY => Plain::Text("-inf".into()),
        value => Plain::Float(value),
    }
}

fn hexadecimal(value: Value<'_>) -> Plain<'_> {
    let bytes = value.as_bytes().unwrap_or_default();
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in &*bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Plain::Text(text.into())
}

fn text(value: &impl Display) -> Plain<'static> {
    Plain::Text(value.to_string().into())
}

/// Prints as JSON text what can be displayed.
pub(crate) struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
