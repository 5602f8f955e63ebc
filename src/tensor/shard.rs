//! Distributed tensors: a file holds one rank's part of them.

/// What a checkpoint says of a tensor that is one rank's part of a larger one (a `DTensor` or `ShardedTensor`). The tensor itself is the
/// local part; its shape may be smaller than the global one.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/dtensor_rank_1_of_2.pt", "cpu")?;
/// let columns = &weights["columns"];
/// let shard = columns.shard().unwrap();
/// assert_eq!((columns.shape(), shard.global_shape()), (&[5, 1][..], &[5, 3][..]));
/// assert_eq!(shard.placements(), ["Shard(dim=1)"]);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub(crate) global_shape: Vec<usize>,
    pub(crate) placements: Vec<String>,
    pub(crate) offsets: Option<Vec<usize>>,
}

impl Shard {
    /// The shape of the whole tensor over all ranks, in elements.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/dtensor_rank_1_of_2.pt", "cpu")?;
    /// assert_eq!(weights["rows"].shard().unwrap().global_shape(), [5, 3]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn global_shape(&self) -> &[usize] {
        &self.global_shape
    }

    /// For each dimension of the device mesh how the tensor lies on it, as torch prints it: `Shard(dim=0)`,
    /// `Replicate()`, or `Partial`. Empty for a `ShardedTensor`.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/dtensor_rank_1_of_2.pt", "cpu")?;
    /// assert_eq!(weights["whole"].shard().unwrap().placements(), ["Replicate()"]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn placements(&self) -> &[String] {
        &self.placements
    }

    /// Where in the whole tensor the local part begins, in elements along each dimension, if the file says so: a
    /// `ShardedTensor` does, a `DTensor` leaves it to be computed from the mesh.
    ///
    /// ```
    /// use torch_checkpoint::load_state_dict;
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/sharded_tensor_rank_1_of_2.pt", "cpu")?;
    /// assert_eq!(weights["weight"].shard().unwrap().offsets(), Some(&[2, 0][..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn offsets(&self) -> Option<&[usize]> {
        self.offsets.as_deref()
    }
}
