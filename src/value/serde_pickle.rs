//! Values as the ecosystem's owned pickle values.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use num_bigint::BigInt;
use serde_pickle::{HashableValue, Value as Owned};

use super::deserialize::Failure;
use super::plain::{Items, Pairs, Plain, Prefer, SeqKind, plain, py_string_text};
use super::{Value, key_text};
use crate::error::{Error, Shown};
use crate::pickle::graph::NodeId;
use crate::torch::numpy::{Array, Scalar};

/// Levels that an owned value may have: dropping, comparing and reading one recurses level by level, in `serde_pickle`
/// near 400 bytes (and `from_value` several times that) each, and a thread has 2 MiB of stack.
const MAX_NESTING: usize = 256;

impl Value<'_> {
    /// The value as an owned [`serde_pickle::Value`], to re-encode or to hand on; feature `serde-pickle`.
    ///
    /// Containers become the plain ones (`OrderedDict` a dict), objects with attributes a dict of them, named tuples a tuple,
    /// members of enums their values, numpy scalars numbers, numpy arrays nested lists, dtypes, devices, layouts, paths,
    /// functions and classes text; see [`deserialize`](Value::deserialize). Dicts lose their order, and what was shared is
    /// there each time.
    ///
    /// # Errors
    /// Of kind [`Caller`](crate::ErrorKind::Caller), with the path from this value: a tensor, a storage, a complex number, an
    /// object without a value of its own; a key that is not hashable or is NaN; two keys that become one; a container that
    /// holds itself. Of kind [`Limit`](crate::ErrorKind::Limit): more than 256 levels, or more values than
    /// [`Limits::names`](crate::Limits::names).
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
    /// let args = checkpoint.root().get("args").unwrap().to_serde_pickle()?;
    /// let bytes = serde_pickle::value_to_vec(&args, Default::default())?; // Python's `pickle.loads` gives a dict
    /// # assert_eq!(serde_pickle::value_from_slice(&bytes, Default::default())?, args);
    ///
    /// let error = checkpoint.root().to_serde_pickle().unwrap_err();
    /// assert!(error.to_string().starts_with("model.conv1.weight: a tensor float32"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_serde_pickle(&self) -> Result<serde_pickle::Value, Error> {
        Converter::new(*self).run(*self).map_err(Failure::into_error)
    }
}

/// A container in progress.
struct Frame<'a> {
    node: NodeId,
    content: Content<'a>,
    next: usize,
    /// Finished children: of a mapping keys and values in turn.
    done: Vec<Owned>,
}

enum Content<'a> {
    Seq(SeqKind, Items<'a>),
    Map(Pairs<'a>),
}

impl Content<'_> {
    /// The child of a number: of a mapping keys and values in turn.
    fn child(&self, number: usize) -> Option<NodeId> {
        match self {
            Self::Seq(_, items) => items.at(number),
            Self::Map(pairs) => {
                let (key, value) = pairs.at(number / 2)?;
                Some(if number.is_multiple_of(2) { key } else { value })
            }
        }
    }
}

struct Converter<'a> {
    value: Value<'a>,
    left: usize,
    levels: usize,
    frames: Vec<Frame<'a>>,
    open: HashSet<NodeId>,
}

impl<'a> Converter<'a> {
    fn new(value: Value<'a>) -> Self {
        let limits = value.program().limits();
        let levels = limits.nesting.min(MAX_NESTING);
        Self { value, left: limits.names, levels, frames: Vec::new(), open: HashSet::new() }
    }

    /// Depth first without recursion: the file chooses the depth.
    fn run(&mut self, root: Value<'a>) -> Result<Owned, Failure> {
        let mut finished = self.enter(root).map_err(|failure| self.locate(failure))?;
        loop {
            let Some(frame) = self.frames.last_mut() else {
                return finished.ok_or_else(|| Failure::caller("nothing was converted"));
            };
            frame.done.extend(finished.take());
            match frame.content.child(frame.next) {
                Some(child) => {
                    frame.next = frame.next.saturating_add(1);
                    finished = self.enter(self.value.at(child)).map_err(|failure| self.locate(failure))?;
                }
                None => finished = self.leave()?,
            }
        }
    }

    /// A value that is complete at once, or `None` and a new frame.
    fn enter(&mut self, value: Value<'a>) -> Result<Option<Owned>, Failure> {
        let plain = plain(value, Prefer::Any);
        self.spend(plain.weight().saturating_add(1))?;
        let content = match plain {
            Plain::None => return Ok(Some(Owned::None)),
            Plain::Bool(value) => return Ok(Some(Owned::Bool(value))),
            Plain::Int(value) => return Ok(Some(int(value))),
            Plain::BigInt(bytes) => return Ok(Some(Owned::Int(BigInt::from_signed_bytes_le(bytes)))),
            Plain::Float(value) => return Ok(Some(Owned::F64(value))),
            Plain::Complex(..) => return Err(complex()),
            Plain::Text(text) => return Ok(Some(Owned::String(text.into_owned()))),
            Plain::PyString(bytes) => return Ok(Some(Owned::String(py_string_text(bytes).into_owned()))),
            Plain::Bytes(bytes) => return Ok(Some(Owned::Bytes(bytes.into_owned()))),
            Plain::Array(array) => return self.array(&array).map(Some),
            Plain::Refused(what) => return Err(Failure::caller(format!("{what}, which no plain pickle value is"))),
            Plain::Seq(kind, items) => Content::Seq(kind, items),
            Plain::Map(pairs) => Content::Map(pairs),
        };
        if !self.open.insert(value.node()) {
            return Err(Failure::caller("a container that holds itself, which no owned value can"));
        }
        if self.frames.len() >= self.levels {
            self.open.remove(&value.node());
            return Err(Failure::limit(format!("nested deeper than the {} levels of an owned value", self.levels)));
        }
        self.frames.push(Frame { node: value.node(), content, next: 0, done: Vec::new() });
        Ok(None)
    }

    fn leave(&mut self) -> Result<Option<Owned>, Failure> {
        let Some(frame) = self.frames.pop() else { return Ok(None) };
        self.open.remove(&frame.node);
        let owned = match frame.content {
            Content::Seq(SeqKind::List, _) => Ok(Owned::List(frame.done)),
            Content::Seq(SeqKind::Tuple, _) => Ok(Owned::Tuple(frame.done)),
            Content::Seq(SeqKind::Set, _) => elements(frame.done).map(Owned::Set),
            Content::Seq(SeqKind::FrozenSet, _) => elements(frame.done).map(Owned::FrozenSet),
            Content::Map(_) => entries(frame.done).map(Owned::Dict),
        };
        owned.map(Some).map_err(|failure| self.locate(failure))
    }

    /// Adds the path of the child that the innermost frame was at.
    fn locate(&self, failure: Failure) -> Failure {
        let piece = |frame: &Frame<'a>| {
            let number = frame.next.saturating_sub(1);
            match &frame.content {
                Content::Seq(..) => number.to_string(),
                Content::Map(pairs) => {
                    let key = pairs.at(number / 2).map(|(key, _)| key_text(self.value.program(), key));
                    let key = key.unwrap_or_default();
                    if number.is_multiple_of(2) { format!("key `{key}`") } else { key.into_owned() }
                }
            }
        };
        self.frames.iter().rev().fold(failure, |failure, frame| failure.under(piece(frame)))
    }

    fn spend(&mut self, cost: usize) -> Result<(), Failure> {
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            Failure::limit("more values than `Limits::names`, shared ones counted each time; raise it with `LoadOptions::limits` if the file is trusted")
        })?;
        Ok(())
    }

    /// Nested lists by dimension, of which there are at most 64.
    fn array(&mut self, array: &Array<'_>) -> Result<Owned, Failure> {
        if self.frames.len().saturating_add(array.shape().len()) > self.levels {
            return Err(Failure::limit(format!("nested deeper than the {} levels of an owned value", self.levels)));
        }
        self.dimension(array, 0, 0)
    }

    fn dimension(&mut self, array: &Array<'_>, dimension: usize, offset: usize) -> Result<Owned, Failure> {
        self.spend(1)?;
        let Some(&size) = array.shape().get(dimension) else {
            return Ok(match array.element(offset) {
                Some(Scalar::Bool(value)) => Owned::Bool(value),
                Some(Scalar::Int(value)) => int(value),
                Some(Scalar::Float(value)) => Owned::F64(value),
                Some(Scalar::Text(text)) => Owned::String(text),
                Some(Scalar::Bytes(bytes)) => Owned::Bytes(bytes),
                Some(Scalar::Complex(..)) => return Err(complex()),
                None => return Err(Failure::caller("a text of numpy that is no Unicode")),
            });
        };
        let mut items = Vec::new();
        for index in 0..size {
            let step = index.saturating_mul(array.stride(dimension));
            items.push(self.dimension(array, dimension.saturating_add(1), offset.saturating_add(step))?);
        }
        Ok(Owned::List(items))
    }
}

fn complex() -> Failure {
    Failure::caller("a complex number, which serde_pickle has no value for")
}

fn int(value: i128) -> Owned {
    i64::try_from(value).map_or_else(|_| Owned::Int(value.into()), Owned::I64)
}

fn hashable(key: Owned) -> Result<HashableValue, Failure> {
    let key = key.into_hashable().map_err(|_| {
        Failure::caller("a key or element that is a list, set or dict, which serde_pickle cannot order")
    })?;
    if has_nan(&key) {
        return Err(Failure::caller("NaN as a key or element, which serde_pickle cannot order"));
    }
    Ok(key)
}

fn has_nan(key: &HashableValue) -> bool {
    match key {
        HashableValue::F64(value) => value.is_nan(),
        // As deep as the value, which is capped.
        HashableValue::Tuple(items) => items.iter().any(has_nan),
        HashableValue::FrozenSet(items) => items.iter().any(has_nan),
        _ => false,
    }
}

fn elements(done: Vec<Owned>) -> Result<BTreeSet<HashableValue>, Failure> {
    let mut set = BTreeSet::new();
    for element in done {
        let element = hashable(element)?;
        if let Some(twice) = set.replace(element) {
            return Err(one(&twice));
        }
    }
    Ok(set)
}

fn entries(done: Vec<Owned>) -> Result<BTreeMap<HashableValue, Owned>, Failure> {
    let mut dict = BTreeMap::new();
    let mut done = done.into_iter();
    while let (Some(key), Some(value)) = (done.next(), done.next()) {
        let key = hashable(key)?;
        if dict.contains_key(&key) {
            return Err(one(&key));
        }
        dict.insert(key, value);
    }
    Ok(dict)
}

fn one(key: &HashableValue) -> Failure {
    Failure::caller(format!("two keys or elements that both become {}", Shown(&key.to_string())))
}
