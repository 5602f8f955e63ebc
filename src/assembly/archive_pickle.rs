//! Pickles that are records of an archive.

use crate::container::Archive;
use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::graph::Graph;
use crate::pickle::{self, Decoded};
use crate::source::RecordId;

/// The graph of a pickle that is a record, named by it.
pub(super) fn decode_record(archive: &Archive, record: RecordId, limits: &Limits) -> Result<Graph, Error> {
    let bytes = archive.pickle(record)?;
    // What follows STOP is no part of the program, as in torch.
    let Decoded { graph, .. } = pickle::decode(&bytes, limits).map_err(|e| e.in_record(archive.name(record)))?;
    Ok(graph.named(archive.name(record)))
}
