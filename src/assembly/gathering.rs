//! Several containers as one: shards, chunks, files within files.

use std::sync::Arc;

use super::{Assembly, Opening};
use crate::error::Error;
use crate::format::Format;
use crate::pickle::Composer;
use crate::pickle::graph::{Graph, NodeId};
use crate::source::{RecordId, Records};
use crate::torch::{StorageSource, Stores};

/// A graph under construction, with the places of its parts' storages.
pub(super) struct Gathering {
    pub(super) composer: Composer,
    stores: Stores,
    records: Vec<Arc<dyn Records>>,
}

impl Gathering {
    pub(super) fn new(opening: Opening<'_>) -> Self {
        Self { composer: Composer::new(opening.limits), stores: Stores::default(), records: Vec::new() }
    }

    /// Begins with a graph that has its storages already.
    pub(super) fn of(graph: Graph, stores: Stores, records: Vec<Arc<dyn Records>>, opening: Opening<'_>) -> Self {
        Self { composer: Composer::of(graph, opening.limits), stores, records }
    }

    /// Adds everything of a container; gives its root. `name` is put in front of the places in its errors, those included
    /// that come when its storages are read.
    pub(super) fn add(&mut self, assembly: Assembly, name: &str) -> Result<NodeId, Error> {
        let Assembly { graph, mut stores, mut records, .. } = assembly;
        if !name.is_empty() {
            let named: Vec<_> = records.iter().map(|records| Within::named(records, name)).collect();
            stores.replace_records(|own| {
                let found = records.iter().zip(&named).find(|(records, _)| same(records, own));
                found.map_or_else(|| Within::named(own, name), |(_, named)| Arc::clone(named))
            });
            records = named;
        }
        let first = self.composer.parts();
        let root = self.composer.splice(&graph, name)?;
        self.stores.splice(stores, first);
        self.records.extend(records);
        Ok(root)
    }

    /// Adds the graph of one pickle, which has its storages in a place that was [added](Self::add_store); gives its root.
    pub(super) fn splice(&mut self, graph: &Graph, store: usize) -> Result<NodeId, Error> {
        self.stores.set_part(self.composer.parts(), store);
        self.composer.splice(graph, "")
    }

    /// Adds a place for storages that are not a container's of its own; gives its number for [`begin`](Self::begin).
    pub(super) fn add_store(&mut self, store: impl StorageSource + 'static) -> usize {
        self.records.push(store.records());
        self.stores.add(store)
    }

    /// From here on the nodes that are added one by one have their storages in that place.
    pub(super) fn begin(&mut self, store: usize, name: &str) {
        self.stores.set_part(self.composer.parts(), store);
        self.composer.begin_part(name);
    }

    /// Says that all parts have their storages in one place.
    pub(super) fn place_all(&mut self, store: impl StorageSource + 'static) {
        let store = self.add_store(store);
        for part in 0..self.composer.parts().max(1) {
            self.stores.set_part(part, store);
        }
    }

    pub(super) fn finish(self, root: NodeId, format: Format, version: u64, consumed: u64) -> Assembly {
        Assembly {
            graph: self.composer.finish(root),
            stores: self.stores,
            records: self.records,
            format,
            version,
            writer: None,
            consumed,
            constants: None,
        }
    }
}

fn same(one: &Arc<dyn Records>, other: &Arc<dyn Records>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// The records of one of several containers, whose name its errors have in front.
#[derive(Debug)]
struct Within {
    records: Arc<dyn Records>,
    name: Box<str>,
}

impl Within {
    fn named(records: &Arc<dyn Records>, name: &str) -> Arc<dyn Records> {
        Arc::new(Self { records: Arc::clone(records), name: name.into() })
    }
}

impl Records for Within {
    fn borrow(&self, record: RecordId) -> Result<Option<&[u8]>, Error> {
        self.records.borrow(record).map_err(|e| e.inside(&self.name))
    }

    fn produce(&self, record: RecordId) -> Result<Vec<u8>, Error> {
        self.records.produce(record).map_err(|e| e.inside(&self.name))
    }

    fn is_stable(&self) -> bool {
        self.records.is_stable()
    }

    fn name(&self, record: RecordId) -> &str {
        self.records.name(record)
    }

    fn defects(&self, progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
        let named = |(record, error): (Option<RecordId>, Error)| (record, error.inside(&self.name));
        self.records.defects(progress).into_iter().map(named).collect()
    }

    fn len(&self) -> u64 {
        self.records.len()
    }
}
