//! Text in a pickle: `str` of Python 3, and byte strings of Python 2 that stand for text.

use std::borrow::Cow;

use crate::pickle::graph::{Graph, Node, NodeId};

/// A word of the format (a key, a tag): text, or a Python 2 byte string that is UTF-8.
pub(crate) fn ascii_or_text(graph: &Graph, id: NodeId) -> Option<&str> {
    if let Some(text) = graph.as_str(id) {
        return Some(text);
    }
    match graph.node(id) {
        Node::Str(text) => Some(text.text),
        Node::PyString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// A Python 2 byte string as text: UTF-8, else latin1 (every byte one character), as torch's users choose between.
pub(crate) fn python2_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()),
    }
}

/// Text as the bytes that `encode('latin1')` gives; `None` if a character has no such byte.
pub(crate) fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
