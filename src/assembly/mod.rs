//! From a container to one object graph: which pickles it holds, what they are to one another, where their storages are,
//! and what the container says outside any pickle. Each container is a file; what comes out is the same for all.

mod distributed;
mod export;
mod folder;
mod archive_pickle;
mod archive_storages;
mod gathering;
mod gzip;
mod legacy;
mod nested;
mod package;
#[cfg(feature = "safetensors")]
mod ranks;
mod raw_pickle;
#[cfg(feature = "safetensors")]
mod safetensors;
mod script;
mod sharded;
mod tar;
mod torch_save;
mod zip;

use std::sync::Arc;

pub(crate) use folder::of_path;

use crate::container::{Kind, refusal, sniff};
use crate::error::Error;
use crate::format::Format;
use crate::limits::Limits;
use crate::pickle::graph::{Graph, NodeId};
use crate::source::{Records, Source};
use crate::torch::Stores;

/// What a container holds.
pub(crate) struct Assembly {
    pub(crate) graph: Graph,
    pub(crate) stores: Stores,
    /// Everything that can be verified.
    pub(crate) records: Vec<Arc<dyn Records>>,
    pub(crate) format: Format,
    /// The version that the container records.
    pub(crate) version: u64,
    /// What wrote it, as far as that can be told.
    pub(crate) writer: Option<&'static str>,
    /// The bytes of the source that belong to it; others may follow.
    pub(crate) consumed: u64,
    /// The tuple of a TorchScript archive's constants; of a package a mapping of those of its TorchScript modules.
    pub(crate) constants: Option<NodeId>,
}

/// How a container is opened.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'o> {
    pub(crate) limits: &'o Limits,
    pub(crate) verify_checksums: bool,
    /// How many containers may still lie within this one.
    pub(crate) nesting: usize,
}

impl Opening<'_> {
    /// Files within files: a compressed file, a nested stream in a pickle, an archive in an archive. Honest ones have two.
    pub(crate) const NESTING: usize = 4;

    /// The same, one level further in.
    fn inner(self) -> Result<Self, Error> {
        match self.nesting.checked_sub(1) {
            Some(nesting) => Ok(Self { nesting, ..self }),
            None => {
                Err(Error::limit(format!("containers are nested more than {} deep within one another", Self::NESTING)))
            }
        }
    }
}

/// The part of the bytes from an offset on.
///
/// # Errors
/// Caller: there are not so many.
pub(crate) fn from_offset(source: Source, offset: u64) -> Result<Source, Error> {
    let len = source.len();
    let rest = if offset == 0 { Some(source) } else { source.slice(offset..len) };
    rest.ok_or_else(|| Error::caller(format!("the offset {offset} lies behind the end of the {len} bytes")))
}

/// Opens whatever the bytes are.
///
/// # Errors
/// They are no checkpoint, or damaged; the limits.
pub(crate) fn of_source(source: Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    match sniff(&source) {
        Kind::Zip => zip::assemble(source, opening),
        Kind::LegacyStream => legacy::assemble(source, opening),
        Kind::Tar => tar::assemble(&source, opening),
        Kind::RawPickle => raw_pickle::assemble(&source, opening),
        Kind::Gzip => of_source(gzip::unpack(&source, opening)?, opening.inner()?),
        #[cfg(feature = "safetensors")]
        Kind::Safetensors => safetensors::assemble(source, opening),
        other => Err(refusal(&other)),
    }
}
