//! The memo: what PUT stores under an index and GET fetches.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::graph::NodeId;
use hashbrown::HashMap;

/// Indices near the number of entries lie in a vector, all others in a map: an index is free to be anything, and the memory
/// taken is proportional to the entries stored.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// `NodeId::UNSET` where nothing is stored, or where the entry lies in `sparse`.
    dense: Vec<NodeId>,
    sparse: HashMap<u32, NodeId>,
    stored: usize,
}

impl Memo {
    const SLACK: usize = 64;

    pub(super) fn with_capacity(entries: usize) -> Self {
        Self { dense: Vec::with_capacity(entries), ..Self::default() }
    }

    /// The number of distinct indices set so far: where MEMOIZE stores.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<NodeId> {
        match self.dense.get(index as usize) {
            Some(&id) if id != NodeId::UNSET => Some(id),
            _ => self.sparse.get(&index).copied(),
        }
    }

    #[inline(always)]
    pub(super) fn put(&mut self, index: u32, id: NodeId) {
        if index as usize == self.dense.len() && self.sparse.is_empty() {
            self.dense.push(id);
            self.stored = self.stored.saturating_add(1);
        } else {
            self.put_anywhere(index, id);
        }
    }

    fn put_anywhere(&mut self, index: u32, id: NodeId) {
        let position = index as usize;
        let near = self.stored.saturating_mul(2).saturating_add(Self::SLACK);
        if position >= self.dense.len() && position <= near {
            self.dense.resize(position.saturating_add(1), NodeId::UNSET);
        }
        let before = match self.dense.get_mut(position) {
            Some(slot) => {
                let before = std::mem::replace(slot, id);
                // The entry may have been stored when the vector did not reach so far.
                if before == NodeId::UNSET { self.sparse.remove(&index) } else { Some(before) }
            }
            None => self.sparse.insert(index, id),
        };
        if before.is_none() {
            self.stored = self.stored.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_of_indices_is_kept_and_counted() {
        let ids: Vec<NodeId> = (0..400).map(|n| NodeId::small_int(n).unwrap()).collect();
        let mut memo = Memo::default();
        // Far ahead, then the way there: entries move from the map into the vector's reach.
        for &index in &[300_u32, 150, 200, u32::MAX] {
            memo.put(index, ids[index as usize % 400]);
        }
        for index in 0..400 {
            memo.put(index, ids[index as usize]);
        }
        assert_eq!(memo.stored(), 401);
        for index in 0..400 {
            assert_eq!(memo.get(index), Some(ids[index as usize]));
        }
        assert_eq!(memo.get(400), None);
        assert_eq!(memo.get(u32::MAX), Some(ids[u32::MAX as usize % 400]));
        memo.put(7, ids[9]);
        assert_eq!((memo.stored(), memo.get(7)), (401, Some(ids[9])));
    }

    #[test]
    fn case_055_the_largest_index_costs_one_entry() {
        let mut memo = Memo::default();
        memo.put(u32::MAX, NodeId::TRUE);
        assert_eq!(memo.get(u32::MAX), Some(NodeId::TRUE));
        assert_eq!((memo.dense.capacity(), memo.stored()), (0, 1));
    }
}
