//! The lines of the values that are no tensors.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use serde_json::Number;
use torch_checkpoint::{Kind, ListedValue, Value};

use super::Text;

#[derive(Serialize)]
pub(super) struct ValueLine<'a> {
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
    pub(super) fn new(leaf: &'a ListedValue<'_>) -> Self {
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
