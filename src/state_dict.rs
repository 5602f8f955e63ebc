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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMismatch {
    /// Names that were asked for and are not there, in the order asked.
    pub missing: Vec<String>,
    /// Names that are there and were not asked for, in the order of the file.
    pub unexpected: Vec<String>,
}

impl KeyMismatch {
    /// Whether all names agree.
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
        let (mut names, mut tensors) = (Names::default(), Vec::with_capacity(entries.size_hint().0));
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
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The tensor of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensor(self.names.find(name)?)
    }

    /// Whether there is a tensor of that name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.names.find(name).is_some()
    }

    /// Names and tensors in the order of the file.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { dict: self, next: 0 }
    }

    /// The names in the order of the file.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// The tensors in the order of the file.
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
    pub fn strip_prefix(&self, prefix: &str) -> Result<Self, Error> {
        let entries = self.nodes().map(|(name, node)| (name.strip_prefix(prefix).unwrap_or(name), node));
        let others =
            self.others.iter().map(|(name, node)| (name.strip_prefix(prefix).unwrap_or(name).to_owned(), *node));
        Self::new(entries, others.collect(), self.node, self.checkpoint.clone())
    }

    /// The tensors below `prefix.`, under the rest of their names, as a `VarBuilder`'s `pp` gives them. `prefix` is
    /// whole pieces of a name: `"encoder"` takes `encoder.weight`, not `encoder2.weight`.
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
    pub fn others(&self) -> impl ExactSizeIterator<Item = (&str, Value<'_>)> {
        self.others.iter().map(|(name, node)| (name.as_str(), self.checkpoint.value(*node)))
    }

    /// torch's `_metadata` of the dict: for each module prefix its version. `None` if the file has none.
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
