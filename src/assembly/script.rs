//! TorchScript (`torch.jit.save`, the lite interpreter): the module's attributes are one pickle, the constants of its code
//! another, and each has a folder of storages of its own (`torch/csrc/jit/serialization/`). The code is not looked at.

use std::sync::Arc;

use super::archive_pickle::decode_record;
use super::archive_storages::ArchiveStorages;
use super::{Assembly, Opening};
use crate::container::Archive;
use crate::error::Error;
use crate::format::Format;
use crate::pickle::Composer;
use crate::torch::Stores;

pub(super) fn assemble(archive: Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
    let version = archive.version()?;
    let byte_order = archive.byte_order()?;
    let data = decode_record(&archive, archive.require("data.pkl")?, opening.limits)?;
    let constants = decode_record(&archive, archive.require("constants.pkl")?, opening.limits)?;
    let storages = |folder| ArchiveStorages::script_folder(Arc::clone(&archive), folder, byte_order);
    let mut composer = Composer::of(data, opening.limits);
    let root = composer.graph().root();
    let mut stores = Stores::one(storages("data/"));
    let of_constants = stores.add(storages("constants/"));
    stores.set_part(composer.parts(), of_constants);
    let constants = composer.splice(&constants, "")?;
    composer.wrap_arguments()?;
    Ok(Assembly {
        graph: composer.finish(root),
        stores,
        consumed: archive.consumed(),
        writer: Some(writer(&archive)),
        records: vec![archive],
        format: Format::TorchScript,
        version,
        constants: Some(constants),
    })
}

/// The C++ writer began to say the byte order after torch 2.0.
pub(super) fn writer(archive: &Archive) -> &'static str {
    if archive.find("byteorder").is_some() { "torch 2.1 or later" } else { "torch 1.4 to 2.0" }
}
