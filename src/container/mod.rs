//! Which box is it, and which record is where? Nothing here knows pickle or torch.

mod blobs;
mod export_config;
mod gunzip;
mod json;
mod onnx;
mod refusal;
#[cfg(feature = "safetensors")]
pub(crate) mod safetensors;
mod shard_index;
mod sniff;
mod tar;
mod zip;

pub(crate) use blobs::Blobs;
pub(crate) use export_config::{CompiledWeight, ExportedTensor, Payload, compiled_config, payload_config};
pub(crate) use gunzip::gunzip;
pub(crate) use refusal::refusal;
pub(crate) use shard_index::{ShardIndex, sharding_info};
pub(crate) use sniff::{Kind, begins_as, sniff};
pub(crate) use tar::tar_members;
pub(crate) use zip::{Archive, ArchiveKind};

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;
