//! `convert` writes safetensors: what is in them, read by the crate `safetensors`, is what the library reads.

mod files;
mod memory;
mod tensors;

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde_json::Value;
use torch_checkpoint::{DType, Layout, LoadOptions, StateDict, Tensor};

use crate::json;
use crate::usage::tempdir;

/// Converts to `out.safetensors` in a folder of the test's own; the report, and the file.
fn converted(test: &str, input: &str, options: &[&str]) -> (Value, PathBuf) {
    let out = tempdir(test).join("out.safetensors");
    let report = json(&[&["convert", input, out.to_str().unwrap(), "--json"], options].concat());
    (report, out)
}

/// The header of a file.
fn header(path: &Path) -> Metadata {
    let bytes = std::fs::read(path).unwrap();
    SafeTensors::read_metadata(&bytes).unwrap().1
}

fn metadata(path: &Path, key: &str) -> Option<String> {
    header(path).metadata().as_ref()?.get(key).cloned()
}

fn names(path: &Path) -> Vec<String> {
    header(path).offset_keys()
}

/// The tensors of a checkpoint as the library finds them.
fn dict(input: impl AsRef<Path>) -> StateDict {
    LoadOptions::new().load_state_dict(input).unwrap()
}

fn flat(input: impl AsRef<Path>) -> StateDict {
    LoadOptions::new().flatten().load_state_dict(input).unwrap()
}

/// What is to be written of a tensor if nothing is cast: bytes, dtype and shape.
fn expected(tensor: &Tensor) -> (Vec<u8>, String, Vec<usize>) {
    let tensor = match tensor.layout() {
        _ if tensor.quantization().is_some() => tensor.dequantize().unwrap(),
        Layout::Strided => tensor.clone(),
        _ => tensor.to_dense().unwrap(),
    };
    let mut shape = tensor.shape().to_vec();
    if tensor.dtype() == DType::Float4E2M1FnX2 {
        *shape.last_mut().unwrap() *= 2;
    }
    (tensor.bytes().unwrap().into_owned(), code(tensor.dtype()).to_owned(), shape)
}

/// safetensors' name of a dtype.
fn code(dtype: DType) -> &'static str {
    match dtype.name() {
        "bool" => "BOOL",
        "uint8" => "U8",
        "int8" => "I8",
        "int16" => "I16",
        "uint16" => "U16",
        "int32" => "I32",
        "uint32" => "U32",
        "int64" => "I64",
        "uint64" => "U64",
        "float4_e2m1fn_x2" => "F4",
        "float8_e5m2" => "F8_E5M2",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e8m0fnu" => "F8_E8M0",
        "float8_e4m3fnuz" => "F8_E4M3FNUZ",
        "float8_e5m2fnuz" => "F8_E5M2FNUZ",
        "float16" => "F16",
        "bfloat16" => "BF16",
        "float32" => "F32",
        "float64" => "F64",
        "complex64" => "C64",
        other => panic!("{other}"),
    }
}

/// A file has exactly these tensors.
fn assert_has<'a>(path: &Path, tensors: impl Iterator<Item = (String, &'a Tensor)>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut number = 0;
    for (name, tensor) in tensors {
        let view = file.tensor(&name).unwrap_or_else(|_| panic!("{}: no {name}", path.display()));
        let (data, dtype, shape) = expected(tensor);
        assert_eq!((view.dtype().to_string(), view.shape()), (dtype, &*shape), "{}: {name}", path.display());
        assert!(view.data() == data, "{}: {name}", path.display());
        number += 1;
    }
    assert_eq!(file.len(), number, "{}", path.display());
}

fn named(dict: &StateDict) -> impl Iterator<Item = (String, &Tensor)> {
    dict.iter().map(|(name, tensor)| (name.to_owned(), tensor))
}
