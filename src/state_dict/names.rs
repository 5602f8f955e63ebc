//! A list of names in one buffer, looked up by hash: the table is made when a name is first looked up.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::{Error, Shown};

/// Names in order.
#[derive(Clone, Default)]
pub(super) struct Names {
    text: String,
    /// The end of each name in `text`.
    ends: Vec<usize>,
    table: OnceLock<Table>,
}

#[derive(Clone)]
struct Table {
    hasher: DefaultHashBuilder,
    indices: HashTable<usize>,
    /// Two positions with one name, if there are any.
    collision: Option<(usize, usize)>,
}

/// How many near names a message lists.
const NEAR: usize = 3;

impl Names {
    /// With room for so many ends; the text grows.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { ends: Vec::with_capacity(count), ..Self::default() }
    }

    pub(super) fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    /// The name at a position; empty beyond the end.
    pub(super) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|&end| self.text.get(start..end)).unwrap_or_default()
    }

    /// The position of a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let table = self.table();
        let hash = table.hasher.hash_one(name);
        table.indices.find(hash, |&index| self.get(index) == name).copied()
    }

    /// An error if two names are the same.
    pub(super) fn must_differ(&self) -> Result<(), Error> {
        match self.table().collision {
            None => Ok(()),
            Some((first, second)) => Err(Error::caller(format!(
                "tensors {first} and {second} would both be named `{}`; `Checkpoint::tensors` tells them apart by their paths",
                Shown(self.get(second))
            ))),
        }
    }

    /// The names that differ least, best first: only those that share something with it.
    pub(super) fn nearest(&self, name: &str) -> Vec<&str> {
        let mut scored: Vec<(f64, usize)> = (0..self.ends.len())
            .map(|index| (strsim::normalized_levenshtein(name, self.get(index)), index))
            .filter(|&(score, _)| score > 0.4)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.iter().take(NEAR).map(|&(_, index)| self.get(index)).collect()
    }

    fn table(&self) -> &Table {
        self.table.get_or_init(|| {
            let hasher = DefaultHashBuilder::default();
            let mut indices: HashTable<usize> = HashTable::with_capacity(self.ends.len());
            let mut collision = None;
            for index in 0..self.ends.len() {
                let name = self.get(index);
                let hash = hasher.hash_one(name);
                match indices.find(hash, |&other| self.get(other) == name) {
                    Some(&first) => collision = collision.or(Some((first, index))),
                    None => {
                        indices.insert_unique(hash, index, |&other| hasher.hash_one(self.get(other)));
                    }
                }
            }
            Table { hasher, indices, collision }
        })
    }
}
