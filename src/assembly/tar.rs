//! The tar file that torch wrote before 0.1.10 (`torch/serialization.py`, `legacy_load`). Storages and tensors are listed
//! beside the pickle, which refers to both by their keys: numbers in one namespace. They become what later files say in
//! their pickles: ids of storages, and calls of `torch._utils._rebuild_tensor`.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::sync::Arc;

use hashbrown::HashMap;

use super::gathering::Gathering;
use super::legacy::Pickles;
use super::{Assembly, Opening};
use crate::container::{Blobs, tar_members};
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::source::{RecordId, Records, Source};
use crate::torch::{StorageId, StorageSource, Stores, ascii_or_text, class_itemsize, in_place};

/// Opens a tar file.
pub(super) fn assemble(source: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let members = tar_members(source, opening.limits)?;
    let graph = Pickles { source: &members.pickle, at: 0, limits: opening.limits }.next("pickle")?;
    let root = graph.root();
    let mut tar = Tar {
        gathering: Gathering::of(graph, Stores::default(), Vec::new(), opening),
        blobs: Blobs::new(members.storages.clone()),
        objects: HashMap::new(),
        opening,
    };
    let references = tar.references()?;
    tar.storages(&members.storages)?;
    tar.tensors(&members.tensors)?;
    for (node, key) in references {
        match tar.objects.get(&key) {
            Some(object) => tar.gathering.composer.alias(node, object.node),
            None => {
                let error =
                    Error::malformed(format!("the pickle refers to `{key}`, which is neither a storage nor a tensor"));
                return Err(in_place(error, tar.gathering.composer.graph(), node));
            }
        }
    }
    let Tar { mut gathering, blobs, objects, .. } = tar;
    let records = objects.into_iter().filter_map(|(key, object)| Some((key, object.storage?.record)));
    gathering.place_all(TarStorages { blobs: Arc::new(blobs), records: records.collect() });
    let assembly = gathering.finish(root, Format::Tar, 0, members.end);
    Ok(Assembly { writer: Some("torch before 0.1.10"), ..assembly })
}

struct Tar<'o> {
    gathering: Gathering,
    /// Storages and views of them; the key of each is its record's name.
    blobs: Blobs,
    objects: HashMap<i64, Object>,
    opening: Opening<'o>,
}

/// What a key stands for.
#[derive(Clone)]
struct Object {
    node: NodeId,
    storage: Option<Storage>,
}

/// What views and tensors need to know of a storage.
#[derive(Clone)]
struct Storage {
    record: RecordId,
    class: NodeId,
    location: NodeId,
    itemsize: u64,
}

impl Tar<'_> {
    /// The references of the pickle to storages and tensors. Those to classes, `(class, source_file, source_text)`, become
    /// the classes.
    fn references(&mut self) -> Result<Vec<(NodeId, i64)>, Error> {
        let graph = self.gathering.composer.graph();
        let (mut keys, mut classes) = (Vec::new(), Vec::new());
        for (node, id) in graph.persistents() {
            match graph.node(id) {
                Node::Tuple(&[class, ..]) if graph.as_global(class).is_some() => classes.push((node, class)),
                _ => {
                    let wrong = || {
                        let kind = graph.kind_name(id);
                        let error = Error::malformed(format!("a {kind} as a persistent id, neither a key nor a class"));
                        in_place(error, graph, node)
                    };
                    keys.push((node, key(graph, id).ok_or_else(wrong)?));
                }
            }
        }
        for (node, class) in classes {
            self.gathering.composer.alias(node, class);
        }
        Ok(keys)
    }

    /// `storages`: their number; of each a pickled `(key, location, class)`, the number of its elements and their bytes;
    /// then a list of views, `(key, root_key, offset, numel)` in elements.
    fn storages(&mut self, source: &Source) -> Result<(), Error> {
        const PLACE: &str = "storages";
        let mut pickles = Pickles { source, at: 0, limits: self.opening.limits };
        for _ in 0..count(&pickles.next(PLACE)?, PLACE)? {
            let at = pickles.at;
            let graph = pickles.next(PLACE)?;
            let located = |error: Error| error.at(at).in_record(PLACE);
            let root = self.gathering.composer.splice(&graph, "")?;
            let graph = self.gathering.composer.graph();
            let Node::Tuple(&[id, location, class]) = graph.node(root) else {
                return Err(located(Error::malformed("a storage is not described by (key, location, class)")));
            };
            let Some(id) = key(graph, id) else {
                return Err(located(Error::malformed("the key of a storage is not a number")));
            };
            let itemsize = class_itemsize(graph, class).map_err(located)?;
            let record = self.blobs.sized(&id.to_string(), pickles.at, itemsize).map_err(|e| e.in_record(PLACE))?;
            pickles.at = self.blobs.end(record);
            self.add_storage(id, Storage { record, class, location, itemsize }).map_err(located)?;
        }
        let views = pickles.next(PLACE)?;
        let malformed = |what: &str| Error::malformed(format!("{what} in the list of views")).in_record(PLACE);
        let (Node::List(list) | Node::Tuple(list)) = views.node(views.root()) else {
            return Err(malformed("there is no list"));
        };
        for &view in list {
            let Node::Tuple(&[id, root, offset, numel]) = views.node(view) else {
                return Err(malformed("a view is not described by (key, root_key, offset, numel)"));
            };
            let (Some(id), Some(root)) = (key(&views, id), key(&views, root)) else {
                return Err(malformed("a key is not a number"));
            };
            let Some(storage) = self.objects.get(&root).and_then(|object| object.storage.clone()) else {
                return Err(malformed(&format!("storage `{root}` is not known")));
            };
            let bytes = |elements: NodeId| {
                let declared = views.as_int(elements).and_then(|elements| u64::try_from(elements).ok());
                declared.and_then(|elements| elements.checked_mul(storage.itemsize))
            };
            let (Some(start), Some(len)) = (bytes(offset), bytes(numel)) else {
                return Err(malformed(&format!("view `{id}` has an offset or a length that cannot be")));
            };
            let record = self.blobs.add_part(storage.record, start, len).map_err(|e| e.in_record(PLACE))?;
            self.add_storage(id, Storage { record, ..storage })?;
        }
        Ok(())
    }

    /// A reference to a storage as later files write it.
    fn add_storage(&mut self, id: i64, storage: Storage) -> Result<(), Error> {
        let nbytes = self.blobs.record_len(storage.record);
        let numel = nbytes.checked_div(storage.itemsize).and_then(|numel| i64::try_from(numel).ok());
        let composer = &mut self.gathering.composer;
        let word = composer.text("storage")?;
        let key = composer.text(&id.to_string())?;
        let numel = composer.int(numel.unwrap_or(i64::MAX))?;
        let tuple = composer.tuple(&[word, storage.class, key, storage.location, numel])?;
        let node = composer.persistent(tuple)?;
        self.add(id, Object { node, storage: Some(storage) })
    }

    fn add(&mut self, id: i64, object: Object) -> Result<(), Error> {
        match self.objects.insert(id, object) {
            None => Ok(()),
            Some(_) => Err(Error::malformed(format!("two storages or tensors have the key `{id}`"))),
        }
    }

    /// `tensors`: their number; of each a pickled `(key, storage_key, class)`, the number of dimensions, sizes, strides and
    /// offset in elements.
    fn tensors(&mut self, source: &Source) -> Result<(), Error> {
        const PLACE: &str = "tensors";
        let mut pickles = Pickles { source, at: 0, limits: self.opening.limits };
        let rebuild = self.gathering.composer.made_global("torch._utils", "_rebuild_tensor")?;
        for _ in 0..count(&pickles.next(PLACE)?, PLACE)? {
            let at = pickles.at;
            let located = |error: Error| error.at(at).in_record(PLACE);
            let graph = pickles.next(PLACE)?;
            let Node::Tuple(&[id, storage, _class]) = graph.node(graph.root()) else {
                return Err(located(Error::malformed("a tensor is not described by (key, storage_key, class)")));
            };
            let (Some(id), Some(storage)) = (key(&graph, id), key(&graph, storage)) else {
                return Err(located(Error::malformed("the key of a tensor or of its storage is not a number")));
            };
            let Some(Object { node, storage: Some(_) }) = self.objects.get(&storage).cloned() else {
                return Err(located(Error::malformed(format!(
                    "tensor `{id}` lies in storage `{storage}`, which is not known"
                ))));
            };
            let numbers = Numbers::read(source, &mut pickles.at, self.opening.limits).map_err(located)?;
            let composer = &mut self.gathering.composer;
            let (sizes, strides) = (composer.ints(&numbers.sizes)?, composer.ints(&numbers.strides)?);
            let offset = composer.int(numbers.offset)?;
            let tensor = composer.call(rebuild, &[node, offset, sizes, strides])?;
            self.add(id, Object { node: tensor, storage: None }).map_err(located)?;
        }
        Ok(())
    }
}

/// What follows a tensor's pickle, little endian.
struct Numbers {
    sizes: Vec<i64>,
    strides: Vec<i64>,
    offset: i64,
}

impl Numbers {
    fn read(source: &Source, at: &mut u64, limits: &Limits) -> Result<Self, Error> {
        let cut = || Error::malformed("the file ends within a tensor's description: it is truncated");
        let mut take = |len: u64| {
            let end = at.checked_add(len).ok_or_else(cut)?;
            let bytes = source.get(*at..end).ok_or_else(cut)?;
            *at = end;
            Ok::<_, Error>(bytes)
        };
        let declared = take(4)?.first_chunk().copied().ok_or_else(cut)?;
        let dimensions = u64::try_from(i32::from_le_bytes(declared))
            .map_err(|_| Error::malformed("a tensor has a negative number of dimensions"))?;
        Limits::check("dimensions", dimensions, u64::try_from(limits.dimensions).unwrap_or(u64::MAX))?;
        // The number of dimensions once had eight bytes.
        take(4)?;
        let mut many = |len: u64| {
            Ok::<_, Error>(
                take(len.saturating_mul(8))?.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect::<Vec<_>>(),
            )
        };
        let (sizes, strides, offset) = (many(dimensions)?, many(dimensions)?, many(1)?);
        Ok(Self { sizes, strides, offset: offset.first().copied().ok_or_else(cut)? })
    }
}

/// A key: a number, or its digits as text.
fn key(graph: &Graph, node: NodeId) -> Option<i64> {
    graph.as_int(node).or_else(|| ascii_or_text(graph, node)?.parse().ok())
}

/// How many things follow. Each takes a byte at least, so the file bounds what a forged number can cost.
fn count(graph: &Graph, place: &str) -> Result<u64, Error> {
    graph.as_int(graph.root()).and_then(|count| u64::try_from(count).ok()).ok_or_else(|| {
        let kind = graph.kind_name(graph.root());
        Error::malformed(format!("a {kind} where the number of {} should be", Shown(place))).in_record(place)
    })
}

struct TarStorages {
    blobs: Arc<Blobs>,
    records: HashMap<i64, RecordId>,
}

impl StorageSource for TarStorages {
    fn storage(&self, id: &StorageId<'_>) -> Result<Option<(RecordId, u64)>, Error> {
        let record = id.key.parse().ok().and_then(|key: i64| self.records.get(&key));
        Ok(record.map(|&record| (record, self.blobs.record_len(record))))
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.blobs) as Arc<dyn Records>
    }
}
