//! A mapping of names that is put together from several places.

use hashbrown::HashSet;

use crate::error::{Error, Shown};
use crate::pickle::Composer;
use crate::pickle::graph::{Graph, NodeId};
use crate::torch::{ascii_or_text, mapping_entries};

/// See the module's documentation. What a pickle has as a dict is extended, so that its attributes stay.
#[derive(Default)]
pub(super) struct Mapping {
    base: Option<NodeId>,
    entries: Vec<(NodeId, NodeId)>,
    names: HashSet<String>,
}

impl Mapping {
    /// Adds one entry.
    ///
    /// # Errors
    /// Malformed: the name is there already.
    pub(super) fn add(&mut self, composer: &mut Composer, name: &str, value: NodeId) -> Result<(), Error> {
        self.must_be_new(name)?;
        let key = composer.text(name)?;
        self.entries.push((key, value));
        Ok(())
    }

    /// Adds the entries of a dict.
    ///
    /// # Errors
    /// Malformed: it is no dict; a name is there already.
    pub(super) fn add_all(&mut self, graph: &Graph, dict: NodeId) -> Result<(), Error> {
        let Some(entries) = mapping_entries(graph, dict) else {
            let kind = graph.kind_name(dict);
            return Err(Error::malformed(format!("a {kind} where the dict of the weights should be")));
        };
        for name in entries.iter().filter_map(|&(key, _)| ascii_or_text(graph, key)) {
            self.must_be_new(name)?;
        }
        if self.base.is_none() && self.entries.is_empty() {
            self.base = Some(dict);
        } else {
            self.entries.extend(entries);
        }
        Ok(())
    }

    fn must_be_new(&mut self, name: &str) -> Result<(), Error> {
        if self.names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Error::malformed(format!("two weights or constants of the program are named `{}`", Shown(name))))
    }

    /// The mapping.
    pub(super) fn finish(self, composer: &mut Composer) -> Result<NodeId, Error> {
        let Some(base) = self.base else { return composer.dict(&self.entries) };
        if !self.entries.is_empty() {
            composer.set_items(base, &self.entries)?;
        }
        Ok(base)
    }
}
