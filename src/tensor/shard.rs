//! Distributed tensors: a file holds one rank's part of them.

/// What a checkpoint says of a tensor that is one rank's part of a larger one (a `DTensor` or `ShardedTensor`). The tensor itself is the
/// local part; its shape may be smaller than the global one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub(crate) global_shape: Vec<usize>,
    pub(crate) placements: Vec<String>,
    pub(crate) offsets: Option<Vec<usize>>,
}

impl Shard {
    /// The shape of the whole tensor over all ranks, in elements.
    #[must_use]
    pub fn global_shape(&self) -> &[usize] {
        &self.global_shape
    }

    /// For each dimension of the device mesh how the tensor lies on it, as torch prints it: `Shard(dim=0)`,
    /// `Replicate()`, or `Partial`. Empty for a `ShardedTensor`.
    #[must_use]
    pub fn placements(&self) -> &[String] {
        &self.placements
    }

    /// Where in the whole tensor the local part begins, in elements along each dimension, if the file says so: a
    /// `ShardedTensor` does, a `DTensor` leaves it to be computed from the mesh.
    #[must_use]
    pub fn offsets(&self) -> Option<&[usize]> {
        self.offsets.as_deref()
    }
}
