//! Which box is it, and which record is where? Nothing here knows pickle or torch.

mod blobs;
mod export_config;
mod gunzip;
mod onnx;
mod refusal;
mod sniff;
mod tar;
mod zip;

pub(crate) use blobs::Blobs;
pub(crate) use export_config::{CompiledWeight, ExportedTensor, Payload, compiled_config, payload_config};
pub(crate) use gunzip::{gunzip, gunzip_into};
pub(crate) use refusal::refusal;
pub(crate) use sniff::{Kind, sniff};
pub(crate) use tar::{tar_files, tar_members};
pub(crate) use zip::{Archive, ArchiveKind, Salvaged, find_end, inflate_zlib, salvage};

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;
