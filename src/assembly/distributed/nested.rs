//! The nested object of which a distributed checkpoint holds the leaves, each with its path
//! (`torch/distributed/checkpoint/_nested_dict.py`).

use hashbrown::HashMap;

use super::metadata::Step;
use crate::error::Error;
use crate::pickle::Composer;
use crate::pickle::graph::NodeId;

/// Positions of lists that no leaf has: torch puts `None` there (for a dict without entries, say). In all lists together.
const MAX_GAPS: u64 = 1 << 20;

/// A dict or list under construction. Those within it come after it.
enum Container<'g> {
    Dict(Vec<(&'g str, Slot)>),
    List(Vec<Slot>),
}

#[derive(Clone, Copy)]
enum Slot {
    Empty,
    Leaf(NodeId),
    /// The number of a container.
    Inner(usize),
}

/// The object, before its nodes are made.
pub(super) struct Nested<'g> {
    containers: Vec<Container<'g>>,
    /// By container and key, the position of an entry.
    keys: HashMap<(usize, &'g str), usize>,
    gaps: u64,
    /// The containers around the leaf before.
    around: Vec<usize>,
    in_order: bool,
}

/// The nodes of an object.
pub(super) struct Made<'g> {
    pub(super) root: NodeId,
    /// Of all keys.
    pub(super) texts: HashMap<&'g str, NodeId>,
    /// Whether a walk through the object meets the leaves in the order in which they came.
    pub(super) in_order: bool,
}

impl<'g> Nested<'g> {
    pub(super) fn new() -> Self {
        Self {
            containers: vec![Container::Dict(Vec::new())],
            keys: HashMap::new(),
            gaps: 0,
            around: Vec::new(),
            in_order: true,
        }
    }

    /// Puts a leaf at its place. Dicts and lists on the way are made when they are first needed.
    ///
    /// # Errors
    /// Malformed: another leaf is there or on the way; a text where a list has positions, or the other way round.
    pub(super) fn insert(&mut self, path: &[Step<'g>], leaf: NodeId) -> Result<(), Error> {
        let (mut container, mut fresh) = (0, false);
        let mut steps = path.iter().enumerate().peekable();
        while let Some((depth, &step)) = steps.next() {
            let next = self.containers.len();
            // To come back to a container after others is out of order.
            if self.around.get(depth) != Some(&container) {
                self.in_order &= depth == 0 || fresh;
                self.around.truncate(depth);
                self.around.push(container);
            }
            let Some(&(_, &following)) = steps.peek() else {
                self.around.truncate(depth.saturating_add(1));
                return match self.slot(container, step)? {
                    slot @ Slot::Empty => {
                        *slot = Slot::Leaf(leaf);
                        Ok(())
                    }
                    _ => Err(Error::malformed("its place in the nested object is taken by another entry")),
                };
            };
            container = match self.slot(container, step)? {
                Slot::Inner(inner) => {
                    fresh = false;
                    *inner
                }
                slot @ Slot::Empty => {
                    fresh = true;
                    *slot = Slot::Inner(next);
                    self.containers.push(match following {
                        Step::Key(_) => Container::Dict(Vec::new()),
                        Step::Index(_) => Container::List(Vec::new()),
                    });
                    next
                }
                Slot::Leaf(_) => {
                    return Err(Error::malformed("its place in the nested object lies within another entry"));
                }
            };
        }
        Ok(())
    }

    fn slot(&mut self, number: usize, step: Step<'g>) -> Result<&mut Slot, Error> {
        let Some(container) = self.containers.get_mut(number) else {
            return Err(Error::malformed("its path leads nowhere"));
        };
        let found = match (container, step) {
            (Container::Dict(entries), Step::Key(key)) => {
                let position = *self.keys.entry((number, key)).or_insert_with(|| {
                    entries.push((key, Slot::Empty));
                    entries.len().saturating_sub(1)
                });
                entries.get_mut(position).map(|(_, slot)| slot)
            }
            (Container::List(items), Step::Index(index)) => {
                let missing = index.saturating_add(1).saturating_sub(items.len());
                let gaps = u64::try_from(missing.saturating_sub(1)).unwrap_or(u64::MAX);
                self.gaps = self.gaps.saturating_add(gaps);
                if self.gaps > MAX_GAPS {
                    return Err(Error::limit(format!("lists with {} positions that nothing is at", self.gaps)));
                }
                self.in_order &= missing > 0 || index.saturating_add(1) == items.len();
                if missing > 0 {
                    items.resize(items.len().saturating_add(missing), Slot::Empty);
                }
                items.get_mut(index)
            }
            (Container::Dict(_), Step::Index(index)) => {
                return Err(Error::malformed(format!("its path has the position {index} where others have keys")));
            }
            (Container::List(_), Step::Key(_)) => {
                return Err(Error::malformed("its path has a key where others have positions"));
            }
        };
        found.ok_or_else(|| Error::malformed("its path leads nowhere"))
    }

    /// Makes the nodes.
    pub(super) fn make(self, composer: &mut Composer) -> Result<Made<'g>, Error> {
        let mut made = vec![NodeId::NONE; self.containers.len()];
        // Many dicts have the same keys: those of an optimizer's state.
        let mut texts: HashMap<&'g str, NodeId> = HashMap::new();
        for (number, container) in self.containers.iter().enumerate().rev() {
            let node = |slot: &Slot| match *slot {
                Slot::Empty => NodeId::NONE,
                Slot::Leaf(node) => node,
                Slot::Inner(number) => made.get(number).copied().unwrap_or(NodeId::NONE),
            };
            let node = match container {
                Container::Dict(entries) => {
                    let mut pairs = Vec::with_capacity(entries.len());
                    for (key, slot) in entries {
                        let text = match texts.get(key) {
                            Some(&text) => text,
                            None => *texts.entry(key).insert(composer.text(key)?).into_mut(),
                        };
                        pairs.push((text, node(slot)));
                    }
                    composer.dict(&pairs)?
                }
                Container::List(items) => {
                    let items: Vec<NodeId> = items.iter().map(node).collect();
                    composer.list(&items)?
                }
            };
            if let Some(place) = made.get_mut(number) {
                *place = node;
            }
        }
        let root = made.first().copied().unwrap_or(NodeId::NONE);
        Ok(Made { root, texts, in_order: self.in_order })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::pickle::graph::{Graph, Node};
    use Step::{Index, Key};

    fn leaf(n: i32) -> NodeId {
        NodeId::small_int(n).unwrap()
    }

    /// As Python would print it.
    fn shown(graph: &Graph, node: NodeId) -> String {
        match graph.node(node) {
            Node::None => "None".into(),
            Node::Int(n) => n.to_string(),
            Node::List(items) => format!("[{}]", items.iter().map(|&i| shown(graph, i)).collect::<Vec<_>>().join(", ")),
            Node::Dict(entries) => {
                let entry = |&(key, value): &_| format!("{}: {}", graph.as_str(key).unwrap(), shown(graph, value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            _ => panic!(),
        }
    }

    fn made(paths: &[&[Step<'static>]]) -> Result<String, Error> {
        let mut nested = Nested::new();
        for (n, path) in paths.iter().enumerate() {
            nested.insert(path, leaf(n as i32))?;
        }
        let mut composer = Composer::new(&Limits::default());
        let Made { root, in_order, .. } = nested.make(&mut composer)?;
        let graph = composer.finish(root);
        Ok(shown(&graph, root) + if in_order { "" } else { " in another order" })
    }

    #[test]
    fn case_107_the_nested_object_is_rebuilt() {
        let paths: &[&[Step<'_>]] = &[
            &[Key("model"), Key("0.weight")],
            &[Key("list"), Index(1), Key("a")],
            &[Key("model"), Key("b")],
            &[Key("list"), Index(3), Index(0)],
            &[Key("list"), Index(0)],
            &[Key("x")],
            &[Key("0"), Key("0")],
        ];
        let wanted = "{model: {0.weight: 0, b: 2}, list: [4, {a: 1}, None, [3]], x: 5, 0: {0: 6}} in another order";
        assert_eq!(made(paths).unwrap(), wanted);
        assert_eq!(made(&[]).unwrap(), "{}");
        let (a, b, x) = (Key("a"), Key("b"), Key("x"));
        for (paths, wanted) in [
            (
                &[&[a, x][..], &[a, b, x], &[a, b, b], &[b, x], &[x]][..],
                "{a: {x: 0, b: {x: 1, b: 2}}, b: {x: 3}, x: 4}",
            ),
            (&[&[a, Index(0)], &[a, Index(2)], &[b]], "{a: [0, None, 1], b: 2}"),
            (&[&[a, x], &[b], &[a, b]], "{a: {x: 0, b: 2}, b: 1} in another order"),
            (&[&[a, x, x], &[a, b], &[a, x, b]], "{a: {x: {x: 0, b: 2}, b: 1}} in another order"),
            (&[&[a, Index(1)], &[a, Index(0)]], "{a: [1, 0]} in another order"),
            (&[&[a, Index(0), x], &[a, Index(0), b], &[a, Index(1), x]], "{a: [{x: 0, b: 1}, {x: 2}]}"),
        ] {
            assert_eq!(made(paths).unwrap(), wanted);
        }
    }

    #[test]
    fn paths_that_contradict_each_other_are_refused() {
        for (paths, word) in [
            (&[&[Key("a")][..], &[Key("a")]][..], "taken"),
            (&[&[Key("a")], &[Key("a"), Key("b")]], "within another entry"),
            (&[&[Key("a"), Key("b")], &[Key("a")]], "taken"),
            (&[&[Key("a"), Key("b")], &[Key("a"), Index(0)]], "where others have keys"),
            (&[&[Key("a"), Index(0)], &[Key("a"), Key("b")]], "where others have positions"),
            (&[&[Index(0)]], "where others have keys"),
            (&[&[Key("a"), Index(usize::MAX)]], "positions that nothing is at"),
            (&[&[Key("a"), Index(1 << 40)]], "positions that nothing is at"),
        ] {
            let error = made(paths).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
