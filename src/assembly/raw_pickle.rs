//! Pickles that torch did not write: `pickle.dump(state_dict)`. Each storage in them is a whole legacy stream, as a byte
//! string, for `torch.storage._load_from_bytes` (`torch/storage.py`) to read; here it is read where it lies.

use std::borrow::Cow;

use super::gathering::Gathering;
use super::{Assembly, Opening, legacy};
use crate::error::Error;
use crate::format::Format;
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::pickle::{self, Decoded};
use crate::source::Source;
use crate::torch::{StorageLoader, latin1_argument};

/// Opens a pickle; whatever follows it is not looked at.
pub(super) fn assemble(source: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let bytes = source.bytes();
    let stable = if source.is_stable() {
        Cow::Borrowed(bytes)
    } else {
        let len = pickle::measure(bytes, opening.limits)?;
        Cow::Owned(bytes.get(..len).unwrap_or_default().to_vec())
    };
    let Decoded { graph, consumed } = pickle::decode(&stable, opening.limits)?;
    refuse_lone_number(&graph, bytes.get(consumed..).unwrap_or_default())?;
    let consumed = u64::try_from(consumed).unwrap_or(u64::MAX);
    let mut gathering = Gathering::of(graph.named(""), opening);
    let root = gathering.composer.graph().root();
    load_nested(&mut gathering, source, opening)?;
    // The protocol; those before 2 do not say theirs.
    let protocol = match bytes {
        [0x80, protocol, ..] => u64::from(*protocol),
        _ => 0,
    };
    Ok(gathering.finish(root, Format::Pickle, protocol, consumed))
}

/// A number with more pickles behind it is a legacy stream that begins with another number than torch's.
fn refuse_lone_number(graph: &Graph, behind: &[u8]) -> Result<(), Error> {
    match graph.node(graph.root()) {
        Node::Int(_) | Node::BigInt(_) if matches!(behind, [0x80, 0..=5, ..] | [b'I' | b'L' | b'(', ..]) => {
            Err(Error::malformed(
                "the file is built like a legacy checkpoint, but its magic number is wrong: it is damaged or no checkpoint",
            ))
        }
        _ => Ok(()),
    }
}

/// Puts what each nested stream holds, a storage, in the place of the call that would load it.
fn load_nested(gathering: &mut Gathering, source: &Source, opening: Opening<'_>) -> Result<(), Error> {
    let calls: Vec<(NodeId, NodeId)> = {
        let graph = gathering.composer.graph();
        let loader = StorageLoader::new(graph);
        graph.calls().filter_map(|(node, callable)| Some((node, loader.bytes(graph, node, callable)?))).collect()
    };
    let mut loaded = Vec::with_capacity(calls.len());
    for (call, bytes) in calls {
        let graph = gathering.composer.graph();
        let offset = graph.offset(call).unwrap_or(0);
        let located = |error: Error| error.at(offset).in_opcode("REDUCE");
        let stream = stream(graph, bytes, source).ok_or_else(|| {
            located(Error::malformed("_load_from_bytes is given no bytes, so that a storage is missing"))
        })?;
        let inner = opening.inner().map_err(located)?;
        let name = format!("the stream at byte {offset}");
        let assembly = legacy::assemble(stream, inner).map_err(|e| e.inside(&name))?;
        let root = gathering.add(assembly, &name)?;
        gathering.composer.alias(call, root);
        loaded.push(bytes);
    }
    gathering.composer.forget_bytes(&loaded);
    Ok(())
}

/// The nested stream: where it lies in the file, or decoded from text, as which protocols before 3 write bytes.
fn stream(graph: &Graph, bytes: NodeId, source: &Source) -> Option<Source> {
    if let Some(place) = graph.place_of_bytes(bytes) {
        return source.slice(place);
    }
    match graph.node(bytes) {
        Node::Bytes(bytes) | Node::ByteArray(bytes) | Node::PyString(bytes) => Some(Source::from(bytes.to_vec())),
        _ => latin1_argument(graph, bytes).map(Source::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_number_with_a_pickle_behind_it_is_no_checkpoint() {
        let open = |bytes: &'static [u8]| {
            let limits = Limits::default();
            let opening = Opening { limits: &limits, verify_checksums: false, nesting: Opening::NESTING };
            assemble(&Source::from(bytes), opening).map(|_| ())
        };
        assert!(open(b"\x80\x02K\x07.").is_ok());
        assert!(open(b"\x80\x02K\x07.garbage").is_ok());
        let error = open(b"\x80\x02K\x07.\x80\x02M\xe9\x03.").unwrap_err();
        assert!(error.to_string().contains("magic number"), "{error}");
    }
}
