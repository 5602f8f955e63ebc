//! Tensors by module: names taken apart at their dots, with what each module comes to.

use std::collections::HashMap;

use serde::Serialize;
use torch_checkpoint::{Listing, Tensor};

use super::{Joined, shape, stored_bytes};
use crate::totals::wide;

/// Pieces into which a name is taken apart at most: the last one keeps the dots that it has.
const DEEPEST: usize = 64;

/// The root is the first node; every other one comes after its parent.
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// A module, a tensor, or both.
pub(crate) struct Node {
    /// The piece of the name.
    pub(crate) piece: String,
    parent: usize,
    pub(crate) children: Vec<usize>,
    pub(crate) tensor: Option<Kind>,
    pub(crate) sums: Sums,
}

/// What a tree shows of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) dtype: &'static str,
    pub(crate) shape: String,
    bytes: u64,
}

/// What is in a module and below it. Tensors that share a storage count each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) tensors: u64,
    pub(crate) elements: u64,
    pub(crate) bytes: u64,
}

impl Sums {
    fn add(&mut self, more: Self) {
        self.tensors = self.tensors.saturating_add(more.tensors);
        self.elements = self.elements.saturating_add(more.elements);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }

    pub(crate) fn times(self, number: u64) -> Self {
        Self {
            tensors: self.tensors.saturating_mul(number),
            elements: self.elements.saturating_mul(number),
            bytes: self.bytes.saturating_mul(number),
        }
    }
}

/// What nodes have in common that are alike: what the node is, and the names and likenesses of those below it.
type Likeness<'a> = (Option<&'a Kind>, Vec<(&'a str, usize)>);

/// A module in JSON.
#[derive(Serialize)]
pub(crate) struct Line {
    name: String,
    tensors: u64,
    elements: u64,
    nbytes: u64,
}

impl Tree {
    pub(crate) fn of(listing: &Listing<'_>) -> Self {
        let tensors = listing.leaves.iter().filter_map(|leaf| Some((leaf, leaf.value.as_tensor()?)));
        Self::new(tensors.map(|(leaf, tensor)| {
            let name = if leaf.path.is_empty() { "(root)".to_owned() } else { Joined(&leaf.path).to_string() };
            (name, tensor)
        }))
    }

    fn new<'a>(tensors: impl Iterator<Item = (String, &'a Tensor)>) -> Self {
        let mut builder = Builder::new();
        for (name, tensor) in tensors {
            let bytes = wide(stored_bytes(tensor));
            let kind = Kind { dtype: tensor.dtype().name(), shape: shape(tensor), bytes };
            builder.add(&name, kind, wide(tensor.numel()));
        }
        builder.summed()
    }

    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The modules in JSON, the whole as the one without a name.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let modules = self.nodes.iter().enumerate().filter(|(index, node)| *index == 0 || !node.children.is_empty());
        modules
            .map(|(index, node)| Line {
                name: self.name(index),
                tensors: node.sums.tensors,
                elements: node.sums.elements,
                nbytes: node.sums.bytes,
            })
            .collect()
    }

    fn name(&self, mut index: usize) -> String {
        let mut pieces = Vec::new();
        while let Some(node) = self.nodes.get(index)
            && index != 0
        {
            pieces.push(node.piece.as_str());
            index = node.parent;
        }
        pieces.reverse();
        pieces.join(".")
    }

    /// For each node a number that is equal for nodes below which everything is equal: names, dtypes, shapes.
    pub(crate) fn likenesses(&self) -> Vec<usize> {
        let mut known: HashMap<Likeness<'_>, usize> = HashMap::new();
        let mut numbers = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let child = |&child: &usize| Some((self.nodes.get(child)?.piece.as_str(), *numbers.get(child)?));
            let below = node.children.iter().filter_map(child).collect();
            let next = known.len();
            let number = *known.entry((node.tensor.as_ref(), below)).or_insert(next);
            if let Some(place) = numbers.get_mut(index) {
                *place = number;
            }
        }
        numbers
    }
}

struct Builder {
    nodes: Vec<Node>,
    places: HashMap<(usize, String), usize>,
}

impl Builder {
    fn new() -> Self {
        let root = Node { piece: String::new(), parent: 0, children: Vec::new(), tensor: None, sums: Sums::default() };
        Self { nodes: vec![root], places: HashMap::new() }
    }

    fn add(&mut self, name: &str, kind: Kind, elements: u64) {
        let mut at = 0;
        for piece in name.splitn(DEEPEST, '.') {
            at = match self.places.get(&(at, piece.to_owned())) {
                Some(&place) => place,
                None => self.child(at, piece),
            };
        }
        // Two tensors may have one name: `a.b`, and `b` in `a`.
        if self.nodes.get(at).is_some_and(|node| node.tensor.is_some()) {
            let (parent, piece) = self.nodes.get(at).map(|node| (node.parent, node.piece.clone())).unwrap_or_default();
            at = self.child(parent, &piece);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.sums = Sums { tensors: 1, elements, bytes: kind.bytes };
            node.tensor = Some(kind);
        }
    }

    fn child(&mut self, parent: usize, piece: &str) -> usize {
        let index = self.nodes.len();
        let node = Node { piece: piece.to_owned(), parent, children: Vec::new(), tensor: None, sums: Sums::default() };
        self.nodes.push(node);
        self.places.insert((parent, piece.to_owned()), index);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.push(index);
        }
        index
    }

    fn summed(mut self) -> Tree {
        for index in (1..self.nodes.len()).rev() {
            let Some((parent, sums)) = self.nodes.get(index).map(|node| (node.parent, node.sums)) else { continue };
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.sums.add(sums);
            }
        }
        Tree { nodes: self.nodes }
    }
}

#[cfg(test)]
impl Tree {
    /// Of names and numbers of elements of one byte.
    pub(super) fn of_names(names: &[(&str, u64)]) -> Self {
        let mut builder = Builder::new();
        for &(name, elements) in names {
            builder.add(name, Kind { dtype: "uint8", shape: format!("[{elements}]"), bytes: elements }, elements);
        }
        builder.summed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_the_sums_of_what_is_below() {
        let tree = Tree::of_names(&[("a.w", 2), ("b", 3), ("a.c.w", 5), ("a", 7), ("b", 11), ("", 13)]);
        let lines: Vec<(String, u64, u64)> =
            tree.lines().into_iter().map(|line| (line.name, line.tensors, line.elements)).collect();
        assert_eq!(lines, [(String::new(), 6, 41), ("a".to_owned(), 3, 14), ("a.c".to_owned(), 1, 5)]);
    }

    #[test]
    fn names_of_many_dots_stay_cheap() {
        let name = "a.".repeat(100_000);
        let tree = Tree::of_names(&[(&name, 1), (&format!("{name}b"), 1)]);
        assert!(tree.nodes.len() <= DEEPEST + 2);
        assert_eq!(tree.node(0).map(|root| root.sums.tensors), Some(2));
    }

    #[test]
    fn equal_modules_are_alike() {
        let tree = Tree::of_names(&[("l.0.w", 2), ("l.1.w", 2), ("l.2.w", 3), ("l.3.b", 2)]);
        let (numbers, layers) = (tree.likenesses(), &tree.nodes[1].children);
        let alike = |a: usize, b: usize| numbers[layers[a]] == numbers[layers[b]];
        assert!(alike(0, 1) && !alike(0, 2) && !alike(0, 3));
    }
}
