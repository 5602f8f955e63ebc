//! Pickles that torch did not write: `pickle.dump(state_dict)`. Their storages are nested streams (`super::nested`).

use super::{Assembly, Opening, legacy, nested};
use crate::error::Error;
use crate::format::Format;
use crate::pickle::graph::{Graph, Node};
use crate::pickle::{self, Decoded};
use crate::source::Source;
use crate::torch::Stores;

/// Opens a pickle; whatever follows it is not looked at.
pub(super) fn assemble(source: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let bytes = source.bytes();
    // Measured even where nobody can change the bytes: all ways of opening a file find the same defect first.
    let len = u64::try_from(pickle::measure(bytes, opening.limits)?).unwrap_or(u64::MAX);
    let stable = source.stable(0..len).unwrap_or_default();
    let Decoded { graph, consumed } = pickle::decode(&stable, opening.limits)?;
    refuse_lone_number(&graph, bytes.get(consumed..).unwrap_or_default())?;
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

/// A number with more pickles behind it is a legacy stream that begins with another number than torch's.
fn refuse_lone_number(graph: &Graph, behind: &[u8]) -> Result<(), Error> {
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
        _ => Ok(()),
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
        let error = open(b"\x80\x04(\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.F").unwrap_err();
        assert!(error.to_string().contains("magic number"), "{error}");
        let error = open(b"\x80\x02K\x07.\x80\x02M\xe9\x03.").unwrap_err();
        assert!(error.to_string().contains("magic number"), "{error}");
    }
}
