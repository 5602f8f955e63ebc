//! Distributed checkpoints (`torch.distributed.checkpoint`): a folder with metadata and the data files of the ranks, in
//! which each chunk of a tensor, and each other object, is a checkpoint of its own.

mod metadata;
mod nested;

use hashbrown::HashMap;

use self::metadata::{Entry, Metadata, Slice, Step, Value};
use self::nested::{Made, Nested};
use super::gathering::Gathering;
use super::{Assembly, Opening, of_source};
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle;
use crate::pickle::Composer;
use crate::pickle::graph::NodeId;
use crate::source::{Folder, Source};
use crate::torch::{ASSEMBLED, OWN};

/// Opens the checkpoint that a metadata file of the folder describes: the root is the dict that was saved.
pub(super) fn assemble(folder: &Folder, file: &str, opening: Opening<'_>) -> Result<Assembly, Error> {
    let source = folder.open(file)?;
    let allowed = opening.limits.pickle_bytes.min(Limits::MAX_PICKLE_BYTES);
    Limits::check("pickle_bytes", source.len(), allowed).map_err(|e| e.inside(file))?;
    let pickle = source.stable(0..source.len()).map_err(|e| e.inside(file))?;
    let decoded = pickle::decode(&pickle, opening.limits).map_err(|e| e.inside(file))?;
    let metadata = metadata::read(&decoded.graph, opening.limits).map_err(|e| e.inside(file))?;
    let mut data = Data::open(folder, &metadata)?;
    let consumed = data.sources.iter().fold(source.len(), |sum, source| sum.saturating_add(source.len()));
    let path = |entry| metadata::path(&decoded.graph, entry, opening.limits);
    let opening = opening.inner()?;
    let mut gathering = Gathering::new(opening);
    // First all data, then what is made of them: errors have the name of what they are in.
    let mut parts = Vec::new();
    for entry in &metadata.entries {
        let slices = match &entry.value {
            Value::Object(slice) => vec![*slice],
            Value::Tensor { chunks, .. } => chunks.iter().map(|chunk| chunk.slice).collect(),
        };
        for slice in slices {
            parts.push(data.add(&mut gathering, slice, opening).map_err(|e| e.in_tensor(entry.name))?);
        }
    }
    let composer = &mut gathering.composer;
    composer.begin_part(file);
    let function = composer.made_global(OWN, ASSEMBLED)?;
    let mut nested = Nested::new();
    let mut leaves = Vec::with_capacity(metadata.entries.len());
    let mut parts = parts.into_iter();
    for entry in &metadata.entries {
        let node = match &entry.value {
            Value::Object(_) => parts.next().unwrap_or(NodeId::NONE),
            Value::Tensor { dtype, size, requires_grad, chunks } => {
                let chunks = chunks.iter().zip(&mut parts).map(|(chunk, node)| (&*chunk.offsets, &*chunk.sizes, node));
                assembled(composer, function, dtype, size, *requires_grad, chunks)?
            }
        };
        path(entry).and_then(|path| nested.insert(&path, node)).map_err(|e| e.in_tensor(entry.name).inside(file))?;
        leaves.push(node);
    }
    let Made { root, texts, in_order } = nested.make(composer)?;
    // Of several ranks, the entries of the first come first, wherever they belong.
    if !in_order {
        for (entry, leaf) in metadata.entries.iter().zip(leaves) {
            let step = |&step: &Step<'_>| match step {
                Step::Key(key) => Ok(texts.get(key).copied().unwrap_or(NodeId::NONE)),
                Step::Index(index) => composer.int(i64::try_from(index).unwrap_or(i64::MAX)),
            };
            let path = path(entry)?.iter().map(step).collect::<Result<Vec<_>, Error>>()?;
            composer.list_leaf(&path, leaf)?;
        }
    }
    Ok(gathering.finish(root, Format::Distributed, metadata.version, consumed))
}

/// `assembled(dtype, size, requires_grad, [(offsets, sizes, chunk)…])`
pub(super) fn assembled<'a>(
    composer: &mut Composer,
    function: NodeId,
    dtype: &str,
    size: &[i64],
    requires_grad: bool,
    chunks: impl Iterator<Item = (&'a [i64], &'a [i64], NodeId)>,
) -> Result<NodeId, Error> {
    let mut triples = Vec::new();
    for (offsets, sizes, chunk) in chunks {
        let (offsets, sizes) = (composer.ints(offsets)?, composer.ints(sizes)?);
        triples.push(composer.tuple(&[offsets, sizes, chunk])?);
    }
    let (dtype, size) = (composer.made_global("torch", dtype)?, composer.ints(size)?);
    let triples = composer.list(&triples)?;
    composer.call(function, &[dtype, size, NodeId::bool(requires_grad), triples])
}

/// The data files.
struct Data<'g> {
    names: &'g [&'g str],
    sources: Vec<Source>,
    /// What was added already, by file and start.
    added: HashMap<(usize, u64), NodeId>,
}

impl<'g> Data<'g> {
    /// Opens each file once, and checks that its parts lie within and do not overlap.
    fn open(folder: &Folder, metadata: &'g Metadata<'g>) -> Result<Self, Error> {
        let names = &*metadata.files;
        let mut slices: Vec<(Slice, &Entry<'_>)> = Vec::new();
        for entry in &metadata.entries {
            match &entry.value {
                Value::Object(slice) => slices.push((*slice, entry)),
                Value::Tensor { chunks, .. } => slices.extend(chunks.iter().map(|chunk| (chunk.slice, entry))),
            }
        }
        // The sort is stable: of those at one place the first entry's comes first.
        slices.sort_by_key(|(slice, _)| (slice.file, slice.start));
        for (slice, entry) in &slices {
            let name = names.get(slice.file).copied().unwrap_or_default();
            Folder::check_name(name).map_err(|e| e.in_tensor(entry.name))?;
        }
        let mut sources = Vec::with_capacity(names.len());
        let mut slices = slices.into_iter().peekable();
        for (number, name) in names.iter().enumerate() {
            let first = slices.peek().map(|(_, entry)| entry.name);
            let located = |error: Error| match first {
                Some(first) => error.in_tensor(first),
                None => error,
            };
            let source = folder.open(name).map_err(located)?;
            let mut before: Option<Slice> = None;
            while let Some((slice, entry)) = slices.next_if(|(slice, _)| slice.file == number) {
                let said = |what: String| Err(Error::malformed(what).in_tensor(entry.name).inside(name));
                let Some(end) = slice.start.checked_add(slice.len).filter(|&end| end <= source.len()) else {
                    return said(format!(
                        "its {} bytes from {} on lie beyond the end of the file, which has {}: it is truncated",
                        slice.len,
                        slice.start,
                        source.len()
                    ));
                };
                if let Some(before) = before
                    && before != slice
                    && before.start.saturating_add(before.len) > slice.start
                {
                    return said(format!("its bytes {} to {end} overlap those of another part", slice.start));
                }
                before = Some(slice);
            }
            sources.push(source);
        }
        Ok(Self { names, sources, added: HashMap::new() })
    }

    /// The object that a part of a file holds.
    fn add(&mut self, gathering: &mut Gathering, slice: Slice, opening: Opening<'_>) -> Result<NodeId, Error> {
        if let Some(&node) = self.added.get(&(slice.file, slice.start)) {
            return Ok(node);
        }
        let file = self.names.get(slice.file).copied().unwrap_or_default();
        let end = slice.start.saturating_add(slice.len);
        let name = format!("{}, bytes {} to {end}", Shown(file), slice.start);
        let source = self.sources.get(slice.file).and_then(|source| source.slice(slice.start..end));
        let source = source.ok_or_else(|| Error::malformed("the file does not have these bytes").inside(&name))?;
        let assembly = of_source(source, opening).map_err(|e| e.inside(&name))?;
        let node = gathering.add(assembly, &name)?;
        self.added.insert((slice.file, slice.start), node);
        Ok(node)
    }
}
