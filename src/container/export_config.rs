//! The JSON in which export packages say what their weights are (`torch/_export/serde/schema.py`, `PayloadConfig`): names
//! and numbers, of which nothing is believed yet.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::{self, Entries};
use crate::error::Error;

/// One weight or constant.
#[derive(Debug, Deserialize)]
pub(crate) struct Payload {
    /// The record, in the folder of the weights or of the constants.
    pub(crate) path_name: String,
    pub(crate) is_param: bool,
    /// Whether the record is a file of its own instead of the bytes of a storage.
    pub(crate) use_pickle: bool,
    /// `None` for what is no tensor.
    #[serde(rename = "tensor_meta")]
    pub(crate) tensor: Option<ExportedTensor>,
}

/// A view of a storage.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportedTensor {
    #[serde(rename = "dtype")]
    pub(crate) declared_dtype: i64,
    sizes: Vec<Size>,
    strides: Vec<Size>,
    storage_offset: Size,
    #[serde(rename = "layout")]
    pub(crate) declared_layout: i64,
    pub(crate) requires_grad: bool,
    device: Device,
}

#[derive(Debug, Deserialize)]
enum Size {
    #[serde(rename = "as_int")]
    Int(i64),
    /// Known only when the program runs.
    #[serde(rename = "as_expr")]
    Symbolic(IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Device {
    #[serde(rename = "type")]
    kind: String,
    index: Option<u32>,
}

impl ExportedTensor {
    pub(crate) fn declared_sizes(&self) -> Result<Vec<i64>, Error> {
        self.sizes.iter().map(Size::number).collect()
    }

    pub(crate) fn declared_strides(&self) -> Result<Vec<i64>, Error> {
        self.strides.iter().map(Size::number).collect()
    }

    pub(crate) fn declared_offset(&self) -> Result<i64, Error> {
        self.storage_offset.number()
    }

    /// The device in torch's form: `cpu`, `cuda:1`.
    pub(crate) fn location(&self) -> String {
        match self.device.index {
            None => self.device.kind.clone(),
            Some(index) => format!("{}:{index}", self.device.kind),
        }
    }
}

impl Size {
    fn number(&self) -> Result<i64, Error> {
        match *self {
            Self::Int(number) => Ok(number),
            Self::Symbolic(_) => {
                Err(Error::unsupported("the size of a weight is symbolic: it is known only when the program runs"))
            }
        }
    }
}

/// `{"config": {name: payload}}`, in the order of the file.
///
/// # Errors
/// Malformed: anything else, or a name that comes twice.
pub(crate) fn payload_config(json: &[u8]) -> Result<Vec<(String, Payload)>, Error> {
    #[derive(Deserialize)]
    struct Config {
        config: Entries<Payload>,
    }
    json::parse(json, PhantomData::<Config>).map(|Config { config: Entries(entries) }| entries)
}

/// A weight of a compiled model: a view of a tensor in a record.
#[derive(Debug, Deserialize)]
pub(crate) struct CompiledWeight(pub(crate) String, pub(crate) Vec<i64>, pub(crate) Vec<i64>, pub(crate) i64);

/// `{name: [record, sizes, strides, offset]}`, which AOTInductor writes (`torch/export/pt2_archive/_package.py`).
///
/// # Errors
/// Malformed: anything else, or a name that comes twice.
pub(crate) fn compiled_config(json: &[u8]) -> Result<Vec<(String, CompiledWeight)>, Error> {
    json::parse(json, PhantomData::<Entries<CompiledWeight>>).map(|Entries(entries)| entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#"{"dtype": 7, "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 3},
        "layout": 7, "requires_grad": true, "device": {"type": "cuda", "index": 1}}"#;

    fn config(entries: &str) -> Result<Vec<(String, Payload)>, Error> {
        payload_config(format!(r#"{{"config": {{{entries}}}}}"#).as_bytes())
    }

    fn entry(name: &str, meta: &str) -> String {
        format!(
            r#""{name}": {{"path_name": "weight_0", "is_param": true, "use_pickle": false, "tensor_meta": {meta}}}"#
        )
    }

    #[test]
    fn names_come_in_the_order_of_the_file() {
        let found = config(&[entry("b", META), entry("a", META), entry("é", "null")].join(",")).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["b", "a", "é"]);
        let tensor = found[0].1.tensor.as_ref().unwrap();
        assert_eq!((tensor.declared_sizes().unwrap(), tensor.declared_offset().unwrap()), (vec![2], 3));
        assert_eq!(tensor.location(), "cuda:1");
        assert!(found[2].1.tensor.is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let twice = [entry("a", META), entry("a", META)].join(",");
        for (json, words) in [
            (config(&twice), "`a` is there twice"),
            (config(r#""a": {"path_name": "w", "path_name": "w"}"#), "duplicate field"),
            (config(r#""a": 3"#), "invalid type"),
            (config(&entry("a", &META.replace("7,", "7.5,"))), "floating point"),
            (config(&entry("a", &META.replace("\"as_int\": 2", "\"as_int\": 99999999999999999999"))), "invalid"),
            (payload_config(b"{}"), "missing field"),
            (payload_config(b"{\"config\": {}} x"), "trailing"),
            (payload_config(&[b'['; 4096]), "invalid type"),
            (payload_config("{\"config\": {\"\u{202e}\": 1}}".as_bytes()), "invalid type"),
        ] {
            let sentence = json.unwrap_err().to_string();
            assert!(sentence.contains(words) && sentence.lines().count() == 1, "{sentence}");
        }
        let symbolic = config(&entry("a", &META.replace("{\"as_int\": 2}", "{\"as_expr\": {\"x\": []}}"))).unwrap();
        let error = symbolic[0].1.tensor.as_ref().unwrap().declared_sizes().unwrap_err();
        assert!(error.to_string().contains("symbolic"));
    }

    #[test]
    fn weights_of_compiled_models_are_views() {
        let found = compiled_config(br#"{"w": ["weight_0", [2, 3], [3, 1], 4]}"#).unwrap();
        let (name, CompiledWeight(record, sizes, strides, offset)) = &found[0];
        assert_eq!(
            (&**name, &**record, &sizes[..], &strides[..], *offset),
            ("w", "weight_0", &[2, 3][..], &[3, 1][..], 4)
        );
        assert!(compiled_config(br#"{"w": ["weight_0", [2, 3], [3, 1]]}"#).is_err());
    }
}
