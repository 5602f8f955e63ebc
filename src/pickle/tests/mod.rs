//! Tests of the machine as a whole. [`show`] writes what was decoded as Python would, so that an expectation is one line.

mod assemble;
mod cost;
mod keys;
mod opcodes;
mod properties;
mod protocols;
mod rules;

use super::decode;
use super::graph::{Graph, Node, NodeId};
use super::machine::Decoded;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use assemble::Assembler;
use num_bigint::BigInt;

fn decode_all(pickle: &[u8]) -> Result<Graph, Error> {
    let Decoded { graph, consumed } = decode(pickle, &Limits::default())?;
    assert_eq!(consumed, pickle.len(), "consumed");
    Ok(graph)
}

/// What a pickle decodes to, or the error's text.
fn shown(pickle: &[u8]) -> String {
    match decode_all(pickle) {
        Ok(graph) => show(&graph, graph.root()),
        Err(error) => format!("error: {error}"),
    }
}

fn assert_error(pickle: &[u8], kind: ErrorKind, text: &str) -> Error {
    let error = decode(pickle, &Limits::default()).expect_err(text);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not say `{text}`");
    error
}

/// A node as Python writes it, nearly; `...` where it contains itself.
fn show(graph: &Graph, id: NodeId) -> String {
    show_inside(graph, id, &mut Vec::new())
}

fn show_inside(graph: &Graph, id: NodeId, around: &mut Vec<NodeId>) -> String {
    if id.index().is_some() && around.contains(&id) {
        return "...".to_owned();
    }
    around.push(id);
    let mut all =
        |items: &[NodeId]| items.iter().map(|&item| show_inside(graph, item, around)).collect::<Vec<_>>().join(", ");
    let text = match graph.node(id) {
        Node::None => "None".to_owned(),
        Node::Bool(true) => "True".to_owned(),
        Node::Bool(false) => "False".to_owned(),
        Node::Int(value) => value.to_string(),
        Node::BigInt(bytes) => BigInt::from_signed_bytes_le(bytes).to_string(),
        Node::Float(value) => format!("{value:?}"),
        Node::Str(text) => match text.surrogates {
            None => format!("{:?}", text.text),
            Some(raw) => format!("surrogates({:?}, {})", text.text, raw.escape_ascii()),
        },
        Node::PyString(bytes) => format!("py2\"{}\"", bytes.escape_ascii()),
        Node::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Node::ByteArray(bytes) => format!("bytearray(\"{}\")", bytes.escape_ascii()),
        Node::Tuple(items) => format!("({})", all(items)),
        Node::List(items) => format!("[{}]", all(items)),
        Node::Set(items) => format!("set({})", all(items)),
        Node::FrozenSet(items) => format!("frozenset({})", all(items)),
        Node::Dict(entries) => show_entries(entries, all),
        Node::Global(global) => {
            let (module, name) = graph.global(global);
            format!("{module}.{name}")
        }
        Node::Persistent(id) => format!("persistent({})", all(&[id])),
        Node::Extension(code) => format!("extension({code})"),
        Node::Object(object) => {
            let mut text = format!("{}({}, {}", object.made.opcode(), all(&[object.callable]), all(&[object.args]));
            if let Some(kwargs) = object.kwargs {
                text += &format!(", kwargs={}", all(&[kwargs]));
            }
            if !object.states.is_empty() {
                text += &format!(", states=[{}]", all(object.states));
            }
            if !object.items.is_empty() {
                text += &format!(", items=[{}]", all(object.items));
            }
            if !object.entries.is_empty() {
                text += &format!(", entries={}", show_entries(object.entries, all));
            }
            text + ")"
        }
    };
    around.pop();
    text
}

fn show_entries(entries: &[(NodeId, NodeId)], mut all: impl FnMut(&[NodeId]) -> String) -> String {
    let entries: Vec<_> = entries.iter().map(|&(key, value)| format!("{}: {}", all(&[key]), all(&[value]))).collect();
    format!("{{{}}}", entries.join(", "))
}
