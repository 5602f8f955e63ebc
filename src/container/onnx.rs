//! Is this an ONNX model? Protocol buffers have no mark, so their first fields have to tell.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

/// Fields of `ModelProto` (onnx.proto): `ir_version` comes first, then names and texts, and the graph is field 7.
const IR_VERSION: u64 = 1;
const GRAPH: u64 = 7;
const MAX_IR_VERSION: u64 = 100;
/// Fields before the graph, at most.
const MAX_FIELDS: usize = 64;

/// Whether the bytes begin like a `ModelProto`, up to its graph.
pub(super) fn is_onnx(bytes: &[u8]) -> bool {
    walk(bytes).unwrap_or(false)
}

fn walk(bytes: &[u8]) -> Option<bool> {
    let mut at = 0;
    for n in 0..MAX_FIELDS {
        let tag = varint(bytes, &mut at)?;
        let (field, wire) = (tag >> 3, tag & 7);
        match wire {
            0 => {
                let value = varint(bytes, &mut at)?;
                if n == 0 && (field != IR_VERSION || value == 0 || value > MAX_IR_VERSION) {
                    return None;
                }
            }
            2 if n > 0 => {
                let len = usize::try_from(varint(bytes, &mut at)?).ok()?;
                // The graph may be cut off: what it is can be told all the same.
                if field == GRAPH {
                    return Some(len > 0);
                }
                at = at.checked_add(len)?;
            }
            _ => return None,
        }
    }
    None
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at = at.checked_add(1)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
