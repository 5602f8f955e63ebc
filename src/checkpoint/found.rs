//! What a checkpoint tells of itself: the Python names that it mentions, and the lines of a listing.

use crate::value::Value;

/// A Python name that a pickle mentions.
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
/// let name = checkpoint.globals().next().unwrap();
/// assert_eq!((name.module, name.name), ("argparse", "Namespace"));
/// assert_eq!((name.record, name.offset), ("python_namespaces/data.pkl", 17));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalName<'a> {
    /// The module as pickled.
    pub module: &'a str,
    /// The name in the module as pickled; may be dotted.
    pub name: &'a str,
    /// What this crate makes of it.
    pub meaning: GlobalMeaning,
    /// The record that mentions it first, `archive/data.pkl`; empty if the file is no more than one pickle.
    pub record: &'a str,
    /// The byte offset in that record's pickle of the first mention.
    pub offset: u64,
}

/// What this crate makes of a Python name. Nothing is ever imported or called.
///
/// ```
/// use torch_checkpoint::GlobalMeaning;
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
/// let opaque = checkpoint.globals().find(|name| name.meaning == GlobalMeaning::Opaque);
/// assert_eq!(opaque.unwrap().name, "Namespace"); // kept with its attributes, not made
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GlobalMeaning {
    /// It yields a tensor, which is rebuilt as a view of its storage.
    Tensor,
    /// It is a storage class.
    Storage,
    /// It yields a plain value: a container, `torch.Size`, a dtype.
    Value,
    /// It is kept as a name, with the arguments, state and items it is used with.
    Opaque,
}

/// What [`Checkpoint::leaves`](super::Checkpoint::leaves) lists.
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
/// let listing = checkpoint.leaves("")?;
/// assert_eq!((listing.root.len(), listing.leaves.len(), listing.not_walked), (Some(4), 5, 0));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Debug)]
pub struct Listing<'a> {
    /// The value that was walked.
    pub root: Value<'a>,
    /// Its leaves in order.
    pub leaves: Vec<ListedValue<'a>>,
    /// How many tensors of the file the walk did not reach, because only sets, deques, tensors' attributes or values
    /// outside the root hold them.
    pub not_walked: usize,
}

/// One leaf of a [`Listing`].
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
/// let listing = checkpoint.leaves("arch")?;
/// assert_eq!(listing.leaves[0].value.as_str(), Some("resnet50"));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Debug)]
pub struct ListedValue<'a> {
    /// The keys and positions that lead to it.
    pub path: Vec<String>,
    /// The value.
    pub value: Value<'a>,
    /// Set for the line that gives the element type of a storage saved as such: its path ends in `dtype`.
    pub storage_dtype: Option<crate::DType>,
}
