//! The stream that torch wrote before its zip archives (`torch/serialization.py`, `_legacy_save` and `_legacy_load`): five
//! pickles one behind the other (a magic number, a protocol version, facts about the writer, the object, the storages'
//! keys), then for each key the number of its elements and their bytes.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Assembly, Opening, nested};
use crate::container::Blobs;
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::pickle::{self, Composer};
use crate::source::{RecordId, Records, Source};
use crate::torch::{
    IdForm, StorageId, StorageSource, StorageTypes, Stores, ascii_or_text, in_place, in_tensor_at, storage_id,
};

/// 0x1950A86A20F9469CFC6C, little endian in two's complement.
pub(super) const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;

/// Opens a stream; whatever follows it is not looked at.
pub(super) fn assemble(source: Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let mut pickles = Pickles { source: &source, at: 0, limits: opening.limits };
    let magic = pickles.next("the magic number")?;
    if !matches!(magic.node(magic.root()), Node::BigInt(bytes) if *bytes == MAGIC) {
        return Err(Error::malformed("the stream does not begin with torch's magic number"));
    }
    let version = pickles.next("the protocol version")?;
    match version.as_int(version.root()) {
        Some(PROTOCOL_VERSION) => {}
        other => {
            let found = other.map_or_else(|| version.kind_name(version.root()).to_owned(), |n| n.to_string());
            return Err(Error::unsupported(format!(
                "the stream has protocol version {found}; torch has written {PROTOCOL_VERSION} only"
            )));
        }
    }
    // Byte order and sizes of C's types on the writer's machine, which torch does not consult: data are little endian.
    let facts = pickles.next("the facts about the writer")?;
    let object_start = pickles.at;
    let graph = pickles.next("the object")?;
    let object = source.slice(object_start..pickles.at).unwrap_or_else(|| source.clone());
    let keys = pickles.next("the storage keys")?;
    let graph = with_classes(graph, opening.limits)?;
    let (storages, consumed) = StreamStorages::read(&graph, &keys, &source, pickles.at)?;
    let records = Arc::clone(&storages.blobs) as Arc<dyn Records>;
    let assembly = Assembly {
        graph,
        stores: Stores::one(storages),
        records: vec![records],
        format: Format::Legacy,
        version: PROTOCOL_VERSION.unsigned_abs(),
        writer: Some(writer(&facts)),
        consumed,
        constants: None,
    };
    nested::resolve(assembly, &object, opening)
}

/// Python 2 writes the names of the facts as byte strings.
fn writer(facts: &Graph) -> &'static str {
    match facts.node(facts.root()) {
        Node::Dict(&[(key, _), ..]) if matches!(facts.node(key), Node::PyString(_)) => {
            "torch 0.1.10 to 1.4 on Python 2"
        }
        _ => "torch 0.1.10 to 1.5, or a later one told to write so",
    }
}

/// The pickles of a stream, which have no lengths: each ends at its STOP.
pub(super) struct Pickles<'s> {
    pub(super) source: &'s Source,
    /// Where the next one begins.
    pub(super) at: u64,
    pub(super) limits: &'s Limits,
}

impl Pickles<'_> {
    /// Decodes the next pickle; offsets in its graph's errors are those of the pickle, which `what` names.
    pub(super) fn next(&mut self, what: &str) -> Result<Graph, Error> {
        let located = |error: Error| error.in_record(what);
        let bytes = self.source.get(self.at..self.source.len()).unwrap_or_default();
        if bytes.is_empty() {
            return Err(located(Error::malformed("the file ends here: it is truncated")));
        }
        let len = pickle::measure(bytes, self.limits).map_err(located)?;
        let end = self.at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let stable = self.source.stable(self.at..end).map_err(located)?;
        let decoded = pickle::decode(&stable, self.limits).map_err(located)?;
        if decoded.consumed != len {
            return Err(located(Error::malformed("the file changed while it was read")));
        }
        self.at = end;
        Ok(decoded.graph.named(what))
    }
}

/// The graph with the classes that are given by a persistent id, `('module', class, source_file, source_text)`, in the
/// place of those ids: torch wrote the first mention of every `nn.Module` so, to warn of changed sources.
fn with_classes(graph: Graph, limits: &Limits) -> Result<Graph, Error> {
    let classes: Vec<(NodeId, NodeId)> = graph
        .persistents()
        .filter_map(|(node, id)| match *graph.as_tuple(id)? {
            [word, class, ..] if ascii_or_text(&graph, word) == Some("module") => Some((node, class)),
            _ => None,
        })
        .collect();
    let root = graph.root();
    let mut composer = Composer::of(graph, limits);
    for (node, class) in classes {
        if composer.graph().as_global(class).is_none() {
            let kind = composer.graph().kind_name(class);
            let error = Error::malformed(format!("the persistent id of a module has a {kind} in place of its class"));
            return Err(in_place(error, composer.graph(), node));
        }
        composer.alias(node, class);
    }
    Ok(composer.finish(root))
}

/// The storages of a stream: one record for each key, and for each view of one.
struct StreamStorages {
    blobs: Arc<Blobs>,
    by_key: HashMap<String, RecordId>,
    views: HashMap<String, RecordId>,
}

impl StreamStorages {
    /// Finds the data of every storage that the object refers to, in the order of the list of keys; `at` is where they
    /// begin. Gives the end of the last one as well.
    fn read(graph: &Graph, keys: &Graph, source: &Source, at: u64) -> Result<(Self, u64), Error> {
        let types = StorageTypes::new(graph);
        // The first mention of a storage says how large its elements are.
        let mut mentioned: HashMap<String, Mention> = HashMap::new();
        let mut views: Vec<(String, String, u64, u64)> = Vec::new();
        for (node, id) in graph.persistents() {
            let itemsize = types.itemsize(graph, id);
            let id = storage_id(graph, &types, IdForm::Stream, id).map_err(|e| in_place(e, graph, node))?;
            mentioned.entry_ref(&*id.key).or_insert(Mention { node, nbytes: id.nbytes, itemsize });
            if let Some(view) = &id.view {
                views.push((view.key.clone().into_owned(), id.key.clone().into_owned(), view.start, view.nbytes));
            }
        }
        let (mut blobs, by_key, end) = Self::locate(graph, &mentioned, keys, source, at)?;
        let missing =
            mentioned.iter().filter(|(key, _)| !by_key.contains_key(*key)).min_by_key(|(_, mention)| mention.node);
        if let Some((key, mention)) = missing {
            let message = format!("the object refers to storage `{}`, which the list of storages lacks", Shown(key));
            return Err(in_place(Error::malformed(message), graph, mention.node));
        }
        let mut view_records = HashMap::new();
        for (view, root, start, nbytes) in views {
            if let Some(&record) = by_key.get(&root)
                && !view_records.contains_key(&view)
            {
                view_records.insert(view, blobs.add_part(record, start, nbytes)?);
            }
        }
        Ok((Self { blobs: Arc::new(blobs), by_key, views: view_records }, end))
    }

    /// Reads the list of keys and, for each, the number of elements in front of its data.
    fn locate(
        graph: &Graph,
        mentioned: &HashMap<String, Mention>,
        keys: &Graph,
        source: &Source,
        at: u64,
    ) -> Result<(Blobs, HashMap<String, RecordId>, u64), Error> {
        let malformed = |message: String| Error::malformed(message).in_record("the storage keys");
        let (Node::List(list) | Node::Tuple(list)) = keys.node(keys.root()) else {
            return Err(malformed(format!("a {} where the list of keys should be", keys.kind_name(keys.root()))));
        };
        let mut blobs = Blobs::new(source.clone());
        let mut by_key = HashMap::with_capacity(list.len());
        let mut seen: HashSet<&str> = HashSet::with_capacity(list.len());
        let mut at = at;
        for &key in list {
            let Some(key) = ascii_or_text(keys, key) else {
                return Err(malformed(format!("a {} where a storage's key should be", keys.kind_name(key))));
            };
            if !seen.insert(key) {
                return Err(malformed(format!("storage `{}` is listed twice", Shown(key))));
            }
            let Some(mention) = mentioned.get(key) else {
                return Err(malformed(format!(
                    "storage `{}` is listed, but the object does not refer to it",
                    Shown(key)
                )));
            };
            let record = blobs
                .counted(key, at, mention.itemsize, mention.nbytes)
                .map_err(|e| in_tensor_at(e.in_record("the storages"), graph, mention.node))?;
            at = blobs.end(record);
            by_key.insert(key.into(), record);
        }
        Ok((blobs, by_key, at))
    }
}

/// How a storage is described where it is first mentioned.
struct Mention {
    node: NodeId,
    nbytes: u64,
    itemsize: u64,
}

impl StorageSource for StreamStorages {
    fn storage(&self, id: &StorageId<'_>) -> Result<Option<(RecordId, u64)>, Error> {
        let record = match &id.view {
            None => self.by_key.get(&*id.key),
            Some(view) => self.views.get(&*view.key),
        };
        Ok(record.map(|&record| (record, self.blobs.record_len(record))))
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.blobs) as Arc<dyn Records>
    }

    fn form(&self) -> IdForm {
        IdForm::Stream
    }
}
