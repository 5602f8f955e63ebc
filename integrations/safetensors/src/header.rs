//! What stands before the data: its length, and as JSON where each tensor is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Serializer as _;
use serde::ser::SerializeMap;
use torch_checkpoint::Tensor;

use crate::dtype;
use crate::error::Error;

/// The name that is no tensor.
const METADATA: &str = "__metadata__";
/// The longest header that the crate `safetensors` reads.
const MAX_BYTES: usize = 100_000_000;

/// Writes the header, and brings the tensors into the order in which their data have to follow.
///
/// The crate's own `serialize_to_file` would need all tensors until the last is written, and has no way to say that one
/// cannot be read; and it writes the metadata in another order each time. So only its types are used, and its judgement.
pub(crate) fn write(
    tensors: &mut Vec<(String, Tensor)>,
    metadata: &BTreeMap<String, String>,
    out: &mut impl Write,
) -> Result<(), Error> {
    let infos = infos(tensors)?;
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    let mut map = serializer.serialize_map(None)?;
    if !metadata.is_empty() {
        map.serialize_entry(METADATA, metadata)?;
    }
    for ((name, _), info) in tensors.iter().zip(&infos) {
        map.serialize_entry(name, info)?;
    }
    map.end()?;
    // The data begin at a multiple of eight.
    json.resize(json.len().next_multiple_of(8), b' ');
    if json.len() > MAX_BYTES {
        return Err(Error::HeaderTooLarge { bytes: json.len() });
    }
    serde_json::from_slice::<Metadata>(&json)?;
    out.write_all(&(json.len() as u64).to_le_bytes())?;
    Ok(out.write_all(&json)?)
}

/// Where each tensor is; they are sorted for it.
fn infos(tensors: &mut Vec<(String, Tensor)>) -> Result<Vec<TensorInfo>, Error> {
    let mut known: Vec<(Dtype, Vec<usize>, (String, Tensor))> = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors.drain(..) {
        let (dtype, shape) = dtype::of(&name, &tensor)?;
        known.push((dtype, shape, (name, tensor)));
    }
    // As the crate does: dtypes are in the order of their alignment, and so every tensor is aligned.
    known.sort_by_key(|&(dtype, ..)| Reverse(dtype));
    let mut end = 0_usize;
    let mut infos = Vec::with_capacity(known.len());
    for (dtype, shape, (name, tensor)) in known {
        let start = end;
        end = end.saturating_add(tensor.nbytes());
        infos.push(TensorInfo { dtype, shape, data_offsets: (start, end) });
        tensors.push((name, tensor));
    }
    Ok(infos)
}
