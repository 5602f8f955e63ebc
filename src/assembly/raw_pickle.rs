//! Pickles that torch did not write: `pickle.dump(state_dict)`. Their storages are nested streams (`super::nested`).

use super::{Assembly, Opening, legacy, nested};
use crate::error::Error;
use crate::format::Format;
use crate::pickle::graph::{Graph, Node, NodeId};
use crate::pickle::{self, Decoded};
use crate::source::Source;
use crate::torch::{Stores, ascii_or_text};

/// Opens a pickle; whatever follows it is not looked at.
pub(super) fn assemble(source: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let bytes = source.bytes();
    // Measured even where nobody can change the bytes: all ways of opening a file find the same defect first.
    let len = u64::try_from(pickle::measure(bytes, opening.limits)?).unwrap_or(u64::MAX);
    let stable = source.stable(0..len)?;
    let Decoded { graph, consumed } = pickle::decode(&stable, opening.limits)?;
    refuse_damaged_stream(&graph, bytes.get(consumed..).unwrap_or_default())?;
    let consumed = u64::try_from(consumed).unwrap_or(u64::MAX);
    // The protocol; those before 2 do not say theirs.
    let protocol = match bytes {
        [0x80, protocol, ..] => u64::from(*protocol),
        _ => 0,
    };
    let assembly = Assembly {
        graph: graph.named(""),
        stores: Stores::default(),
        records: Vec::new(),
        format: Format::Pickle,
        version: protocol,
        writer: Some("pickle.dump"),
        consumed,
        constants: None,
    };
    nested::resolve(assembly, source, opening)
}

/// Legacy streams that are damaged at the beginning: a number with more pickles behind it, torch's own number in another
/// form, or what comes after it.
fn refuse_damaged_stream(graph: &Graph, behind: &[u8]) -> Result<(), Error> {
    match graph.node(graph.root()) {
        // Damaged in front of it, or spelled as torch does not.
        Node::BigInt(number) if *number == legacy::MAGIC => Err(Error::malformed(
            "the file begins with torch's magic number, but not as a legacy checkpoint does: it is damaged",
        )),
        Node::Int(_) | Node::BigInt(_) if matches!(behind, [0x80, 0..=5, ..] | [b'I' | b'L' | b'(', ..]) => {
            Err(Error::malformed(
                "the file is built like a legacy checkpoint, but its magic number is wrong: it is damaged or no checkpoint",
            ))
        }
        // What torch writes in third place; the weights would come behind it.
        Node::Dict(entries) if is_facts(graph, entries) => Err(Error::malformed(
            "the file begins with the facts about the writer of a legacy checkpoint, and not with its magic number: it is damaged",
        )),
        _ => Ok(()),
    }
}

fn is_facts(graph: &Graph, entries: &[(NodeId, NodeId)]) -> bool {
    let has = |name| entries.iter().any(|&(key, _)| ascii_or_text(graph, key) == Some(name));
    entries.len() <= 4 && has("protocol_version") && has("little_endian") && has("type_sizes")
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
        let facts = b"\x80\x03\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20.\x80\x03.}(X\x10\0\0\0protocol_versionM\xe9\x03X\x0d\0\0\0little_endian\x88X\x0a\0\0\0type_sizes}u.\x80\x02N.";
        assert!(open(facts).unwrap_err().to_string().contains("magic number"));
        let error = open(b"\x80\x04(\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.F").unwrap_err();
        assert!(error.to_string().contains("magic number"), "{error}");
        let error = open(b"\x80\x02K\x07.\x80\x02M\xe9\x03.").unwrap_err();
        assert!(error.to_string().contains("magic number"), "{error}");
    }
}
