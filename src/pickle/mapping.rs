//! Python's own mappings when they are made of their entries: `OrderedDict([[key, value], …])`, as Python 2 pickles it, and
//! `Counter({…})`. The entries become the object's, as if they had been set: a later one counts where keys are equal, and a
//! key must be hashable.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::build::Builder;
use super::graph::{Made, NodeId, Repr};
use super::sequence::Span;
use crate::error::Error;

impl Builder {
    /// REDUCE.
    ///
    /// # Errors
    /// Those of adding a node and of setting entries. Limit: more entries are copied than the pickle has bytes so far.
    #[inline(always)]
    pub(super) fn reduce(&mut self, callable: NodeId, args: NodeId, offset: u32) -> Result<NodeId, Error> {
        if args != NodeId::EMPTY_TUPLE
            && let Some(Repr::Tuple(span)) = self.graph.repr(args)
            && span.range().len() <= 2
            && let Some((args, entries)) = self.given_entries(callable, args)?
        {
            // Each entry was written once, in a byte at least; more copies than that are copies of copies.
            self.copied_entries = self.copied_entries.saturating_add(entries.len() as u64 / 2);
            if self.copied_entries > u64::from(offset) {
                return Err(Error::limit(
                    "the pickle makes mappings of one another's entries so often that they outgrow it",
                ));
            }
            let object = self.call(Made::Reduce, callable, args, offset)?;
            self.set_items(object, &entries)?;
            return Ok(object);
        }
        self.call(Made::Reduce, callable, args, offset)
    }

    /// The other arguments, and the entries with keys and values in turn; `None` if this is not such a call.
    fn given_entries(&mut self, callable: NodeId, args: NodeId) -> Result<Option<(NodeId, Vec<NodeId>)>, Error> {
        let Some(Repr::Tuple(span)) = self.graph.repr(args) else { return Ok(None) };
        let (rest, given) = match (self.mapping(callable), self.graph.refs.get(span)) {
            (Some("defaultdict"), &[factory, given]) => (Some(factory), given),
            (Some("OrderedDict" | "Counter" | "dict"), &[given]) => (None, given),
            _ => return Ok(None),
        };
        let Some(entries) = self.entries_of(given) else { return Ok(None) };
        // A few bytes can ask for a copy of many entries; those that are copied once have a byte or more for each.
        let Some(left) = self.copies_left.checked_sub(entries.len()) else {
            return Err(Error::limit("the pickle makes mappings of the same entries over and over"));
        };
        self.copies_left = left;
        Ok(Some((self.tuple(rest.as_slice())?, entries)))
    }

    fn entries_of(&self, given: NodeId) -> Option<Vec<NodeId>> {
        let span = match self.graph.repr(given)? {
            Repr::Dict(span) => span,
            Repr::Object { index, .. } => {
                let object = self.graph.objects.get(index as usize)?;
                self.mapping(object.callable)?;
                object.entries
            }
            Repr::Call { callable, args: NodeId::EMPTY_TUPLE, .. } if self.mapping(callable).is_some() => Span::EMPTY,
            Repr::List(span) | Repr::Tuple(span) => {
                let pairs = self.graph.refs.get(span);
                let mut entries = Vec::with_capacity(pairs.len().saturating_mul(2));
                for &pair in pairs {
                    let (Repr::List(pair) | Repr::Tuple(pair)) = self.graph.repr(pair)? else { return None };
                    let &[key, value] = self.graph.refs.get(pair) else { return None };
                    entries.extend([key, value]);
                }
                return Some(entries);
            }
            _ => return None,
        };
        Some(self.graph.pairs.get(span).iter().flat_map(|&(key, value)| [key, value]).collect())
    }

    /// The name of a class of mappings that Python itself has.
    fn mapping(&self, callable: NodeId) -> Option<&str> {
        let Some(Repr::Global(id)) = self.graph.repr(callable) else { return None };
        match self.graph.global(id) {
            ("collections", name @ ("OrderedDict" | "Counter" | "defaultdict")) => Some(name),
            ("builtins" | "__builtin__", "dict") => Some("dict"),
            _ => None,
        }
    }
}
