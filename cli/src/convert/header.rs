//! The header of a safetensors file: its length, and JSON that says what lies where behind it.

use std::collections::BTreeMap;

use safetensors::tensor::{Metadata, TensorInfo};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::bare;
use super::plan::Planned;
use crate::failure::Failure;

/// Readers refuse more (`MAX_HEADER_SIZE` in the crate `safetensors`).
const MOST: usize = 100_000_000;

/// The length and the header, padded with spaces so that the data begins at a multiple of 8 bytes. The tensors follow one
/// another without gaps, in the order given.
pub(super) fn bytes<'a>(
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = &'a Planned>,
) -> Result<Vec<u8>, Failure> {
    let mut end = 0_usize;
    let mut infos = Vec::new();
    for planned in tensors {
        let form = &planned.form;
        let start = end;
        let too_much = || bare("the tensors have more bytes than can be addressed".to_owned());
        end = start.checked_add(form.nbytes).ok_or_else(too_much)?;
        let info = TensorInfo { dtype: form.dtype, shape: form.shape.clone(), data_offsets: (start, end) };
        infos.push((planned.name.clone(), info));
    }
    // The crate's own form keeps the texts in a hash map, so that no two files would be the same.
    let header = serde_json::to_vec(&Header { metadata, tensors: &infos });
    let mut json = header.map_err(|error| bare(format!("the header is no JSON: {error}")))?;
    // As strict as the crate is when it reads.
    Metadata::new(None, infos).map_err(|error| bare(format!("the header is none of safetensors: {error}")))?;
    json.resize(json.len().next_multiple_of(8), b' ');
    if json.len() > MOST {
        return Err(bare(format!(
            "the header would have {} bytes, of which readers of safetensors take {MOST}: write shards with --max-shard-size, or leave out --metadata",
            json.len()
        )));
    }
    let mut bytes = u64::try_from(json.len()).unwrap_or(u64::MAX).to_le_bytes().to_vec();
    bytes.append(&mut json);
    Ok(bytes)
}

struct Header<'a> {
    metadata: &'a BTreeMap<String, String>,
    tensors: &'a [(String, TensorInfo)],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("__metadata__", self.metadata)?;
        for (name, info) in self.tensors {
            map.serialize_entry(name, info)?;
        }
        map.end()
    }
}
