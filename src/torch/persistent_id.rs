//! Persistent ids: how a pickle names its storages (`torch/serialization.py`, `persistent_id`).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::globals::{self, StorageType};
use super::text::ascii_or_text;
use crate::error::{Error, Shown};
use crate::pickle::graph::{Graph, NodeId};

/// `('storage', type, key, location, numel)`, checked for form only.
pub(crate) struct StorageId<'g> {
    pub(crate) key: &'g str,
    pub(crate) location: &'g str,
    pub(crate) nbytes: u64,
}

/// Reads the id of a zip container: exactly five items.
pub(super) fn storage_id<'g>(graph: &'g Graph, types: &StorageTypes, id: NodeId) -> Result<StorageId<'g>, Error> {
    let Some(items) = graph.as_tuple(id) else {
        return Err(Error::malformed(format!(
            "the persistent id is a {}, not a tuple ('storage', type, key, location, numel)",
            graph.kind_name(id)
        )));
    };
    let [word, storage_type, key, location, numel] = *items else {
        return Err(Error::malformed(format!(
            "the persistent id has {} items; ('storage', type, key, location, numel) has 5",
            items.len()
        )));
    };
    match ascii_or_text(graph, word) {
        Some("storage") => {}
        Some(other) => {
            return Err(Error::malformed(format!("the persistent id names a `{}`, not a storage", Shown(other))));
        }
        None => return Err(Error::malformed("the persistent id does not start with the word `storage`")),
    }
    let storage_type = types.of(graph, storage_type)?;
    let key = ascii_or_text(graph, key).ok_or_else(|| Error::malformed("the storage key is not text"))?;
    let location =
        ascii_or_text(graph, location).ok_or_else(|| Error::malformed("the storage's location is not text"))?;
    let Some(declared_numel) = graph.as_int(numel) else {
        return Err(Error::malformed(format!(
            "storage `{}`: its numel is a {}, not an int",
            Shown(key),
            graph.kind_name(numel)
        )));
    };
    let itemsize = match storage_type {
        StorageType::Typed(dtype) => dtype.itemsize(),
        StorageType::Untyped => 1,
    };
    let nbytes = u64::try_from(declared_numel)
        .ok()
        .zip(u64::try_from(itemsize).ok())
        .and_then(|(numel, itemsize)| numel.checked_mul(itemsize))
        .filter(|&nbytes| i64::try_from(nbytes).is_ok())
        .ok_or_else(|| Error::malformed(format!("storage `{}`: {declared_numel} elements cannot be", Shown(key))))?;
    Ok(StorageId { key, location, nbytes })
}

/// The storage type of every global of a graph.
#[derive(Debug)]
pub(super) struct StorageTypes(Vec<Option<StorageType>>);

impl StorageTypes {
    pub(super) fn new(graph: &Graph) -> Self {
        Self(graph.globals().map(|id| globals::storage_type(graph.global(id).1)).collect())
    }

    #[inline]
    fn of(&self, graph: &Graph, id: NodeId) -> Result<StorageType, Error> {
        let Some(global) = graph.as_global(id) else {
            return Err(Error::malformed(format!("the storage type is a {}, not a class", graph.kind_name(id))));
        };
        self.0.get(global.index()).copied().flatten().ok_or_else(|| {
            let (module, name) = graph.global(global);
            Error::malformed(format!("`{}.{}` is not a storage class that torch writes", Shown(module), Shown(name)))
        })
    }

    /// The storage type of an id that [`storage_id`] has accepted.
    #[inline]
    pub(super) fn of_persistent(&self, graph: &Graph, persistent: NodeId) -> Option<StorageType> {
        let items = graph.as_tuple(graph.as_persistent(persistent)?)?;
        self.of(graph, *items.get(1)?).ok()
    }
}
