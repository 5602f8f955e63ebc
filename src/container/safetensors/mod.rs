//! The header of a safetensors file: which tensor is where. What an entry is, and its dtypes, come of the crate
//! `safetensors`. The object around them is taken apart here, because the crate's own reading forgets the order of the
//! names and keeps one of two entries with the same; and so is checked here, and said in words, that the tensors lie one
//! behind the other without gaps, each as long as its shape says. A test holds it against the crate's judgement.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod sharding;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use safetensors::tensor::{Dtype, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

pub(crate) use sharding::sharding_info;

use super::Blobs;
use super::json::{self, Entries};
use crate::error::{Error, ErrorKind, Shown};
use crate::limits::Limits;
use crate::source::Source;

/// What a file holds.
pub(crate) struct Header {
    /// In the order of their data, in which torch gives them. The number of a tensor is that of its record.
    pub(crate) tensors: Vec<Entry>,
    /// The texts of `__metadata__`, in order.
    pub(crate) metadata: Vec<(String, String)>,
    /// The data, by the names of the tensors.
    pub(crate) blobs: Blobs,
}

/// A tensor as the header describes it.
pub(crate) struct Entry {
    pub(crate) name: String,
    /// torch's name of the dtype.
    pub(crate) dtype: &'static str,
    /// As torch counts: bytes, where several values share one.
    pub(crate) shape: Vec<i64>,
    pub(crate) nbytes: u64,
}

struct Json {
    tensors: Vec<(String, TensorInfo)>,
    metadata: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let (mut tensors, mut metadata) = (Vec::new(), None);
                while let Some(name) = map.next_key::<String>()? {
                    let located = |error: A::Error| A::Error::custom(format!("`{}`: {error}", Shown(&name)));
                    if name == METADATA {
                        let Entries(texts) = map.next_value::<Option<_>>().map_err(located)?.unwrap_or_default();
                        if metadata.replace(texts).is_some() {
                            return Err(A::Error::custom(format!("the name `{METADATA}` is there twice")));
                        }
                    } else {
                        let tensor = map.next_value().map_err(located)?;
                        tensors.push((name, tensor));
                    }
                }
                json::must_differ(&tensors)?;
                Ok(Json { tensors, metadata: metadata.unwrap_or_default() })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The member that is no tensor, but texts about the file.
const METADATA: &str = "__metadata__";

/// Reads the header of a file.
///
/// # Errors
/// Malformed: it is damaged, or does not fit the file's length. Unsupported: a dtype that torch does not have. Limit:
/// `Limits::json_bytes`.
pub(crate) fn read(source: &Source, limits: &Limits) -> Result<Header, Error> {
    read_header(source, limits).map_err(|e| e.in_record("the header"))
}

fn read_header(source: &Source, limits: &Limits) -> Result<Header, Error> {
    let declared_len = source.get(0..8).and_then(|bytes| bytes.first_chunk()).map_or(0, |len| u64::from_le_bytes(*len));
    let Some(start) = declared_len.checked_add(8).filter(|&start| start <= source.len()) else {
        return Err(Error::malformed(format!(
            "it should have {declared_len} bytes, but the file has {}: it is truncated",
            source.len()
        )));
    };
    Limits::check("json_bytes", declared_len, limits.json_bytes)?;
    let json = source.stable(8..start)?;
    let Json { mut tensors, metadata } = json::parse(&json, PhantomData::<Json>).map_err(newer)?;
    // The sort is stable: tensors without data stay in the header's order.
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let data_len = source.len().saturating_sub(start);
    check(&tensors, data_len)?;
    let mut blobs = Blobs::new(source.clone());
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let at =
            |offset| u64::try_from(offset).ok().and_then(|offset: u64| offset.checked_add(start)).unwrap_or(u64::MAX);
        let record = blobs.add(&name, at(tensor.data_offsets.0)..at(tensor.data_offsets.1))?;
        let nbytes = blobs.record_len(record);
        let located = |e: Error| e.in_tensor(&name);
        let (dtype, shape) = (dtype(tensor.dtype).map_err(located)?, shape(&tensor).map_err(located)?);
        entries.push(Entry { name, dtype, shape, nbytes });
    }
    Ok(Header { tensors: entries, metadata, blobs })
}

/// A dtype that the crate does not know is nobody's mistake.
fn newer(error: Error) -> Error {
    match error.message().contains("unknown variant") {
        true if error.kind() == ErrorKind::Malformed => {
            Error::unsupported(format!("there is a dtype that this version does not know: {}", error.message()))
        }
        _ => error,
    }
}

/// Checks tensors in the order of their data: as long as their shapes say, without gaps, up to the end of the file.
fn check(tensors: &[(String, TensorInfo)], data_len: u64) -> Result<(), Error> {
    let mut end = 0_usize;
    for (name, tensor) in tensors {
        let (start, stop) = tensor.data_offsets;
        let shape = &tensor.shape;
        let size = shape.iter().try_fold(tensor.dtype.bitsize(), |size, &n| size.checked_mul(n));
        let message = match size {
            _ if stop < start => format!("its data ends at {stop}, before it begins at {start}"),
            _ if start < end => {
                format!("its data at {start} to {stop} overlaps that of the tensor before, up to {end}")
            }
            _ if start > end => format!("there is a gap before its data: bytes {end} to {start} belong to no tensor"),
            _ if u64::try_from(stop).map_or(true, |stop| stop > data_len) => {
                format!("its data ends at {stop}, beyond the {data_len} bytes of the file: it is truncated")
            }
            None => format!("shape {shape:?} has more elements than can be addressed"),
            Some(bits) if bits.checked_rem(8) != Some(0) => {
                format!("shape {shape:?} of {:?} is no whole number of bytes", tensor.dtype)
            }
            Some(bits) if bits.checked_div(8) != stop.checked_sub(start) => format!(
                "it has {} bytes of data, but shape {shape:?} of {:?} needs {}",
                stop.saturating_sub(start),
                tensor.dtype,
                bits / 8
            ),
            Some(_) => {
                end = stop;
                continue;
            }
        };
        return Err(Error::malformed(message).in_tensor(name));
    }
    match data_len.checked_sub(u64::try_from(end).unwrap_or(u64::MAX)) {
        Some(0) => Ok(()),
        unused => {
            Err(Error::malformed(format!("{} bytes behind the last tensor belong to none", unused.unwrap_or_default())))
        }
    }
}

/// torch's name of a dtype (`safetensors/torch.py`).
fn dtype(dtype: Dtype) -> Result<&'static str, Error> {
    Ok(match dtype {
        Dtype::BOOL => "bool",
        Dtype::F4 => "float4_e2m1fn_x2",
        Dtype::U8 => "uint8",
        Dtype::I8 => "int8",
        Dtype::F8_E5M2 => "float8_e5m2",
        Dtype::F8_E4M3 => "float8_e4m3fn",
        Dtype::F8_E8M0 => "float8_e8m0fnu",
        Dtype::F8_E4M3FNUZ => "float8_e4m3fnuz",
        Dtype::F8_E5M2FNUZ => "float8_e5m2fnuz",
        Dtype::I16 => "int16",
        Dtype::U16 => "uint16",
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
        Dtype::I32 => "int32",
        Dtype::U32 => "uint32",
        Dtype::F32 => "float32",
        Dtype::C64 => "complex64",
        Dtype::F64 => "float64",
        Dtype::I64 => "int64",
        Dtype::U64 => "uint64",
        // `F6_E2M3` and `F6_E3M2`, and whatever comes.
        other => return Err(Error::unsupported(format!("torch has no dtype for {other:?}"))),
    })
}

fn shape(tensor: &TensorInfo) -> Result<Vec<i64>, Error> {
    let mut shape = tensor.shape.clone();
    if tensor.dtype == Dtype::F4 {
        let halved = shape.last_mut().filter(|last| last.checked_rem(2) == Some(0)).map(|last| *last /= 2);
        halved.ok_or_else(|| {
            Error::unsupported(format!(
                "the last dimension of shape {:?} of F4 is odd; torch counts pairs",
                tensor.shape
            ))
        })?;
    }
    let sizes = shape.into_iter().map(i64::try_from).collect::<Result<_, _>>();
    sizes.map_err(|_| Error::malformed(format!("shape {:?} cannot be addressed", tensor.shape)))
}
