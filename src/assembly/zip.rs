//! Zip archives: what kind of archive it is decides who reads it on.

use std::sync::Arc;

use super::{Assembly, Opening, export, package, script, torch_save};
use crate::container::{Archive, ArchiveKind};
use crate::error::Error;
use crate::source::Source;

/// Opens an archive of any kind that this crate reads.
pub(super) fn assemble(source: Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let archive = Arc::new(Archive::open(source, opening.limits, opening.verify_checksums)?);
    match archive.kind() {
        ArchiveKind::TorchSave => torch_save::assemble(archive, opening),
        ArchiveKind::TorchScript => script::assemble(archive, opening),
        ArchiveKind::TorchPackage => package::assemble(archive, opening),
        ArchiveKind::TorchExport => export::assemble_package(archive, opening),
        ArchiveKind::TorchExportOld => export::assemble_files(&archive, opening),
        // These do not open as archives; should one, it is refused here.
        other => Err(other.refusal().unwrap_or_else(|| Error::unsupported("archives of this kind are not read"))),
    }
}
