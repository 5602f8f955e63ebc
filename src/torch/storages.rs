//! Persistent ids resolved against the container's records, each storage once.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::sync::Arc;

use hashbrown::HashMap;

use super::locate::locate;
use super::persistent_id::{StorageId, StorageTypes, storage_id};
use super::program::Slots;
use crate::device::{Device, MapLocation, StorageInfo};
use crate::error::{Error, Shown};
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::source::{ByteOrder, RecordId, Records};
use crate::tensor::{Place, Storage, StorageData};

/// Where a container keeps its storages.
pub(crate) trait StorageSource {
    /// The record of a storage key and its size in bytes, or `None` if there is no such record.
    ///
    /// # Errors
    /// The key is not one that a container of this kind can have.
    fn storage(&self, key: &str) -> Result<Option<(RecordId, u64)>, Error>;

    /// What gives the bytes of those records.
    fn records(&self) -> Arc<dyn Records>;

    /// The byte order of the storages' numbers.
    fn byte_order(&self) -> ByteOrder;
}

/// Resolves every persistent id of the graph, in the order of the pickle.
pub(super) fn resolve(
    graph: &Graph,
    types: &StorageTypes,
    slots: &mut Slots,
    source: &dyn StorageSource,
    map_location: &mut MapLocation<'_>,
) -> Result<Vec<Storage>, Error> {
    let most = graph.persistents().count();
    let mut storages: Vec<Storage> = Vec::with_capacity(most);
    let mut known = Known::default();
    // Of the storage before: almost always the next one's too.
    let mut tag: (Arc<str>, Device) = (Arc::from("cpu"), Device::Cpu);
    let mut last_place: Option<Arc<Place>> = None;
    let records = source.records();
    for (node, id) in graph.persistents() {
        let place = |error: Error| in_place(error, graph, node);
        let id = storage_id(graph, types, id).map_err(place)?;
        let found = source.storage(id.key).map_err(place)?;
        let slot = known.slot(id.key, found.map(|(record, _)| record));
        if let Some(number) = *slot {
            let index = number as usize;
            if let Some(storage) = storages.get(index) {
                same_storage(storage, &id).map_err(place)?;
            }
            slots.set(node, index);
            continue;
        }
        if *tag.0 != *id.location {
            tag = (Arc::from(id.location), Device::from_tag(id.location));
        }
        let (location, tagged) = &tag;
        let info = StorageInfo { key: id.key, location: id.location, nbytes: id.nbytes };
        let device = map_location.device(&info, tagged);
        let data = data(&id, found, &device, &records, source.byte_order()).map_err(place)?;
        let index = storages.len();
        let number = u32::try_from(index).map_err(|_| Error::limit("more than 2^32 storages")).map_err(place)?;
        *slot = Some(number);
        let shared = last_place.take().filter(|last| Arc::ptr_eq(&last.location, location) && last.device == device);
        let place = shared.unwrap_or_else(|| Arc::new(Place { location: Arc::clone(location), device }));
        last_place = Some(Arc::clone(&place));
        storages.push(Storage::at(place, number, id.key.into(), id.nbytes, data));
        slots.set(node, index);
    }
    Ok(storages)
}

/// Which keys are storages already. Those with a record, almost all, are told by that: records are numbered as they come.
#[derive(Default)]
struct Known<'g> {
    by_record: Vec<Option<u32>>,
    without_record: HashMap<&'g str, Option<u32>>,
}

impl<'g> Known<'g> {
    /// The place for the index of a key's storage.
    fn slot(&mut self, key: &'g str, record: Option<RecordId>) -> &mut Option<u32> {
        // A container has as many records as the highest number says.
        if let Some(place) = record.and_then(|record| usize::try_from(record.0).ok()) {
            if place >= self.by_record.len() {
                self.by_record.resize(place.saturating_add(1), None);
            }
            if let Some(slot) = self.by_record.get_mut(place) {
                return slot;
            }
        }
        self.without_record.entry(key).or_default()
    }
}

/// A second id for a key must mean the same bytes; only the element type may differ.
fn same_storage(storage: &Storage, id: &StorageId<'_>) -> Result<(), Error> {
    if storage.nbytes() == id.nbytes {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "storage `{}` is said to have {} bytes here and {} bytes before",
        Shown(id.key),
        id.nbytes,
        storage.nbytes()
    )))
}

fn data(
    id: &StorageId<'_>,
    found: Option<(RecordId, u64)>,
    device: &Device,
    records: &Arc<dyn Records>,
    byte_order: ByteOrder,
) -> Result<StorageData, Error> {
    let Some((record, declared_len)) = found else {
        // torch leaves out the records of empty storages in some versions.
        if id.nbytes == 0 || *device == Device::Meta && id.location == "meta" {
            return Ok(if *device == Device::Meta { StorageData::Meta } else { StorageData::Bytes(Box::default()) });
        }
        return Err(Error::malformed(format!(
            "the archive has no record for storage `{}` ({} bytes)",
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
pub(super) fn in_place(error: Error, graph: &Graph, node: NodeId) -> Error {
    let error = match graph.offset(node) {
        Some(offset) => error.at(offset),
        None => error,
    };
    let error = match graph.node(node) {
        Node::Persistent(_) => error.in_opcode("BINPERSID"),
        Node::Object(object) => error.in_opcode(object.made.opcode()),
        _ => error,
    };
    match locate(graph, node) {
        Some(path) => error.in_tensor(&path),
        None => error,
    }
}
