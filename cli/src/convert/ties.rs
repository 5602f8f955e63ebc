//! Tensors that share memory, which safetensors cannot express.

use std::collections::HashMap;

use torch_checkpoint::{DType, Device, Layout, Tensor};

/// The tensors that share memory, a group for each piece of memory: places in the list, in order. Views of one storage that
/// do not overlap (the parts of a flat buffer) share none, as in Python's safetensors.
pub(super) fn groups(tensors: &[&Tensor]) -> Vec<Vec<usize>> {
    let mut storages: HashMap<u32, Vec<(usize, usize, usize)>> = HashMap::new();
    for (place, tensor) in tensors.iter().enumerate() {
        if let Some((start, end)) = extent(tensor) {
            storages.entry(tensor.storage().id()).or_default().push((start, end, place));
        }
    }
    let mut groups = Vec::new();
    for mut views in storages.into_values().filter(|views| views.len() > 1) {
        views.sort_unstable();
        let (mut group, mut reached) = (Vec::new(), 0);
        for (start, end, place) in views {
            if start >= reached {
                groups.push(std::mem::take(&mut group));
            }
            group.push(place);
            reached = end.max(reached);
        }
        groups.push(group);
    }
    groups.retain(|group| group.len() > 1);
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    groups
}

/// The bytes of its storage from the first to behind the last element; `None` if nothing is read from there.
fn extent(tensor: &Tensor) -> Option<(usize, usize)> {
    if tensor.numel() == 0 || tensor.layout() != Layout::Strided || *tensor.device() == Device::Meta {
        return None;
    }
    let steps = tensor.shape().iter().zip(tensor.strides()).map(|(size, stride)| (size - 1).saturating_mul(*stride));
    let last = steps.fold(tensor.storage_offset(), usize::saturating_add);
    let bytes = |elements: usize| elements.saturating_mul(tensor.dtype().itemsize());
    Some((bytes(tensor.storage_offset()), bytes(last.saturating_add(1))))
}

/// For each tensor of a group that is the same view as one before it: its place and the other's.
pub(super) fn repeated(group: &[usize], tensors: &[&Tensor]) -> Vec<(usize, usize)> {
    let mut first: HashMap<View, usize> = HashMap::new();
    let mut repeated = Vec::new();
    for &place in group {
        let Some(tensor) = tensors.get(place) else { continue };
        let kept = *first.entry(View::of(tensor)).or_insert(place);
        if kept != place {
            repeated.push((place, kept));
        }
    }
    repeated
}

/// What tells views of one storage apart.
#[derive(PartialEq, Eq, Hash)]
struct View {
    dtype: DType,
    offset: usize,
    /// Sizes and strides; the stride of a dimension of size 1 says nothing.
    dims: Vec<(usize, usize)>,
    conj: bool,
    neg: bool,
}

impl View {
    fn of(tensor: &Tensor) -> Self {
        let dims = tensor.shape().iter().zip(tensor.strides());
        Self {
            dtype: tensor.dtype(),
            offset: tensor.storage_offset(),
            dims: dims.map(|(&size, &stride)| (size, if size == 1 { 0 } else { stride })).collect(),
            conj: tensor.is_conj(),
            neg: tensor.is_neg(),
        }
    }
}
