//! Tensors that share memory, which a safetensors file cannot express.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use torch_checkpoint::{Storage, Tensor};

use crate::error::Error;

/// What to do with tensors that share memory.
///
/// Slices of one buffer that do not overlap share none, and are written as they are. Two tensors overlap if one begins
/// before the other ends, as in `safetensors.torch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ties {
    /// They are an error, which names two of them.
    #[default]
    Error,
    /// Of those that are the same view of the same memory the first is written. The metadata then have, under the name of
    /// each of the others, the name that was kept, as `save_model` of `safetensors.torch` writes it. Different views that
    /// overlap are an error.
    ///
    /// ```
    /// # let from = "../../fixtures/zip/torch-2.15/tied.pt";
    /// # use torch_checkpoint_safetensors::{Ties, Writer};
    /// let weights = torch_checkpoint::LoadOptions::new().key("model").load_state_dict(from)?;
    /// let mut file = Vec::new();
    /// Writer::new().ties(Ties::First).write(weights, &mut file)?;
    ///
    /// let written = safetensors::SafeTensors::deserialize(&file)?;
    /// let (_, header) = safetensors::SafeTensors::read_metadata(&file)?;
    /// let metadata = header.metadata().as_ref().ok_or("no metadata")?;
    /// assert_eq!(metadata["out.weight"], "embed.weight");
    /// assert!(written.tensor("out.weight").is_err() && written.tensor(&metadata["out.weight"]).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    First,
    /// Each is written whole: whoever reads the file has so many tensors of their own.
    Clone,
}

/// Takes out the tensors that others stand for, and says so in the metadata. Names that are there twice are an error.
pub(crate) fn settle(
    ties: Ties,
    tensors: &mut Vec<(String, Tensor)>,
    metadata: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    must_differ(tensors)?;
    if ties == Ties::Clone {
        return Ok(());
    }
    let mut dropped = HashSet::new();
    for views in by_storage(tensors).into_iter().filter(|views| views.len() > 1) {
        for (first, second) in overlapping(views) {
            let names = || (first.0.clone(), second.0.clone());
            if ties == Ties::Error {
                let (first, second) = names();
                return Err(Error::Tied { first, second });
            }
            if !same(&first.1, &second.1) {
                let (first, second) = names();
                return Err(Error::Overlapping { first, second });
            }
            let (kept, name) = names();
            if metadata.insert(name.clone(), kept).is_some() {
                return Err(Error::Name {
                    name,
                    reason: "is a tied tensor's, and a key of the metadata that were given",
                });
            }
            dropped.insert(name);
        }
    }
    tensors.retain(|(name, _)| !dropped.contains(name));
    Ok(())
}

fn must_differ(tensors: &[(String, Tensor)]) -> Result<(), Error> {
    let mut met = HashSet::new();
    for (name, _) in tensors {
        let reason = match name.as_str() {
            "__metadata__" => "is that of the metadata in a safetensors file: rename the tensor",
            name if !met.insert(name) => "is there twice: rename one of the tensors",
            _ => continue,
        };
        return Err(Error::Name { name: name.clone(), reason });
    }
    Ok(())
}

type Named = (String, Tensor);

/// The tensors with elements, for each storage, in order.
fn by_storage(tensors: &[Named]) -> Vec<Vec<&Named>> {
    let mut groups: Vec<Vec<&Named>> = Vec::new();
    #[allow(clippy::mutable_key_type, reason = "storages are hashed by their identity, which does not change")]
    let mut of_storage: HashMap<&Storage, usize> = HashMap::new();
    for named in tensors.iter().filter(|(_, tensor)| tensor.numel() > 0) {
        let group = *of_storage.entry(named.1.storage()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(group) {
            group.push(named);
        }
    }
    groups
}

/// Each view that begins before another ends, behind the one that reaches farthest until there.
fn overlapping(views: Vec<&Named>) -> Vec<(&Named, &Named)> {
    let mut views: Vec<(Range<usize>, &Named)> = views.into_iter().map(|named| (bytes(&named.1), named)).collect();
    views.sort_by_key(|(bytes, _)| bytes.start);
    let mut views = views.into_iter();
    let Some(mut farthest) = views.next() else { return Vec::new() };
    let mut pairs = Vec::new();
    for view in views {
        if view.0.start < farthest.0.end {
            pairs.push((farthest.1, view.1));
        }
        if view.0.end > farthest.0.end {
            farthest = view;
        }
    }
    pairs
}

/// Where in the storage the elements of a tensor are, and what lies between them.
fn bytes(tensor: &Tensor) -> Range<usize> {
    let itemsize = tensor.dtype().itemsize();
    let steps = tensor
        .shape()
        .iter()
        .zip(tensor.strides())
        .map(|(size, stride)| size.saturating_sub(1).saturating_mul(*stride));
    let last = steps.fold(tensor.storage_offset(), usize::saturating_add);
    tensor.storage_offset().saturating_mul(itemsize)..last.saturating_add(1).saturating_mul(itemsize)
}

/// Whether two views of one storage have the same elements in the same order.
fn same(a: &Tensor, b: &Tensor) -> bool {
    let steps = |tensor: &Tensor| -> Vec<(usize, usize)> {
        // A stride along a dimension of one element means nothing.
        let dims = tensor.shape().iter().copied().zip(tensor.strides().iter().copied());
        dims.map(|(size, stride)| (size, if size == 1 { 0 } else { stride })).collect()
    };
    let sign = |tensor: &Tensor| (tensor.is_conj(), tensor.is_neg());
    (a.dtype(), a.storage_offset(), sign(a)) == (b.dtype(), b.storage_offset(), sign(b)) && steps(a) == steps(b)
}
