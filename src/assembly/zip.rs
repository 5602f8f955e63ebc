//! Zip archives: what kind of archive it is decides who reads it on.

use std::sync::Arc;

use super::archive_storages::ArchiveStorages;
use super::{Assembly, Opening, export, nested, package, script};
use crate::container::{Archive, ArchiveKind};
use crate::error::Error;
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::Graph;
use crate::pickle::{self, Decoded};
use crate::source::{RecordId, Records, Source};
use crate::torch::Stores;

/// Opens an archive of any kind that this crate reads.
pub(super) fn assemble(source: Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let archive = Arc::new(Archive::open(source, opening.limits, opening.verify_checksums)?);
    match archive.kind() {
        ArchiveKind::TorchSave => torch_save(archive, opening),
        ArchiveKind::TorchScript => script::assemble(archive, opening),
        ArchiveKind::TorchPackage => package::assemble(archive, opening),
        ArchiveKind::TorchExport => export::assemble_package(archive, opening),
        ArchiveKind::TorchExportOld => export::assemble_files(&archive, opening),
        // These do not open as archives; should one, it is refused here.
        other => Err(other.refusal().unwrap_or_else(|| Error::unsupported("archives of this kind are not read"))),
    }
}

/// `torch.save`: one pickle, and the storages beside it.
fn torch_save(archive: Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
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

/// The graph of a pickle that is a record, named by it.
pub(super) fn decode_record(archive: &Archive, record: RecordId, limits: &Limits) -> Result<Graph, Error> {
    let bytes = archive.pickle(record)?;
    // What follows STOP is no part of the program, as in torch.
    let Decoded { graph, .. } = pickle::decode(&bytes, limits).map_err(|e| e.in_record(archive.name(record)))?;
    Ok(graph.named(archive.name(record)))
}
