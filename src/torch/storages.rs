//! Persistent ids resolved against the container's records, each storage once.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::sync::Arc;

use hashbrown::HashMap;

use super::locate::locate;
use super::persistent_id::{IdForm, StorageId, StorageTypes, storage_id};
use super::program::Slots;
use crate::device::{Device, MapLocation, StorageInfo};
use crate::error::{Error, Shown};
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::source::{ByteOrder, RecordId, Records};
use crate::tensor::{Place, Storage, StorageData};

/// Where a container keeps its storages.
pub(crate) trait StorageSource: Send + Sync {
    /// The record of a storage (or of a view of one) and its size in bytes, or `None` if there is no such record.
    ///
    /// # Errors
    /// The key is not one that a container of this kind can have.
    fn storage(&self, id: &StorageId<'_>) -> Result<Option<(RecordId, u64)>, Error>;

    /// What gives the bytes of those records.
    fn records(&self) -> Arc<dyn Records>;

    /// The byte order of the storages' numbers.
    fn byte_order(&self) -> ByteOrder {
        ByteOrder::Little
    }

    /// How the ids are written.
    fn form(&self) -> IdForm {
        IdForm::Archive
    }
}

/// Where each part of a graph has its storages.
#[derive(Default)]
pub(crate) struct Stores {
    stores: Vec<Store>,
    /// By the number of the part.
    of_part: Vec<usize>,
}

struct Store {
    source: Box<dyn StorageSource>,
    records: Arc<dyn Records>,
}

impl Store {
    fn new(source: impl StorageSource + 'static) -> Self {
        Self { records: source.records(), source: Box::new(source) }
    }
}

impl Stores {
    /// One place for the storages of the whole graph.
    pub(crate) fn one(store: impl StorageSource + 'static) -> Self {
        Self { stores: vec![Store::new(store)], of_part: vec![0] }
    }

    /// Adds a place; gives its number for [`set_part`](Self::set_part).
    pub(crate) fn add(&mut self, store: impl StorageSource + 'static) -> usize {
        self.stores.push(Store::new(store));
        self.stores.len().saturating_sub(1)
    }

    /// Says where a part has its storages. Parts are named in order.
    pub(crate) fn set_part(&mut self, part: usize, store: usize) {
        // Parts that were not named have no storages.
        self.of_part.resize(part, usize::MAX);
        self.of_part.push(store);
    }

    /// Adds the places of a graph that is spliced into another as its parts from `first` on.
    pub(crate) fn splice(&mut self, other: Self, first: usize) {
        let shift = self.stores.len();
        self.stores.extend(other.stores);
        for (n, store) in other.of_part.into_iter().enumerate() {
            self.set_part(first.saturating_add(n), store.saturating_add(shift));
        }
    }

    /// Has others give the bytes: for each place, those that `by` gives for its own.
    pub(crate) fn replace_records(&mut self, by: impl Fn(&Arc<dyn Records>) -> Arc<dyn Records>) {
        for store in &mut self.stores {
            store.records = by(&store.records);
        }
    }

    fn of_part(&self, part: usize) -> Option<(usize, &Store)> {
        let number = *self.of_part.get(part)?;
        Some((number, self.stores.get(number)?))
    }
}

/// Resolves every persistent id of the graph, in the order of the pickle.
pub(super) fn resolve(
    graph: &Graph,
    types: &StorageTypes,
    slots: &mut Slots,
    stores: &Stores,
    map_location: &mut MapLocation<'_>,
) -> Result<Vec<Storage>, Error> {
    let most = graph.persistents().count();
    let mut storages: Vec<Storage> = Vec::with_capacity(most);
    let mut known: Vec<Known> = Vec::new();
    known.resize_with(stores.stores.len(), Known::default);
    // Of the storage before: almost always the next one's too.
    let mut tag: (Arc<str>, Device) = (Arc::from("cpu"), Device::Cpu);
    let mut last_place: Option<Arc<Place>> = None;
    for (node, id) in graph.persistents() {
        let place = |error: Error| in_place(error, graph, node);
        // Where the id was written, which a reference may have been taken from.
        let (number, Store { source: store, records }) = stores
            .of_part(graph.part(id))
            .ok_or_else(|| place(Error::malformed("the pickle refers to a storage, but this file has none")))?;
        let id = storage_id(graph, types, store.form(), id).map_err(place)?;
        let found = store.storage(&id).map_err(place)?;
        let (key, nbytes) = match &id.view {
            None => (&*id.key, id.nbytes),
            Some(view) => (&*view.key, view.nbytes),
        };
        let Some(known) = known.get_mut(number) else { continue };
        let slot = known.slot(key, found.map(|(record, _)| record));
        if let Some(index) = *slot {
            let index = index as usize;
            if let Some(storage) = storages.get(index) {
                same_storage(storage, key, nbytes).map_err(place)?;
            }
            slots.set(node, index);
            continue;
        }
        if *tag.0 != *id.location {
            tag = (Arc::from(id.location), Device::from_tag(id.location));
        }
        let (location, tagged) = &tag;
        let info = StorageInfo { key, location: id.location, nbytes };
        let device = map_location.device(&info, tagged);
        let data = data(&info, found, &device, records, store.byte_order()).map_err(place)?;
        let index = storages.len();
        let number = u32::try_from(index).map_err(|_| Error::limit("more than 2^32 storages")).map_err(place)?;
        *slot = Some(number);
        let shared = last_place.take().filter(|last| Arc::ptr_eq(&last.location, location) && last.device == device);
        let place = shared.unwrap_or_else(|| Arc::new(Place { location: Arc::clone(location), device }));
        last_place = Some(Arc::clone(&place));
        storages.push(Storage::at(place, number, key.into(), nbytes, data));
        slots.set(node, index);
    }
    Ok(storages)
}

/// Which keys are storages already. Those with a record, almost all, are told by that: records are numbered as they come.
#[derive(Default)]
struct Known {
    by_record: Vec<Option<u32>>,
    without_record: HashMap<String, Option<u32>>,
}

impl Known {
    /// The place for the index of a key's storage.
    fn slot(&mut self, key: &str, record: Option<RecordId>) -> &mut Option<u32> {
        // A container has as many records as the highest number says.
        if let Some(place) = record.and_then(|record| usize::try_from(record.0).ok()) {
            if place >= self.by_record.len() {
                self.by_record.resize(place.saturating_add(1), None);
            }
            if let Some(slot) = self.by_record.get_mut(place) {
                return slot;
            }
        }
        self.without_record.entry_ref(key).or_default()
    }
}

/// A second id for a key must mean the same bytes; only the element type may differ.
fn same_storage(storage: &Storage, key: &str, nbytes: u64) -> Result<(), Error> {
    if storage.nbytes() == nbytes {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "storage `{}` is said to have {nbytes} bytes here and {} bytes before",
        Shown(key),
        storage.nbytes()
    )))
}

fn data(
    id: &StorageInfo<'_>,
    found: Option<(RecordId, u64)>,
    device: &Device,
    records: &Arc<dyn Records>,
    byte_order: ByteOrder,
) -> Result<StorageData, Error> {
    let Some((record, declared_len)) = found else {
        // torch leaves out the records of empty storages in some versions.
        if id.nbytes == 0 || *device == Device::Meta && id.location == "meta" {
            return Ok(if *device == Device::Meta { StorageData::Meta } else { StorageData::empty() });
        }
        return Err(Error::malformed(format!(
            "storage `{}` ({} bytes) has no record in the file: its data are missing",
            Shown(id.key),
            id.nbytes
        )));
    };
    if declared_len != id.nbytes {
        return Err(Error::malformed(format!(
            "storage `{}` has {} bytes by the pickle, but its record `{}` has {declared_len}",
            Shown(id.key),
            id.nbytes,
            Shown(records.name(record))
        )));
    }
    Ok(if *device == Device::Meta {
        StorageData::Meta
    } else {
        StorageData::Record { records: Arc::clone(records), record, byte_order }
    })
}

/// Says where in the pickle, and in which tensor, something is wrong.
pub(crate) fn in_place(error: Error, graph: &Graph, node: NodeId) -> Error {
    let error = match graph.offset(node) {
        Some(offset) => error.at(offset),
        None => error,
    };
    let error = match graph.part_name(node) {
        Some(name) => error.in_record(name),
        None => error,
    };
    let error = match graph.node(node) {
        // What is made of a container's own words has no opcode.
        _ if graph.offset(node).is_none() => error,
        Node::Persistent(_) => error.in_opcode("BINPERSID"),
        Node::Object(object) => error.in_opcode(object.made.opcode()),
        _ => error,
    };
    in_tensor_at(error, graph, node)
}

/// Says in which tensor something is wrong that lies elsewhere.
pub(crate) fn in_tensor_at(error: Error, graph: &Graph, node: NodeId) -> Error {
    match locate(graph, node) {
        Some(path) => error.in_tensor(&path),
        None => error,
    }
}
