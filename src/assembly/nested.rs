//! Storages within a pickle: each is a whole legacy stream, as a byte string, for `torch.storage._load_from_bytes`
//! (`torch/storage.py`) to read. Here it is read where it lies, and stands in the place of the call.

use super::gathering::Gathering;
use super::{Assembly, Opening, legacy};
use crate::error::Error;
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::source::Source;
use crate::torch::{StorageLoader, in_place, latin1_argument};

/// The same with everything loaded that lies in byte strings of its pickle, which `pickle` holds.
pub(super) fn resolve(assembly: Assembly, pickle: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let graph = &assembly.graph;
    let loader = StorageLoader::new(graph);
    if !loader.is_mentioned() {
        return Ok(assembly);
    }
    let calls = graph.calls().filter_map(|(node, callable, _)| Some((node, loader.bytes(graph, node, callable)?)));
    let calls: Vec<(NodeId, NodeId)> = calls.collect();
    let Assembly { graph, stores, records, format, version, writer, consumed, constants } = assembly;
    let root = graph.root();
    let mut gathering = Gathering::of(graph, stores, records, opening);
    let mut loaded = Vec::with_capacity(calls.len());
    for (call, bytes) in calls {
        let graph = gathering.composer.graph();
        let stream = stream(graph, bytes, pickle).ok_or_else(|| {
            in_place(Error::malformed("_load_from_bytes is given no bytes: a storage is missing"), graph, call)
        })?;
        let inner = opening.inner().map_err(|e| in_place(e, graph, call))?;
        let name = format!("the stream at byte {}", graph.offset(call).unwrap_or(0));
        let name = match graph.part_name(call) {
            Some(part) => format!("{part}: {name}"),
            None => name,
        };
        let assembly = legacy::assemble(stream, inner).map_err(|e| e.inside(&name))?;
        let root = gathering.add(assembly, &name)?;
        gathering.composer.alias(call, root);
        loaded.push(bytes);
    }
    gathering.composer.forget_bytes(&loaded);
    Ok(Assembly { writer, constants, ..gathering.finish(root, format, version, consumed) })
}

/// The nested stream: where it lies in the file, or decoded from text, as which protocols before 3 write bytes.
fn stream(graph: &Graph, bytes: NodeId, pickle: &Source) -> Option<Source> {
    if let Some(place) = graph.place_of_bytes(bytes) {
        return pickle.slice(place);
    }
    match graph.node(bytes) {
        Node::Bytes(bytes) | Node::ByteArray(bytes) | Node::PyString(bytes) => Some(Source::from(bytes.to_vec())),
        _ => latin1_argument(graph, bytes).map(Source::from),
    }
}
