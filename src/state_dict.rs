//! Named tensors in the order of the file.

mod in_memory;
mod names;
mod of_checkpoint;

use std::fmt;
use std::ops::Index;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Shown};
use crate::pickle::graph::NodeId;
use crate::tensor::{DType, Tensor};
use crate::value::Value;

use names::Names;

/// The named tensors of a model, in the order in which torch saved them.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
/// for (name, tensor) in &weights {
///     println!("{name}: {} {:?} on {}", tensor.dtype(), tensor.shape(), tensor.device());
/// }
/// let first = weights.keys().next().unwrap();
/// assert_eq!(weights[first].device(), &torch_checkpoint::Device::Cpu);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct StateDict {
    names: Names,
    /// Which tensors of the checkpoint.
    tensors: Vec<NodeId>,
    others: Vec<(String, NodeId)>,
    /// The dict or module that the tensors are from.
    node: NodeId,
    checkpoint: Checkpoint,
}

/// What [`StateDict::check`] found.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
/// let mismatch = weights.check(["fc.weight", "fc.scale"]);
/// assert_eq!(mismatch.missing, ["fc.scale"]);
/// assert_eq!(mismatch.unexpected, ["fc.bias"]);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMismatch {
    /// Names that were asked for and are not there, in the order asked.
    pub missing: Vec<String>,
    /// Names that are there and were not asked for, in the order of the file.
    pub unexpected: Vec<String>,
}

impl KeyMismatch {
    /// Whether all names agree.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// assert!(weights.check(["fc.bias", "fc.weight"]).is_empty()); // the order does not matter
    /// assert!(!weights.check(["fc.bias"]).is_empty());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }
}

impl StateDict {
    /// The tensors of these nodes.
    pub(crate) fn new(
        entries: impl Iterator<Item = (impl AsRef<str>, NodeId)>,
        others: Vec<(String, NodeId)>,
        node: NodeId,
        checkpoint: Checkpoint,
    ) -> Result<Self, Error> {
        let this = Self::from_dict(entries, others, node, checkpoint);
        this.names.must_differ().map(|()| this)
    }

    /// As [`new`](Self::new), from names that are known to differ: the keys of one dict.
    pub(crate) fn from_dict(
        entries: impl Iterator<Item = (impl AsRef<str>, NodeId)>,
        others: Vec<(String, NodeId)>,
        node: NodeId,
        checkpoint: Checkpoint,
    ) -> Self {
        // As many as there are entries in the dict, of which almost all are tensors.
        let count = entries.size_hint().1.unwrap_or(0);
        let (mut names, mut tensors) = (Names::with_capacity(count), Vec::with_capacity(count));
        for (name, tensor) in entries {
            names.push(name.as_ref());
            tensors.push(tensor);
        }
        Self { names, tensors, others, node, checkpoint }
    }

    fn tensor(&self, index: usize) -> Option<&Tensor> {
        self.checkpoint.program().tensor(*self.tensors.get(index)?)
    }

    /// Names and nodes.
    fn nodes(&self) -> impl Iterator<Item = (&str, NodeId)> {
        self.tensors.iter().enumerate().map(|(index, &node)| (self.names.get(index), node))
    }

    /// How many tensors there are.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// assert_eq!(weights.len(), 17);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// assert!(!weights.is_empty() && weights.prefix("no.such.layer").is_empty());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The tensor of a name.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// assert!(weights.get("conv1.bias").is_none()); // optional in this network
    /// assert_eq!(weights.get("conv2.bias").unwrap().shape(), [6]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensor(self.names.find(name)?)
    }

    /// Whether there is a tensor of that name.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// assert!(weights.contains_key("conv2.bias") && !weights.contains_key("conv1.bias"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.names.find(name).is_some()
    }

    /// Names and tensors in the order of the file.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// let largest = weights.iter().max_by_key(|(_, tensor)| tensor.nbytes());
    /// assert_eq!(largest.unwrap().0, "head.1.weight");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { dict: self, next: 0 }
    }

    /// The names in the order of the file.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// assert!(weights.keys().eq(["fc.weight", "fc.bias"]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// The tensors in the order of the file.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// assert_eq!(weights.values().map(|tensor| tensor.numel()).sum::<usize>(), 767);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Tensor> {
        self.iter().map(|(_, tensor)| tensor)
    }

    /// The tensor of a name, if it has that dtype and shape.
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): there is no such name (the nearest ones are listed), or the tensor
    /// differs.
    ///
    /// ```
    /// use torch_checkpoint::{DType, load_state_dict};
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// let (name, tensor) = weights.iter().next().unwrap();
    /// weights.require(name, DType::Float32, tensor.shape())?;
    /// assert!(weights.require("no.such.weight", DType::Float32, &[1]).is_err());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn require(&self, name: &str, dtype: DType, shape: &[usize]) -> Result<&Tensor, Error> {
        let Some(tensor) = self.get(name) else { return Err(self.missing(name)) };
        if tensor.dtype() == dtype && tensor.shape() == shape {
            return Ok(tensor);
        }
        Err(Error::caller(format!("it is {} {:?}, but {dtype} {shape:?} is required", tensor.dtype(), tensor.shape()))
            .in_tensor(name))
    }

    fn missing(&self, name: &str) -> Error {
        let near = self.names.nearest(name);
        let hint = if near.is_empty() {
            String::new()
        } else {
            let near: Vec<String> = near.iter().map(|near| format!("`{}`", Shown(near))).collect();
            format!("; the nearest names are {}", near.join(", "))
        };
        Error::caller(format!("there is no tensor `{}` among the {} of the state dict{hint}", Shown(name), self.len()))
    }

    /// Compares the names with those that a model expects, as torch's strict loading does.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// let names: Vec<&str> = weights.keys().collect();
    /// assert!(weights.check(names).is_empty());
    /// assert_eq!(weights.check(["nonsense"]).missing, ["nonsense"]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn check<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> KeyMismatch {
        let mut mismatch = KeyMismatch::default();
        let mut expected = vec![false; self.len()];
        for name in names {
            match self.names.find(name.as_ref()).and_then(|index| expected.get_mut(index)) {
                Some(expected) => *expected = true,
                None => mismatch.missing.push(name.as_ref().to_owned()),
            }
        }
        let unexpected = self.keys().zip(expected).filter(|(_, expected)| !expected);
        mismatch.unexpected = unexpected.map(|(name, _)| name.to_owned()).collect();
        mismatch
    }

    /// The names that share a storage (tied weights, views of one buffer), a group for each such storage, in the order of
    /// the file.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let weights = LoadOptions::new().key("model").load_state_dict("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!(weights.tied(), [["embed.weight", "out.weight"]]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn tied(&self) -> Vec<Vec<&str>> {
        let mut groups: Vec<Vec<&str>> = Vec::new();
        let mut of_storage: hashbrown::HashMap<u32, usize> = hashbrown::HashMap::new();
        for (name, tensor) in self {
            let group = *of_storage.entry(tensor.storage().id()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len().saturating_sub(1)
            });
            if let Some(group) = groups.get_mut(group) {
                group.push(name);
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    /// The same tensors with a prefix taken off the names that have it, such as `module.` (DataParallel) or `_orig_mod.`
    /// (torch.compile). Other names stay.
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): two names would become one.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/compiled_state_dict.pt", "cpu")?;
    /// assert_eq!(weights.keys().next(), Some("_orig_mod.0.weight")); // of a model under torch.compile
    /// let weights = weights.strip_prefix("_orig_mod.")?;
    /// assert_eq!(weights.keys().next(), Some("0.weight"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn strip_prefix(&self, prefix: &str) -> Result<Self, Error> {
        let entries = self.nodes().map(|(name, node)| (name.strip_prefix(prefix).unwrap_or(name), node));
        let others =
            self.others.iter().map(|(name, node)| (name.strip_prefix(prefix).unwrap_or(name).to_owned(), *node));
        Self::new(entries, others.collect(), self.node, self.checkpoint.clone())
    }

    /// The tensors below `prefix.`, under the rest of their names, as a `VarBuilder`'s `pp` gives them. `prefix` is
    /// whole pieces of a name: `"encoder"` takes `encoder.weight`, not `encoder2.weight`.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// let bn1 = weights.prefix("bn1");
    /// assert_eq!((bn1.len(), bn1["running_mean"].shape()), (5, &[4][..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn prefix(&self, prefix: &str) -> Self {
        let below = |name: &'_ str| -> Option<usize> {
            let rest = name.strip_prefix(prefix)?;
            let rest = if prefix.is_empty() || prefix.ends_with('.') { rest } else { rest.strip_prefix('.')? };
            name.len().checked_sub(rest.len())
        };
        let entries = self.nodes().filter_map(|(name, node)| Some((name.get(below(name)?..)?, node)));
        let others = self.others.iter().filter_map(|(name, node)| Some((name.get(below(name)?..)?.to_owned(), *node)));
        Self::from_dict(entries, others.collect(), self.node, self.checkpoint.clone())
    }

    /// The entries of the dict that are not tensors, in order: `_extra_state`, packed parameters, numbers.
    ///
    /// ```
    /// use torch_checkpoint::load_state_dict;
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/quantised_static_state_dict.pt", "cpu")?;
    /// let names = weights.others().map(|(name, _)| name);
    /// assert!(names.eq(["3._packed_params.dtype", "3._packed_params._packed_params"]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn others(&self) -> impl ExactSizeIterator<Item = (&str, Value<'_>)> {
        self.others.iter().map(|(name, node)| (name.as_str(), self.checkpoint.value(*node)))
    }

    /// torch's `_metadata` of the dict: for each module prefix its version. `None` if the file has none.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// let version = weights.metadata().and_then(|metadata| metadata.get("bn1")?.get("version")?.as_i64());
    /// assert_eq!(version, Some(2)); // of BatchNorm2d
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn metadata(&self) -> Option<Value<'_>> {
        self.checkpoint
            .value(self.node)
            .attributes()
            .filter(|(key, _)| key.as_str() == Some("_metadata"))
            .last()
            .map(|(_, v)| v)
    }

    /// Everything else in the file: what stands beside the chosen dict.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// assert_eq!(weights.checkpoint().get("epoch").unwrap().as_i64(), Some(12));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl Index<&str> for StateDict {
    type Output = Tensor;

    /// # Panics
    /// There is no tensor of that name, as with a `HashMap`. [`StateDict::get`] and [`StateDict::require`] do not panic.
    #[expect(clippy::panic, reason = "the contract of `Index`; the name comes from the caller, never from a file")]
    fn index(&self, name: &str) -> &Tensor {
        match self.get(name) {
            Some(tensor) => tensor,
            None => panic!("{}", self.missing(name)),
        }
    }
}

/// Names and tensors of a [`StateDict`], borrowed.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
/// let mut left: torch_checkpoint::Iter<'_> = weights.iter();
/// assert_eq!((left.next().unwrap().0, left.len()), ("conv1.weight", 16));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct Iter<'a> {
    dict: &'a StateDict,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Tensor);

    fn next(&mut self) -> Option<Self::Item> {
        let tensor = self.dict.tensor(self.next)?;
        let name = self.dict.names.get(self.next);
        self.next = self.next.saturating_add(1);
        Some((name, tensor))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.dict.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a StateDict {
    type Item = (&'a str, &'a Tensor);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Names and tensors of a [`StateDict`], owned: what was read of a tensor is freed with it.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
/// for (name, tensor) in weights {
///     assert_eq!(tensor.bytes()?.len(), tensor.nbytes(), "{name}");
/// }
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
pub struct IntoIter {
    names: Names,
    tensors: std::iter::Enumerate<std::vec::IntoIter<Tensor>>,
}

impl Iterator for IntoIter {
    type Item = (String, Tensor);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, tensor) = self.tensors.next()?;
        Some((self.names.get(index).to_owned(), tensor))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.tensors.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for StateDict {
    type Item = (String, Tensor);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let program = self.checkpoint.program();
        let tensors: Vec<Tensor> = self.tensors.iter().filter_map(|&node| program.tensor(node).cloned()).collect();
        IntoIter { names: self.names, tensors: tensors.into_iter().enumerate() }
    }
}

impl fmt::Debug for StateDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
