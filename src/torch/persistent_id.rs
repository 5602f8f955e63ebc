//! Persistent ids: how a pickle names its storages (`torch/serialization.py`, `persistent_id`).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::borrow::Cow;

use super::globals::{self, StorageType};
use super::text::ascii_or_text;
use crate::error::{Error, Shown};
use crate::pickle::graph::{Graph, Node, NodeId};

/// How a container writes its persistent ids (`torch/serialization.py`; `torch/package/package_exporter.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdForm {
    /// `('storage', type, key, location, numel)`
    Archive,
    /// `('storage', type, root_key, location, numel, view_metadata)`, where the last is `None` or
    /// `(view_key, offset, view_numel)`.
    Stream,
    /// As [`Archive`](Self::Archive), with integers as keys.
    Package,
    /// As [`Archive`](Self::Archive); up to torch 1.5 a `None` follows (`torch/csrc/jit/pickler.cpp`).
    Script,
}

/// A persistent id, checked for form only.
pub(crate) struct StorageId<'g> {
    /// Of the storage that has data in the file.
    pub(crate) key: Cow<'g, str>,
    pub(crate) location: &'g str,
    /// Of that storage.
    pub(crate) nbytes: u64,
    pub(crate) view: Option<StorageView<'g>>,
}

/// A storage that is a part of another one's bytes, as torch before 0.4 wrote slices of storages.
#[derive(Clone, Debug)]
pub(crate) struct StorageView<'g> {
    pub(crate) key: Cow<'g, str>,
    /// In bytes, and within the storage.
    pub(crate) start: u64,
    pub(crate) nbytes: u64,
}

/// Reads the id of a storage.
pub(crate) fn storage_id<'g>(
    graph: &'g Graph,
    types: &StorageTypes,
    form: IdForm,
    id: NodeId,
) -> Result<StorageId<'g>, Error> {
    let shape = match form {
        IdForm::Stream => "('storage', type, key, location, numel, view_metadata)",
        IdForm::Archive | IdForm::Package | IdForm::Script => "('storage', type, key, location, numel)",
    };
    let Some(items) = graph.as_tuple(id) else {
        return Err(Error::malformed(format!("the persistent id is a {}, not a tuple {shape}", graph.kind_name(id))));
    };
    let (word, storage_type, key, location, numel, view) = match (form, items) {
        (IdForm::Stream, &[word, storage_type, key, location, numel, view]) => {
            (word, storage_type, key, location, numel, view)
        }
        (IdForm::Archive | IdForm::Package | IdForm::Script, &[word, storage_type, key, location, numel])
        | (IdForm::Script, &[word, storage_type, key, location, numel, NodeId::NONE]) => {
            (word, storage_type, key, location, numel, NodeId::NONE)
        }
        _ => {
            let wanted = if form == IdForm::Stream { 6 } else { 5 };
            return Err(Error::malformed(format!("the persistent id has {} items; {shape} has {wanted}", items.len())));
        }
    };
    match ascii_or_text(graph, word) {
        Some("storage") => {}
        Some(other) => {
            return Err(Error::malformed(format!("the persistent id names a `{}`, not a storage", Shown(other))));
        }
        None => return Err(Error::malformed("the persistent id does not start with the word `storage`")),
    }
    let storage_type = types.of(graph, storage_type)?;
    let key = storage_key(graph, form, key)?;
    let location =
        ascii_or_text(graph, location).ok_or_else(|| Error::malformed("the storage's location is not text"))?;
    let itemsize = storage_type.itemsize();
    let declared_numel = elements(graph, &key, numel, "numel")?;
    let nbytes = declared_numel
        .checked_mul(itemsize)
        .filter(|&nbytes| i64::try_from(nbytes).is_ok())
        .ok_or_else(|| Error::malformed(format!("storage `{}`: {declared_numel} elements cannot be", Shown(&key))))?;
    let view = match graph.node(view) {
        Node::None => None,
        Node::Tuple(&[view_key, offset, view_numel]) => {
            let view_key = storage_key(graph, form, view_key)?;
            let in_bytes = |node, what| Ok::<_, Error>(elements(graph, &view_key, node, what)?.checked_mul(itemsize));
            let (start, len) = (in_bytes(offset, "offset")?, in_bytes(view_numel, "numel")?);
            let inside = start.zip(len).filter(|(start, len)| start.checked_add(*len).is_some_and(|end| end <= nbytes));
            let Some((start, len)) = inside else {
                return Err(Error::malformed(format!(
                    "the view `{}` lies beyond its storage `{}` of {nbytes} bytes",
                    Shown(&view_key),
                    Shown(&key)
                )));
            };
            Some(StorageView { key: view_key, start, nbytes: len })
        }
        _ => {
            return Err(Error::malformed(format!(
                "storage `{}`: its view_metadata is a {}, neither None nor (key, offset, numel)",
                Shown(&key),
                graph.kind_name(view)
            )));
        }
    };
    Ok(StorageId { key, location, nbytes, view })
}

/// Text, or the integers of `torch.package`.
fn storage_key(graph: &Graph, form: IdForm, key: NodeId) -> Result<Cow<'_, str>, Error> {
    if form == IdForm::Package
        && let Some(number) = graph.as_int(key)
    {
        return Ok(Cow::Owned(number.to_string()));
    }
    ascii_or_text(graph, key).map(Cow::Borrowed).ok_or_else(|| Error::malformed("the storage key is not text"))
}

/// A number of elements: an int that is not negative.
fn elements(graph: &Graph, key: &str, node: NodeId, what: &str) -> Result<u64, Error> {
    let Some(declared) = graph.as_int(node) else {
        return Err(Error::malformed(format!(
            "storage `{}`: its {what} is a {}, not an int",
            Shown(key),
            graph.kind_name(node)
        )));
    };
    u64::try_from(declared)
        .map_err(|_| Error::malformed(format!("storage `{}`: {declared} elements cannot be", Shown(key))))
}

/// The storage type of every global of a graph.
#[derive(Debug)]
pub(crate) struct StorageTypes(Vec<Option<StorageType>>);

impl StorageTypes {
    pub(crate) fn new(graph: &Graph) -> Self {
        Self(graph.globals().map(|id| globals::storage_type(graph.global(id).1)).collect())
    }

    #[inline]
    fn of(&self, graph: &Graph, id: NodeId) -> Result<StorageType, Error> {
        let known = graph.as_global(id).and_then(|global| self.0.get(global.index()).copied().flatten());
        known.ok_or_else(|| no_storage_class(graph, id))
    }

    /// The size in bytes of the elements of the storage that an id names; 1 if it is no id of a storage.
    pub(crate) fn itemsize(&self, graph: &Graph, id: NodeId) -> u64 {
        let class = graph.as_tuple(id).and_then(|items| items.get(1));
        class.and_then(|&class| self.of(graph, class).ok()).map_or(1, StorageType::itemsize)
    }

    /// The storage type of an id that [`storage_id`] has accepted.
    #[inline]
    pub(super) fn of_persistent(&self, graph: &Graph, persistent: NodeId) -> Option<StorageType> {
        let items = graph.as_tuple(graph.as_persistent(persistent)?)?;
        self.of(graph, *items.get(1)?).ok()
    }
}

/// The size in bytes of the elements of a storage class.
pub(crate) fn class_itemsize(graph: &Graph, class: NodeId) -> Result<u64, Error> {
    let known = graph.as_global(class).and_then(|global| globals::storage_type(graph.global(global).1));
    known.map(StorageType::itemsize).ok_or_else(|| no_storage_class(graph, class))
}

#[cold]
fn no_storage_class(graph: &Graph, id: NodeId) -> Error {
    Error::malformed(match graph.as_global(id) {
        None => format!("the storage type is a {}, not a class", graph.kind_name(id)),
        Some(global) => {
            let (module, name) = graph.global(global);
            format!("`{}.{}` is not a storage class that torch writes", Shown(module), Shown(name))
        }
    })
}
