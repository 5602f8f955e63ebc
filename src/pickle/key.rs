//! Which keys of a dict, or elements of a set, are one: Python's `==` and `hash` over the graph.
//!
//! `1`, `1.0` and `True` are one key, however wide the numbers; text and bytes are never one; a Python 2 string is the text
//! that it decodes to as UTF-8; tuples are compared by their elements. Objects, persistent references, frozensets and NaN are
//! compared by identity (Python would ask an object's own `__eq__`, and would compare the elements of frozensets).
//!
//! The file chooses the keys, so nothing here may cost more than the pickle is long: hashes are seeded, and a tuple or a long
//! string, which one byte can mention again and again, is looked at once and stands for itself afterwards.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::graph::{GlobalId, Graph, NodeId, Repr};
use crate::error::Error;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use num_bigint::BigInt;
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

/// What Python compares.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key<'g> {
    Int(i64),
    /// As [`Node::BigInt`](super::graph::Node::BigInt).
    BigInt(Cow<'g, [u8]>),
    /// The bits of a float that is no integer and no NaN.
    Float(u64),
    Text(&'g [u8]),
    /// A Python 2 string that is not UTF-8.
    PyString(&'g [u8]),
    Bytes(&'g [u8]),
    Global(GlobalId),
    Extension(i32),
    /// A node that equals no other, or the first of equal nodes met.
    Same(NodeId),
}

/// How a node serves as a key.
enum Hashing {
    /// Its [`Key`] is small.
    Direct,
    /// A tuple or something long: looked at once, by `admit`.
    Interned,
    Never,
}

/// The keys seen so far.
#[derive(Debug, Default)]
pub(super) struct Keys {
    hasher: DefaultHashBuilder,
    /// The first of equal nodes, of every node that is [`Hashing::Interned`].
    first: HashMap<NodeId, NodeId>,
    /// Those first nodes, with the hashes of their contents.
    contents: HashTable<(u64, NodeId)>,
}

impl Keys {
    /// Strings and integers longer than this are interned.
    const LONG: usize = 256;
    /// Up to so many keys are compared with each other; more are hashed.
    const FEW: usize = 8;

    /// Takes note of a key; an error if Python could not hash it.
    #[inline]
    pub(super) fn admit(&mut self, graph: &Graph, id: NodeId) -> Result<(), Error> {
        match hashing(graph, id) {
            Hashing::Direct => Ok(()),
            Hashing::Interned => self.intern(graph, id),
            Hashing::Never => Err(unhashable(graph, id)),
        }
    }

    /// Elements of tuples before the tuples, without recursion; a tuple holds only what was made before it, so there are no
    /// cycles.
    fn intern(&mut self, graph: &Graph, id: NodeId) -> Result<(), Error> {
        let mut pending = vec![id];
        while let Some(&top) = pending.last() {
            if self.first.contains_key(&top) {
                pending.pop();
                continue;
            }
            let waiting = pending.len();
            for &element in elements(graph, top).unwrap_or_default() {
                match hashing(graph, element) {
                    Hashing::Direct => {}
                    Hashing::Interned if self.first.contains_key(&element) => {}
                    Hashing::Interned => pending.push(element),
                    Hashing::Never => return Err(unhashable(graph, element)),
                }
            }
            if pending.len() == waiting {
                pending.pop();
                self.intern_one(graph, top);
            }
        }
        Ok(())
    }

    fn intern_one(&mut self, graph: &Graph, id: NodeId) {
        let mut hasher = self.hasher.build_hasher();
        match elements(graph, id) {
            Some(items) => items.iter().for_each(|&item| self.key(graph, item).hash(&mut hasher)),
            None => content(graph, id).hash(&mut hasher),
        }
        let hash = hasher.finish();
        let equal = |&(other_hash, other): &(u64, NodeId)| {
            other_hash == hash
                && match (elements(graph, id), elements(graph, other)) {
                    (Some(a), Some(b)) => {
                        a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| self.key(graph, a) == self.key(graph, b))
                    }
                    (None, None) => content(graph, id) == content(graph, other),
                    _ => false,
                }
        };
        let first = self.contents.find(hash, equal).map_or(id, |&(_, first)| first);
        if first == id {
            self.contents.insert_unique(hash, (hash, id), |&(hash, _)| hash);
        }
        self.first.insert(id, first);
    }

    fn key<'g>(&self, graph: &'g Graph, id: NodeId) -> Key<'g> {
        match hashing(graph, id) {
            Hashing::Interned => Key::Same(self.first.get(&id).copied().unwrap_or(id)),
            Hashing::Direct | Hashing::Never => content(graph, id),
        }
    }

    /// Moves the elements whose keys (admitted before) are distinct to the front, in order, and returns their number. `merge`
    /// is given the first of equal elements and a later one.
    pub(super) fn unique<T: Copy>(
        &self,
        graph: &Graph,
        elements: &mut [T],
        key: impl Fn(&T) -> NodeId,
        merge: impl Fn(&mut T, T),
    ) -> usize {
        let many = elements.len() > Self::FEW;
        let mut table = HashTable::with_capacity(if many { elements.len() } else { 0 });
        let hash_of = |key: &Key<'_>| self.hasher.hash_one(key);
        let key_at = |elements: &[T], at: usize| elements.get(at).map(|e| self.key(graph, key(e)));
        let mut kept = 0_usize;
        for next in 0..elements.len() {
            let Some(&element) = elements.get(next) else { break };
            let own = self.key(graph, key(&element));
            let hash = if many { hash_of(&own) } else { 0 };
            let found = if many {
                table
                    .find(hash, |&at: &u32| key_at(elements, at as usize).as_ref() == Some(&own))
                    .map(|&at| at as usize)
            } else {
                (0..kept).find(|&at| key_at(elements, at).as_ref() == Some(&own))
            };
            if let Some(first) = found.and_then(|at| elements.get_mut(at)) {
                merge(first, element);
                continue;
            }
            if let (true, Ok(at)) = (many, u32::try_from(kept)) {
                table.insert_unique(hash, at, |&at| key_at(elements, at as usize).map_or(0, |key| hash_of(&key)));
            }
            if let Some(slot) = elements.get_mut(kept) {
                *slot = element;
            }
            kept = kept.saturating_add(1);
        }
        kept
    }
}

fn elements(graph: &Graph, id: NodeId) -> Option<&[NodeId]> {
    match graph.repr(id) {
        Some(Repr::Tuple(span)) => Some(graph.refs.get(span)),
        _ => None,
    }
}

#[inline]
fn hashing(graph: &Graph, id: NodeId) -> Hashing {
    let Some(repr) = graph.repr(id) else { return Hashing::Direct };
    match repr {
        Repr::Str(span) | Repr::PyString(span) | Repr::Bytes(span) | Repr::BigInt(span) => {
            if span.range().len() > Keys::LONG { Hashing::Interned } else { Hashing::Direct }
        }
        Repr::LongBytes(_) | Repr::SurrogateStr(_) | Repr::Tuple(_) => Hashing::Interned,
        Repr::List(_) | Repr::Dict(_) | Repr::Set(_) | Repr::ByteArray(_) => Hashing::Never,
        Repr::None
        | Repr::Bool(_)
        | Repr::Int(_)
        | Repr::Float(_)
        | Repr::FrozenSet(_)
        | Repr::Global(_)
        | Repr::Persistent { .. }
        | Repr::Extension(_)
        | Repr::Call { .. }
        | Repr::Object { .. } => Hashing::Direct,
    }
}

/// The key of anything but a tuple.
fn content(graph: &Graph, id: NodeId) -> Key<'_> {
    let Some(repr) = graph.repr(id) else {
        return Key::Int(id.as_small_int().unwrap_or_default().into());
    };
    match repr {
        Repr::Bool(value) => Key::Int(value.into()),
        Repr::Int(value) => Key::Int(value),
        Repr::BigInt(span) => Key::BigInt(Cow::Borrowed(graph.raw(span))),
        Repr::Float(value) => float(value).unwrap_or(Key::Same(id)),
        Repr::Str(span) => Key::Text(graph.text(span).as_bytes()),
        // Never valid UTF-8, and so equal to no other string.
        Repr::SurrogateStr(_) => Key::Text(graph.surrogates(id).unwrap_or_default()),
        Repr::PyString(span) => {
            let raw = graph.raw(span);
            if std::str::from_utf8(raw).is_ok() { Key::Text(raw) } else { Key::PyString(raw) }
        }
        Repr::Bytes(span) => Key::Bytes(graph.raw(span)),
        Repr::LongBytes(index) => {
            Key::Bytes(graph.long_bytes.get(index as usize).map(|long| &*long.bytes).unwrap_or_default())
        }
        Repr::Global(id) => Key::Global(id),
        Repr::Extension(code) => Key::Extension(code),
        _ => Key::Same(id),
    }
}

/// A float as the integer that it equals, if it equals one; `None` for NaN.
fn float(value: f64) -> Option<Key<'static>> {
    if value.is_nan() {
        return None;
    }
    // The bounds are exact: -2^63 and 2^63.
    if value.trunc() == value && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of 64 bits")]
        return Some(Key::Int(value as i64));
    }
    if value.is_infinite() || value.trunc() != value {
        return Some(Key::Float(value.to_bits()));
    }
    // At least 2^63: a significand of 53 bits, shifted left.
    let bits = value.to_bits();
    let significand = i64::try_from(bits & ((1 << 52) - 1) | 1 << 52).unwrap_or_default();
    let shift = (bits >> 52 & 0x7ff).saturating_sub(1075);
    let signed = if value < 0.0 { significand.saturating_neg() } else { significand };
    Some(Key::BigInt(Cow::Owned(shifted(signed, shift))))
}

#[expect(clippy::arithmetic_side_effects, reason = "a shift of a big integer, by less than 1024 bits")]
fn shifted(value: i64, shift: u64) -> Vec<u8> {
    (BigInt::from(value) << shift).to_signed_bytes_le()
}

#[cold]
fn unhashable(graph: &Graph, id: NodeId) -> Error {
    Error::malformed(format!(
        "found {} as the key of a dict or the element of a set, which Python cannot hash; the pickle is damaged",
        graph.kind_name(id)
    ))
}
