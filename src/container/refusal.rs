//! Why a file is not read, in one sentence that says what it is and what to do.

use super::sniff::Kind;
use crate::error::{Error, Shown};

/// The error for a kind of file that no reader takes. The loader routes what it can read before it asks.
pub(crate) fn refusal(kind: &Kind) -> Error {
    match kind {
        Kind::Zip | Kind::LegacyStream | Kind::Tar | Kind::RawPickle | Kind::Gzip => {
            Error::unsupported("this is a checkpoint itself, where something else should be; open it by its own path")
        }
        Kind::Safetensors => Error::unsupported(
            "this is a safetensors file, which this build does not read; enable the crate's feature `safetensors`",
        ),
        Kind::Compressed { with, unpack } => {
            Error::unsupported(format!("this file is compressed with {with}; unpack it first (`{unpack}`)"))
        }
        Kind::ShardIndex => Error::unsupported(
            "this is the index of a sharded checkpoint (`weight_map`), whose shards are files beside it; open it by its path",
        ),
        Kind::Program(what) => Error::unsupported(format!("this is {what}")),

        Kind::Empty => Error::malformed("the file is empty (0 bytes): it was truncated, or the download failed"),
        Kind::TooShort => Error::malformed("the file is truncated: it has fewer than 4 bytes"),
        Kind::Zeros => Error::malformed(
            "the file is filled with zeros: a download or copy was interrupted after its space had been reserved",
        ),
        Kind::PrefixedZip => Error::malformed(
            "this looks like a zip archive with other bytes in front of it; remove everything before the first `PK\\x03\\x04`",
        ),

        Kind::LfsPointer { oid, size } => Error::not_a_checkpoint(format!(
            "this is a git-lfs pointer, not the file itself ({}, {} bytes); run `git lfs pull`",
            Shown(oid),
            Shown(size)
        )),
        Kind::WebPage => Error::not_a_checkpoint(
            "this is a web page (HTML), not a checkpoint: the download returned a login, consent or error page",
        ),
        Kind::Xml => Error::not_a_checkpoint(
            "this is an XML document, not a checkpoint: perhaps the error message of a storage service (access denied, no such key)",
        ),
        Kind::Json => Error::not_a_checkpoint("this is a JSON document, not a checkpoint"),
        Kind::Onnx => Error::not_a_checkpoint(
            "this is an ONNX model, a graph and not a PyTorch checkpoint; use the checkpoint that it was exported from",
        ),
        Kind::Foreign(what) => Error::not_a_checkpoint(format!("this is {what}, not a PyTorch checkpoint")),
        Kind::Text(start) => {
            Error::not_a_checkpoint(format!("this is a text, not a checkpoint; it begins with `{}`", Shown(start)))
        }
        Kind::Unknown => Error::not_a_checkpoint(
            "this is not a PyTorch checkpoint: it is neither a zip archive nor a pickle, nor another format that this crate knows",
        ),
    }
}
