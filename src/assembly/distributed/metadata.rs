//! The `.metadata` of a distributed checkpoint: which tensors and objects there are, of which chunks they consist, and
//! where in which file each chunk is (`torch/distributed/checkpoint/metadata.py`, since torch 1.13). It is a pickle, and
//! read as data.

use hashbrown::HashMap;

use crate::error::{Error, Shown};
use crate::limits::Limits;
use crate::pickle::graph::{Graph, Node, NodeId, Object};
use crate::torch::{ascii_or_text, mapping_entries};

/// What the metadata say.
pub(super) struct Metadata<'g> {
    /// In the order of `state_dict_metadata`.
    pub(super) entries: Vec<Entry<'g>>,
    /// The files, in the order in which they are first named.
    pub(super) files: Vec<&'g str>,
    /// The number in front of the version's first dot; 0 if there is none.
    pub(super) version: u64,
}

/// One tensor or object.
pub(super) struct Entry<'g> {
    pub(super) name: &'g str,
    /// Where it is in the nested object, if anything is said; [`path`] reads it.
    path: Option<NodeId>,
    pub(super) value: Value<'g>,
}

/// A piece of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step<'g> {
    Key(&'g str),
    Index(usize),
}

pub(super) enum Value<'g> {
    /// Any object, pickled.
    Object(Slice),
    Tensor {
        dtype: &'g str,
        size: Vec<i64>,
        requires_grad: bool,
        chunks: Vec<Chunk>,
    },
}

pub(super) struct Chunk {
    pub(super) offsets: Vec<i64>,
    pub(super) sizes: Vec<i64>,
    pub(super) slice: Slice,
}

/// Bytes of a file, which are a checkpoint of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// Which of [`Metadata::files`].
    pub(super) file: usize,
    pub(super) start: u64,
    pub(super) len: u64,
}

/// Which entry, and which chunk of it: objects have no offset. `index` of torch's `MetadataIndex` is a hint only.
type Index<'g> = (&'g str, Option<Vec<i64>>);

/// Reads the metadata.
///
/// # Errors
/// Malformed: something is missing, or not what it should be. Unsupported: chunks that were transformed when they were
/// written. Limit: `Limits::chunks`.
pub(super) fn read<'g>(graph: &'g Graph, limits: &Limits) -> Result<Metadata<'g>, Error> {
    let reader = Reader { graph, limits };
    let root = reader.object(graph.root(), "Metadata")?;
    let member = |name: &str| reader.attribute(&root, name);
    let Some(declared) = member("state_dict_metadata").and_then(|node| mapping_entries(graph, node)) else {
        return Err(Error::malformed("the metadata have no dict `state_dict_metadata`"));
    };
    let mut places = reader.places(member("storage_data"))?;
    let paths = reader.paths(member("planner_data"))?;
    let mut entries = Vec::with_capacity(declared.len());
    let mut chunks = 0_u64;
    for (name, described) in declared {
        let name = reader.text(name, "a name in `state_dict_metadata`")?;
        let located = |error: Error| error.in_tensor(name);
        let value = reader.value(name, described, &mut places, &mut chunks).map_err(located)?;
        let path = paths.get(name).copied();
        entries.push(Entry { name, path, value });
    }
    let left = places.slices.iter().filter(|(_, (_, taken))| !taken).map(|(index, _)| index).min();
    if let Some((name, offsets)) = left {
        let place = offsets.as_ref().map_or_else(String::new, |offsets| format!(" at {offsets:?}"));
        return Err(Error::malformed(format!(
            "`storage_data` has a part{place}, but `state_dict_metadata` does not know it"
        ))
        .in_tensor(name));
    }
    let version = member("version").and_then(|node| ascii_or_text(graph, node)).unwrap_or_default();
    let version = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    Ok(Metadata { entries, files: places.files, version })
}

/// Where an entry is in the nested object: text for keys, numbers for positions. Its name, if nothing is said. Read one by
/// one: all entries can share one long path, which is an error, but not before the second is put in its place.
///
/// # Errors
/// Malformed: neither keys nor positions. Limit: the nesting.
pub(super) fn path<'g>(graph: &'g Graph, entry: &Entry<'g>, limits: &Limits) -> Result<Vec<Step<'g>>, Error> {
    let Some(node) = entry.path else { return Ok(vec![Step::Key(entry.name)]) };
    let malformed = || Error::malformed("its path in `planner_data` is not a tuple of keys and positions");
    let (Node::Tuple(items) | Node::List(items)) = graph.node(node) else { return Err(malformed()) };
    let nesting = u64::try_from(items.len()).unwrap_or(u64::MAX);
    Limits::check("nesting", nesting, u64::try_from(limits.nesting).unwrap_or(u64::MAX))?;
    let step = |&item: &NodeId| match ascii_or_text(graph, item) {
        Some(key) => Some(Step::Key(key)),
        None => graph.as_int(item).and_then(|index| usize::try_from(index).ok()).map(Step::Index),
    };
    let path: Option<Vec<_>> = items.iter().map(step).collect();
    path.filter(|path| !path.is_empty()).ok_or_else(malformed)
}

/// Where the chunks are, by what they are.
struct Places<'g> {
    files: Vec<&'g str>,
    /// And whether `state_dict_metadata` has named them.
    slices: HashMap<Index<'g>, (Slice, bool)>,
}

impl<'g> Places<'g> {
    /// Where a part is, which is asked once.
    fn take(&mut self, index: Index<'g>) -> Result<(Slice, Index<'g>), Error> {
        let which = |index: &Index<'_>| match &index.1 {
            Some(offsets) => format!("its chunk at {offsets:?}"),
            None => "it".to_owned(),
        };
        match self.slices.get_mut(&index) {
            None => Err(Error::malformed(format!("`storage_data` does not say where {} is stored", which(&index)))),
            Some((_, true)) => Err(Error::malformed(format!("`state_dict_metadata` has {} twice", which(&index)))),
            Some((slice, taken)) => {
                *taken = true;
                Ok((*slice, index))
            }
        }
    }
}

struct Reader<'g, 'l> {
    graph: &'g Graph,
    limits: &'l Limits,
}

impl<'g> Reader<'g, '_> {
    /// An object of a class of that name, whatever its module: they have moved between the releases.
    fn object(&self, node: NodeId, class: &str) -> Result<Object<'g>, Error> {
        match self.class(node) {
            Some((object, name)) if name == class => Ok(object),
            Some((_, other)) => Err(Error::malformed(format!("a `{}` where a `{class}` should be", Shown(other)))),
            None => Err(Error::malformed(format!("a {} where a `{class}` should be", self.graph.kind_name(node)))),
        }
    }

    fn class(&self, node: NodeId) -> Option<(Object<'g>, &'g str)> {
        let Node::Object(object) = self.graph.node(node) else { return None };
        let (_, name) = self.graph.global(self.graph.as_global(object.callable)?);
        Some((object, name))
    }

    /// An attribute of an object; what is `None` is as if it were not there.
    fn attribute(&self, object: &Object<'g>, name: &str) -> Option<NodeId> {
        let entries = object.states.iter().rev().filter_map(|&state| match self.graph.node(state) {
            Node::Dict(entries) => Some(entries),
            _ => None,
        });
        let mut found = entries.flatten().filter(|&&(key, _)| ascii_or_text(self.graph, key) == Some(name));
        found.next().map(|&(_, value)| value).filter(|&value| value != NodeId::NONE)
    }

    fn require(&self, object: &Object<'g>, class: &str, name: &str) -> Result<NodeId, Error> {
        self.attribute(object, name).ok_or_else(|| Error::malformed(format!("a `{class}` without its `{name}`")))
    }

    fn text(&self, node: NodeId, what: &str) -> Result<&'g str, Error> {
        ascii_or_text(self.graph, node)
            .ok_or_else(|| Error::malformed(format!("{what} is a {}, not text", self.graph.kind_name(node))))
    }

    /// A number of bytes: an int that is not negative.
    fn bytes(&self, node: NodeId, what: &str) -> Result<u64, Error> {
        let Some(declared) = self.graph.as_int(node) else {
            return Err(Error::malformed(format!("{what} is a {}, not an int", self.graph.kind_name(node))));
        };
        u64::try_from(declared).map_err(|_| Error::malformed(format!("{what} is negative: {declared}")))
    }

    /// A `torch.Size`, or a tuple or list of ints that are not negative.
    fn sizes(&self, node: NodeId, what: &str) -> Result<Vec<i64>, Error> {
        let items = match self.graph.node(node) {
            Node::Tuple(items) | Node::List(items) => Some(items),
            Node::Object(size) => match self.graph.as_tuple(size.args) {
                Some(&[first]) => match self.graph.node(first) {
                    Node::Tuple(items) | Node::List(items) => Some(items),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        let items = items.ok_or_else(|| Error::malformed(format!("{what} are no tuple of ints")))?;
        let dimensions = u64::try_from(items.len()).unwrap_or(u64::MAX);
        Limits::check("dimensions", dimensions, u64::try_from(self.limits.dimensions).unwrap_or(u64::MAX))?;
        let mut sizes = Vec::with_capacity(items.len());
        for &item in items {
            match self.graph.as_int(item) {
                Some(size) if size >= 0 => sizes.push(size),
                Some(size) => return Err(Error::malformed(format!("{what} have the negative number {size}"))),
                None => return Err(Error::malformed(format!("{what} have a {}", self.graph.kind_name(item)))),
            }
        }
        Ok(sizes)
    }

    /// `storage_data`: a dict from `MetadataIndex` to `_StorageInfo`.
    fn places(&self, node: Option<NodeId>) -> Result<Places<'g>, Error> {
        let Some(entries) = node.and_then(|node| mapping_entries(self.graph, node)) else {
            return Err(Error::malformed("the metadata have no dict `storage_data`: nothing says where the data are"));
        };
        Limits::check("chunks", u64::try_from(entries.len()).unwrap_or(u64::MAX), self.limits.chunks)?;
        let mut places = Places { files: Vec::new(), slices: HashMap::with_capacity(entries.len()) };
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (index, info) in entries {
            let index = self.object(index, "MetadataIndex")?;
            let name = self.text(self.require(&index, "MetadataIndex", "fqn")?, "the name of a part")?;
            let slice = self.slice(info, &mut places.files, &mut numbers).map_err(|e| e.in_tensor(name))?;
            let offset = match self.attribute(&index, "offset") {
                Some(offset) => Some(self.sizes(offset, "the offsets of a part").map_err(|e| e.in_tensor(name))?),
                None => None,
            };
            if places.slices.insert((name, offset), (slice, false)).is_some() {
                return Err(Error::malformed("`storage_data` has a part twice").in_tensor(name));
            }
        }
        Ok(places)
    }

    /// `_StorageInfo(relative_path, offset, length[, transform_descriptors])`
    fn slice(
        &self,
        node: NodeId,
        files: &mut Vec<&'g str>,
        numbers: &mut HashMap<&'g str, usize>,
    ) -> Result<Slice, Error> {
        const CLASS: &str = "_StorageInfo";
        let info = self.object(node, CLASS)?;
        if let Some(transforms) = self.attribute(&info, "transform_descriptors") {
            let (Node::List(transforms) | Node::Tuple(transforms)) = self.graph.node(transforms) else {
                return Err(Error::malformed("its `transform_descriptors` are no list"));
            };
            if let Some(&first) = transforms.first() {
                return Err(Error::unsupported(format!(
                    "its data were transformed when they were written (`{}`), which is not undone here; save the checkpoint without extensions",
                    Shown(ascii_or_text(self.graph, first).unwrap_or("?"))
                )));
            }
        }
        let name = self.text(self.require(&info, CLASS, "relative_path")?, "the name of a data file")?;
        let start = self.bytes(self.require(&info, CLASS, "offset")?, "the offset in a data file")?;
        let len = self.bytes(self.require(&info, CLASS, "length")?, "the length of a part")?;
        let file = *numbers.entry(name).or_insert_with(|| {
            files.push(name);
            files.len().saturating_sub(1)
        });
        Ok(Slice { file, start, len })
    }

    /// `TensorStorageMetadata(properties, size, chunks)` or `BytesStorageMetadata()`
    fn value(&self, name: &'g str, node: NodeId, places: &mut Places<'g>, count: &mut u64) -> Result<Value<'g>, Error> {
        const CLASS: &str = "TensorStorageMetadata";
        let object = match self.class(node) {
            Some((_, "BytesStorageMetadata")) => {
                return places.take((name, None)).map(|(slice, _)| Value::Object(slice));
            }
            _ => self.object(node, CLASS)?,
        };
        let (dtype, requires_grad) = self.properties(self.require(&object, CLASS, "properties")?)?;
        let size = self.sizes(self.require(&object, CLASS, "size")?, "its sizes")?;
        let (Node::List(list) | Node::Tuple(list)) = self.graph.node(self.require(&object, CLASS, "chunks")?) else {
            return Err(Error::malformed("its chunks are no list"));
        };
        *count = count.saturating_add(u64::try_from(list.len()).unwrap_or(u64::MAX));
        Limits::check("chunks", *count, self.limits.chunks)?;
        let mut chunks = Vec::with_capacity(list.len());
        for &chunk in list {
            const CLASS: &str = "ChunkStorageMetadata";
            let chunk = self.object(chunk, CLASS)?;
            let offsets = self.sizes(self.require(&chunk, CLASS, "offsets")?, "the offsets of a chunk")?;
            let sizes = self.sizes(self.require(&chunk, CLASS, "sizes")?, "the sizes of a chunk")?;
            if offsets.len() != size.len() || sizes.len() != size.len() {
                return Err(Error::malformed(format!(
                    "it has {} dimensions, but its chunk of sizes {sizes:?} at {offsets:?} has another number",
                    size.len()
                )));
            }
            let (slice, (_, offsets)) = places.take((name, Some(offsets)))?;
            let offsets = offsets.unwrap_or_default();
            chunks.push(Chunk { offsets, sizes, slice });
        }
        Ok(Value::Tensor { dtype, size, requires_grad, chunks })
    }

    /// dtype and gradient flag of `TensorProperties`, whose state is a tuple (dtype, layout, requires_grad, …).
    fn properties(&self, node: NodeId) -> Result<(&'g str, bool), Error> {
        let object = self.object(node, "TensorProperties")?;
        let state = object.states.last().and_then(|&state| self.graph.as_tuple(state));
        let Some(&[dtype, _layout, requires_grad, ..]) = state else {
            return Err(Error::malformed("the state of a `TensorProperties` is not a tuple of dtype, layout and more"));
        };
        let global = self.graph.as_global(dtype).map(|global| self.graph.global(global));
        let Some(("torch", dtype)) = global else {
            return Err(Error::malformed(format!("a {} where the dtype should be", self.graph.kind_name(dtype))));
        };
        Ok((dtype, matches!(self.graph.node(requires_grad), Node::Bool(true))))
    }

    /// `planner_data`: a dict from names to paths. Planners of other kinds keep other things there, or nothing; then the
    /// names are all there is.
    fn paths(&self, node: Option<NodeId>) -> Result<HashMap<&'g str, NodeId>, Error> {
        let entries = node.and_then(|node| mapping_entries(self.graph, node)).unwrap_or_default();
        let mut paths = HashMap::with_capacity(entries.len());
        for (name, path) in entries {
            if let Some(name) = ascii_or_text(self.graph, name) {
                paths.insert(name, path);
            }
        }
        Ok(paths)
    }
}
