//! Persistent ids: how a pickle names its storages (`torch/serialization.py`, `persistent_id`).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::globals::{self, StorageType};
use super::text::ascii_or_text;
use crate::error::{Error, Shown};
use crate::pickle::graph::{Graph, Node, NodeId};

/// `('storage', type, key, location, numel)`, checked for form only.
pub(crate) struct StorageId<'g> {
    pub(crate) storage_type: StorageType,
    pub(crate) key: &'g str,
    pub(crate) location: &'g str,
    pub(crate) nbytes: u64,
}

/// Reads the id of a zip container: exactly five items.
pub(crate) fn storage_id(graph: &Graph, id: NodeId) -> Result<StorageId<'_>, Error> {
    let Node::Tuple(items) = graph.node(id) else {
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
    let storage_type = type_of(graph, storage_type)?;
    let key = ascii_or_text(graph, key).ok_or_else(|| Error::malformed("the storage key is not text"))?;
    let location =
        ascii_or_text(graph, location).ok_or_else(|| Error::malformed("the storage's location is not text"))?;
    let Node::Int(declared_numel) = graph.node(numel) else {
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
    Ok(StorageId { storage_type, key, location, nbytes })
}

fn type_of(graph: &Graph, id: NodeId) -> Result<StorageType, Error> {
    let Node::Global(global) = graph.node(id) else {
        return Err(Error::malformed(format!("the storage type is a {}, not a class", graph.kind_name(id))));
    };
    let (module, name) = graph.global(global);
    globals::storage_type(name).ok_or_else(|| {
        Error::malformed(format!("`{}.{}` is not a storage class that torch writes", Shown(module), Shown(name)))
    })
}

/// The storage type of an id that [`storage_id`] has accepted.
pub(crate) fn storage_type(graph: &Graph, persistent: NodeId) -> Option<StorageType> {
    let Node::Persistent(id) = graph.node(persistent) else { return None };
    let Node::Tuple(items) = graph.node(id) else { return None };
    type_of(graph, *items.get(1)?).ok()
}
