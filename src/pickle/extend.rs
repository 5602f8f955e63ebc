//! What is done to containers and objects after they were made, and what keeps their keys distinct.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::build::Builder;
use super::graph::{NodeId, ObjectData, Repr};
use super::sequence::{Sequences, Span};
use crate::error::Error;

impl Builder {
    /// What was done to an object, a place for which is made the first time; `None` if the node is no object.
    pub(super) fn object(&mut self, id: NodeId) -> Result<Option<&mut ObjectData>, Error> {
        let Some(repr) = id.index().and_then(|index| self.graph.nodes.get_mut(index)) else { return Ok(None) };
        let index = match *repr {
            Repr::Object { index, .. } => index,
            Repr::Call { made, callable, args, offset } => {
                let index = Span::new(self.graph.objects.len(), 0)?.start();
                *repr = Repr::Object { index, offset };
                self.graph.objects.push(ObjectData {
                    made,
                    callable,
                    args,
                    kwargs: None,
                    states: Span::EMPTY,
                    items: Span::EMPTY,
                    entries: Span::EMPTY,
                });
                index
            }
            _ => return Ok(None),
        };
        Ok(self.graph.objects.get_mut(index as usize))
    }

    /// BUILD.
    pub(super) fn set_state(&mut self, target: NodeId, state: NodeId) -> Result<(), Error> {
        let Some(states) = self.object(target)?.map(|object| object.states) else {
            return Err(self.wrong_target("a state can be given to an object only", target));
        };
        let states = self.graph.refs.extend(states, [state].into_iter())?;
        if let Some(object) = self.object(target)? {
            object.states = states;
        }
        Ok(())
    }

    /// APPEND and APPENDS.
    pub(super) fn append(&mut self, target: NodeId, items: &[NodeId]) -> Result<(), Error> {
        match self.graph.repr(target) {
            Some(Repr::List(span)) => {
                let longer = self.graph.refs.extend(span, items.iter().copied())?;
                self.replace(target, Repr::List(longer));
                Ok(())
            }
            Some(Repr::Call { .. } | Repr::Object { .. }) => self.append_to_object(target, items),
            _ => Err(self.wrong_target("items can be appended to a list or an object", target)),
        }
    }

    /// ADDITEMS.
    pub(super) fn add_items(&mut self, target: NodeId, items: &[NodeId]) -> Result<(), Error> {
        match self.graph.repr(target) {
            Some(Repr::Set(span)) => {
                self.admit(items.iter())?;
                let longer = self.graph.refs.extend(span, items.iter().copied())?;
                self.note_keys(target, span, items);
                self.replace(target, Repr::Set(longer));
                Ok(())
            }
            Some(Repr::Call { .. } | Repr::Object { .. }) => self.append_to_object(target, items),
            _ => Err(self.wrong_target("items can be added to a set or an object", target)),
        }
    }

    fn append_to_object(&mut self, target: NodeId, new: &[NodeId]) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let items = self.object(target)?.map(|object| object.items).unwrap_or_default();
        let items = self.graph.refs.extend(items, new.iter().copied())?;
        if let Some(object) = self.object(target)? {
            object.items = items;
        }
        Ok(())
    }

    /// SETITEM and SETITEMS; `flat` holds keys and values in turn.
    pub(super) fn set_items(&mut self, target: NodeId, flat: &[NodeId]) -> Result<(), Error> {
        let (pairs, odd) = flat.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Error::malformed(format!(
                "{} items since the mark are not pairs of keys and values; the pickle is damaged",
                flat.len()
            )));
        }
        let span = match self.graph.repr(target) {
            Some(Repr::Dict(span)) => span,
            Some(Repr::Call { .. } | Repr::Object { .. }) if flat.is_empty() => return Ok(()),
            Some(Repr::Call { .. } | Repr::Object { .. }) => {
                self.object(target)?.map(|object| object.entries).unwrap_or_default()
            }
            _ => return Err(self.wrong_target("entries can be set in a dict or an object", target)),
        };
        self.admit(pairs.iter().map(|[key, _]| key))?;
        let longer = self.graph.pairs.extend(span, pairs.iter().map(|&[key, value]| (key, value)))?;
        self.note_keys(target, span, flat);
        match self.object(target)? {
            Some(object) => object.entries = longer,
            None => self.replace(target, Repr::Dict(longer)),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn admit<'k>(&mut self, keys: impl Iterator<Item = &'k NodeId>) -> Result<(), Error> {
        for &key in keys {
            self.keys.admit(&self.graph, key)?;
        }
        Ok(())
    }

    fn note_keys(&mut self, target: NodeId, before: Span, new: &[NodeId]) {
        if before.range().is_empty() && !new.is_empty() {
            self.keyed.push(target);
        }
    }

    #[inline]
    fn replace(&mut self, id: NodeId, repr: Repr) {
        if let Some(slot) = id.index().and_then(|index| self.graph.nodes.get_mut(index)) {
            *slot = repr;
        }
    }

    pub(super) fn merge_equal_keys(&mut self) {
        let Self { graph, keys, keyed, .. } = self;
        // Taken out meanwhile: keys that are tuples were looked at when they were admitted.
        let mut pairs = std::mem::replace(&mut graph.pairs, Sequences::with_capacity(0));
        let mut refs = std::mem::replace(&mut graph.refs, Sequences::with_capacity(0));
        for &id in &*keyed {
            let unique_keys = |entries: &mut [(NodeId, NodeId)]| {
                keys.unique(graph, entries, |&(key, _)| key, |first, (_, value)| first.1 = value)
            };
            let unique_items = |items: &mut [NodeId]| keys.unique(graph, items, |&item| item, |_, _| ());
            let merged = match graph.repr(id) {
                Some(Repr::Dict(span)) => Repr::Dict(pairs.compact(span, unique_keys)),
                Some(Repr::Set(span)) => Repr::Set(refs.compact(span, unique_items)),
                Some(Repr::FrozenSet(span)) => Repr::FrozenSet(refs.compact(span, unique_items)),
                Some(Repr::Object { index, .. }) => {
                    if let Some(entries) = graph.objects.get(index as usize).map(|object| object.entries) {
                        let entries = pairs.compact(entries, unique_keys);
                        if let Some(object) = graph.objects.get_mut(index as usize) {
                            object.entries = entries;
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            if let Some(slot) = id.index().and_then(|index| graph.nodes.get_mut(index)) {
                *slot = merged;
            }
        }
        graph.pairs = pairs;
        graph.refs = refs;
    }

    #[cold]
    fn wrong_target(&self, rule: &str, target: NodeId) -> Error {
        Error::malformed(format!("{rule}, found {}; the pickle is damaged or forged", self.kind_name(target)))
    }
}
