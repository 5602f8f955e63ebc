//! An opened file: the whole object graph, and every tensor in it.

mod found;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use found::{GlobalMeaning, GlobalName, ListedValue, Listing};
pub use verify::Progress;

use hashbrown::HashMap;

use crate::error::{Error, Shown};
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::{GlobalId, NodeId};
use crate::source::Records;
use crate::tensor::{Storage, Tensor};
use crate::torch::{Meaning, Program};
use crate::value::{Failure, Value, key_text};
use crate::walk::{Leaf, walk};

/// A tensor and where it was found.
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
/// let entry = &checkpoint.tensors()?[3];
/// assert_eq!((entry.name(), entry.tensor().shape()), ("model.out.weight".to_owned(), &[7, 4][..]));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorEntry {
    path: Vec<String>,
    tensor: Tensor,
}

impl TensorEntry {
    /// The keys and positions that lead to the tensor, as Python's `str()` gives them; empty for a bare tensor.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!(checkpoint.tensors()?[0].path(), ["model", "embed.weight"]); // a key may hold dots
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The path joined with dots.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!(checkpoint.tensors()?[0].name(), "model.embed.weight");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// The tensor.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!(checkpoint.tensors()?[2].tensor().shape(), [4]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The tensor itself.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// let tensors = checkpoint.tensors()?.into_iter().map(|entry| entry.into_tensor());
    /// assert_eq!(tensors.map(|tensor| tensor.nbytes()).sum::<usize>(), 704);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }
}

/// An opened checkpoint: cheap to clone, and everything in it stays reachable.
///
/// ```
/// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
/// for entry in checkpoint.tensors()? {
///     println!("{}: {:?}", entry.name(), entry.tensor().shape());
/// }
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct Checkpoint(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) program: Program,
    pub(crate) format: Format,
    pub(crate) version: u64,
    pub(crate) writer: Option<&'static str>,
    pub(crate) consumed: u64,
    pub(crate) constants: Option<NodeId>,
    pub(crate) limits: Limits,
    pub(crate) path: Option<PathBuf>,
    /// The containers, which the storages borrow from.
    pub(crate) records: Vec<Arc<dyn Records>>,
}

impl Checkpoint {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The container that the file is.
    ///
    /// ```
    /// use torch_checkpoint::{Format, LoadOptions};
    /// assert_eq!(LoadOptions::new().open("fixtures/sharded/two_shards")?.format(), Format::Sharded);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn format(&self) -> Format {
        self.0.format
    }

    /// The version that the container records: of a zip archive that of its layout (torch has written 3 for plain
    /// checkpoints in every release seen), of a legacy stream 1001, of a pickle its protocol; 0 where there is none.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!(checkpoint.version(), 3);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// What wrote the file, as far as its form tells: `torch 2.7 or later`. No container records torch's own version.
    ///
    /// ```
    /// let open = |path| torch_checkpoint::LoadOptions::new().open(path);
    /// assert_eq!(open("fixtures/zip/torch-2.15/tied.pt")?.writer(), Some("torch 2.7 or later"));
    /// assert_eq!(open("fixtures/zip/torch-1.13/tied.pt")?.writer(), Some("torch 1.6 to 2.0"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn writer(&self) -> Option<&str> {
        self.0.writer
    }

    /// How many bytes of the file (from where it was opened) belong to the checkpoint. Others may follow: several legacy
    /// checkpoints may stand one behind the other, and the next is opened with
    /// [`LoadOptions::offset`](crate::LoadOptions::offset).
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let file = "fixtures/legacy/composed/two_saves.pt";
    /// let first = LoadOptions::new().open(file)?;
    /// let second = LoadOptions::new().offset(first.consumed()).open(file)?;
    /// assert_eq!(first.consumed() + second.consumed(), std::fs::metadata(file)?.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.0.consumed
    }

    /// The object that was saved.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/root_tuple.pt")?;
    /// assert_eq!(checkpoint.root().get(1).unwrap().as_str(), Some("two"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value(self.0.program.graph().root())
    }

    /// The constants of a TorchScript archive: a tuple of the tensors that its code uses besides those of its modules (often
    /// an empty one). `None` for files of other kinds. [`tensors`](Self::tensors) lists them last, under `constants`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/torchscript/torch-2.15/traced.pt")?;
    /// if let Some(constants) = checkpoint.constants() {
    ///     for constant in constants.iter().filter_map(|value| value.as_tensor()) {
    ///         println!("{} {:?}", constant.dtype(), constant.shape());
    ///     }
    /// }
    /// # assert!(checkpoint.constants().is_some());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn constants(&self) -> Option<Value<'_>> {
        self.0.constants.map(|node| self.value(node))
    }

    pub(crate) fn value(&self, node: NodeId) -> Value<'_> {
        Value::new(&self.0.program, node)
    }

    /// The value at a dotted path, as [`LoadOptions::key`](crate::LoadOptions::key) takes it: keys of mappings (which may
    /// contain dots themselves), positions of lists, attributes of objects. The empty path is the root. Where the root has
    /// nothing of that name, `constants` is [those of a TorchScript archive](Self::constants).
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// assert_eq!(checkpoint.get("args.tags.1").unwrap().as_str(), Some("b"));
    /// assert!(checkpoint.get("args.nothing").is_none());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Value<'_>> {
        self.find(path).map(|node| self.value(node))
    }

    /// Reads the value at a dotted path (as [`get`](Self::get) takes it; the empty path is the root) into a type of the
    /// caller's. Fields that the type does not name are skipped unread, weights among them; see [`Value::deserialize`] for
    /// what becomes what.
    ///
    /// # Errors
    /// There is nothing under the path, and those of [`Value::deserialize`], with the whole path.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Run {
    ///     epoch: u32,
    ///     best_metric: f64,
    ///     args: Args, // an `argparse.Namespace`
    /// }
    /// #[derive(serde::Deserialize)]
    /// struct Args {
    ///     lr: f64,
    ///     milestones: Vec<u32>,
    /// }
    ///
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
    /// let run: Run = checkpoint.deserialize("")?; // the weights beside are not touched
    /// assert_eq!((run.epoch, run.best_metric, run.args.lr), (12, 0.8125, 0.01));
    /// assert_eq!(checkpoint.deserialize::<Vec<u32>>("args.milestones")?, run.args.milestones);
    ///
    /// let error = checkpoint.deserialize::<bool>("args.name").unwrap_err();
    /// assert!(error.to_string().ends_with("args.name: invalid type: string \"run-1\", expected a boolean"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn deserialize<'a, T: serde::Deserialize<'a>>(&'a self, path: &str) -> Result<T, Error> {
        let located = |failure: Failure| if path.is_empty() { failure } else { failure.under(path) };
        let read = self.require(path).and_then(|node| self.value(node).read().map_err(|f| located(f).into_error()));
        read.map_err(|e| self.in_path(e))
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        let root = self.root();
        if path.is_empty() {
            return Some(root.node());
        }
        descend(root, path).or_else(|| {
            let (constants, rest) = (self.constants()?, path.strip_prefix(CONSTANTS)?);
            if rest.is_empty() { Some(constants.node()) } else { descend(constants, rest.strip_prefix('.')?) }
        })
    }

    /// The node at a path, or the error that says what there is instead.
    pub(crate) fn require(&self, path: &str) -> Result<NodeId, Error> {
        self.find(path).ok_or_else(|| {
            let root = self.root();
            let keys: Vec<String> = root
                .entries()
                .take(8)
                .map(|(key, _)| format!("`{}`", Shown(&key_text(&self.0.program, key.node()))))
                .collect();
            let more = if root.entries().nth(8).is_some() { ", …" } else { "" };
            Error::caller(format!(
                "there is nothing under the key `{}`; the top level is a {} with {}{more}",
                Shown(path),
                root.type_name(),
                if keys.is_empty() { "no keys".to_owned() } else { keys.join(", ") }
            ))
        })
    }

    /// Every tensor of the file with its path, in order: mappings in insertion order, lists and tuples by position,
    /// modules as their state dict, other objects by their attributes. Tensors that only sets, deques or tensors'
    /// attributes hold come last, before the [constants](Self::constants) of a TorchScript archive (`constants.0`).
    ///
    /// # Errors
    /// The limits on names and nesting.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// let names: Vec<String> = checkpoint.tensors()?.iter().map(|entry| entry.name()).collect();
    /// assert_eq!(names, ["state_dict.fc.weight", "state_dict.fc.bias"]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn tensors(&self) -> Result<Vec<TensorEntry>, Error> {
        let found = self.all_tensors().map_err(|e| self.in_path(e))?;
        let program = &self.0.program;
        let entry = |(path, node)| Some(TensorEntry { path, tensor: program.tensor(node)?.clone() });
        Ok(found.into_iter().filter_map(entry).collect())
    }

    /// Every tensor of the file: paths and nodes.
    pub(crate) fn all_tensors(&self) -> Result<Vec<(Vec<String>, NodeId)>, Error> {
        let mut found = self.tensors_below(self.root().node())?;
        if let Some(constants) = self.0.constants {
            let under = |mut path: Vec<String>| {
                path.insert(0, CONSTANTS.to_owned());
                path
            };
            let constants = self.tensors_below(constants)?;
            found.extend(constants.into_iter().map(|(path, node)| (under(path), node)));
        }
        Ok(found)
    }

    /// The same for a part of the file.
    pub(crate) fn tensors_below(&self, root: NodeId) -> Result<Vec<(Vec<String>, NodeId)>, Error> {
        let program = &self.0.program;
        let mut seen = program.tensor_set();
        let mut found = self.walk_tensors(root, |node| seen.insert(node))?;
        found.extend(seen.unmet(root).into_iter().map(|(node, path)| (path, node)));
        Ok(found)
    }

    fn walk_tensors(&self, root: NodeId, mut seen: impl FnMut(NodeId)) -> Result<Vec<(Vec<String>, NodeId)>, Error> {
        let program = &self.0.program;
        let mut found = Vec::new();
        walk(program, root, &self.0.limits, |path, leaf| {
            if let Leaf::Node(node) = leaf
                && program.tensor(node).is_some()
            {
                seen(node);
                found.push((path.iter().map(|piece| piece.clone().into_owned()).collect(), node));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Everything that a listing shows below a dotted path, in the order of [`tensors`](Self::tensors): tensors and the
    /// other values that are no containers, each with its path.
    ///
    /// # Errors
    /// There is nothing under the path; the limits on names and nesting.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// let paths: Vec<String> = checkpoint.leaves("")?.leaves.iter().map(|leaf| leaf.path.join(".")).collect();
    /// assert_eq!(paths[1..], ["state_dict.fc.bias", "epoch", "arch", "best_prec1"]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn leaves(&self, key: &str) -> Result<Listing<'_>, Error> {
        self.listing(key).map_err(|e| self.in_path(e))
    }

    fn listing(&self, key: &str) -> Result<Listing<'_>, Error> {
        let program = &self.0.program;
        let root = self.require(key)?;
        let mut seen = program.tensor_set();
        let mut leaves = Vec::new();
        walk(program, root, &self.0.limits, |path, leaf| {
            let path = path.iter().map(|piece| piece.clone().into_owned()).collect();
            leaves.push(match leaf {
                Leaf::Node(node) => {
                    seen.insert(node);
                    ListedValue { path, value: self.value(node), storage_dtype: None }
                }
                Leaf::StorageDType(node) => {
                    let value = self.value(node);
                    ListedValue { path, value, storage_dtype: value.storage_dtype() }
                }
            });
            Ok(())
        })?;
        let beside = match self.0.constants {
            Some(constants) if key.is_empty() => seen.unmet(constants).len(),
            _ => 0,
        };
        let not_walked = seen.unmet(root).len().saturating_add(beside);
        Ok(Listing { root: self.value(root), leaves, not_walked })
    }

    /// The storages of the file, in the order of their first mention.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// assert_eq!((checkpoint.tensors()?.len(), checkpoint.storages().len()), (14, 5));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn storages(&self) -> impl ExactSizeIterator<Item = &Storage> {
        self.0.program.storages().iter()
    }

    /// Every Python name that the pickles mention, in the order of first mention, with what this crate makes of it. What
    /// Python would do with them, and with those of pickles that belong to no checkpoint, is what [`scan`](crate::scan())
    /// finds out.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
    /// for global in checkpoint.globals() {
    ///     println!("{}.{} in {} at byte {}", global.module, global.name, global.record, global.offset);
    /// }
    /// # assert!(checkpoint.globals().all(|global| global.record == "tied/data.pkl"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn globals(&self) -> impl Iterator<Item = GlobalName<'_>> {
        let program = &self.0.program;
        let graph = program.graph();
        let mut first_nodes: HashMap<GlobalId, NodeId> = HashMap::new();
        for node in graph.ids() {
            if let Some(id) = graph.as_global(node) {
                first_nodes.entry(id).or_insert(node);
            }
        }
        graph.globals().filter(|&id| !graph.is_made(id)).map(move |id| {
            let (module, name) = program.graph().global(id);
            let meaning = match program.meaning(id) {
                Meaning::Tensor(_) => GlobalMeaning::Tensor,
                Meaning::Storage(_) => GlobalMeaning::Storage,
                Meaning::Script | Meaning::Opaque => GlobalMeaning::Opaque,
                _ => GlobalMeaning::Value,
            };
            let record = first_nodes.get(&id).and_then(|&node| graph.part_name(node)).unwrap_or_default();
            GlobalName { module, name, meaning, record, offset: graph.global_offset(id) }
        })
    }

    pub(crate) fn program(&self) -> &Program {
        &self.0.program
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn in_path(&self, error: Error) -> Error {
        match &self.0.path {
            Some(path) => error.in_path(path),
            None => error,
        }
    }
}

/// Where a TorchScript archive's constants are found, which the root does not hold.
const CONSTANTS: &str = "constants";

/// Follows a dotted path, whose pieces may themselves contain dots. Longer pieces are tried first.
fn descend(value: Value<'_>, path: &str) -> Option<NodeId> {
    if let Some(found) = step(value, path) {
        return Some(found.node());
    }
    // As deep as the caller's path has dots.
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let (piece, rest) = (path.get(..dot)?, path.get(dot.checked_add(1)?..)?);
        descend(step(value, piece)?, rest)
    })
}

fn step<'a>(value: Value<'a>, piece: &str) -> Option<Value<'a>> {
    let position = piece.parse::<i64>().ok();
    value.get(piece).or_else(|| value.get(position?)).or_else(|| value.state()?.get(position?)).or_else(|| {
        let program = value.program();
        value.entries().find(|(key, _)| key_text(program, key.node()) == piece).map(|(_, value)| value)
    })
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({}, root {})", self.format(), self.root().type_name())
    }
}
