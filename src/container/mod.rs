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
pub(crate) use gunzip::{gunzip, gunzip_into};
pub(crate) use refusal::refusal;
pub(crate) use shard_index::ShardIndex;
pub(crate) use sniff::{Kind, begins_as, sniff};
pub(crate) use tar::{tar_files, tar_members};
pub(crate) use zip::{Archive, ArchiveKind, Salvaged, archives, find_end, inflate_zlib, salvage};

/// Bytes that are read between two reports of progress.
const PIECE: usize = 16 << 20;

/// The CRC-32 of stored bytes, read in pieces.
fn checksum(bytes: &[u8], progress: &mut dyn FnMut(u64)) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for piece in bytes.chunks(PIECE) {
        hasher.update(piece);
        progress(u64::try_from(piece.len()).unwrap_or(0));
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;
