//! Archives of `torch.save`: one pickle, and the storages beside it.

use std::sync::Arc;

use super::archive_pickle::decode_record;
use super::archive_storages::ArchiveStorages;
use super::{Assembly, Opening, nested};
use crate::container::Archive;
use crate::error::Error;
use crate::format::Format;
use crate::source::Records;
use crate::torch::Stores;

/// Opens an archive whose pickle is `data.pkl`.
pub(super) fn assemble(archive: Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
    let version = archive.version()?;
    let byte_order = archive.byte_order()?;
    let record = archive.require("data.pkl")?;
    let graph = decode_record(&archive, record, opening.limits)?;
    let store = ArchiveStorages::folder(Arc::clone(&archive), "data/", byte_order);
    let pickle = archive.source(record)?;
    let assembly = Assembly {
        graph,
        stores: Stores::one(store),
        consumed: archive.consumed(),
        records: vec![Arc::clone(&archive) as Arc<dyn Records>],
        format: Format::Zip,
        version,
        writer: Some(writer(&archive)),
        constants: None,
    };
    nested::resolve(assembly, &pickle, opening)
}

/// The records beside the storages came one by one (`torch/serialization.py`, `torch/csrc/inline_container.cc`).
fn writer(archive: &Archive) -> &'static str {
    if archive.find(".format_version").is_some() {
        "torch 2.7 or later"
    } else if archive.find(".data/serialization_id").is_some() || archive.find("byteorder").is_some() {
        "torch 2.1 to 2.6"
    } else {
        "torch 1.6 to 2.0"
    }
}
