//! One graph made of several pickles, and of nodes that stand for what a container says outside any pickle: a tar file's
//! tensors, the header of a safetensors file, the chunks of a distributed checkpoint. Whoever reads the graph then need
//! not know from how many places it came.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use hashbrown::HashMap;

use super::build::Builder;
use super::graph::{GlobalId, GlobalName, Graph, Made, Node, NodeId, ObjectData, Repr};
use super::part::Part;
use super::sequence::Span;
use super::shift::Shift;
use crate::error::Error;
use crate::limits::Limits;

/// Module, name, and whether it was [made](Graph::is_made).
type GlobalKey = (Box<str>, Box<str>, bool);

/// A graph to which pickles and nodes are added.
#[derive(Debug)]
pub(crate) struct Composer {
    graph: Graph,
    /// Filled when it is first needed.
    globals: Option<HashMap<GlobalKey, GlobalId>>,
    allowed_nodes: u64,
}

impl Composer {
    /// An empty graph, whose nodes may be as many as the limits allow.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self::of(Builder::empty(), limits)
    }

    /// The graph of one pickle, to which more is added.
    pub(crate) fn of(graph: Graph, limits: &Limits) -> Self {
        let allowed_nodes = limits.nodes.saturating_add(Builder::CONSTANTS.len() as u64);
        Self { graph, globals: None, allowed_nodes }
    }

    /// The graph as far as it is.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The finished graph.
    pub(crate) fn finish(mut self, root: NodeId) -> Graph {
        self.graph.root = root;
        self.graph
    }

    /// Adds a pickle's graph as the next part, under a name for messages; gives its root.
    ///
    /// # Errors
    /// The limit on nodes; more text, data or containers than 32 bits count.
    pub(crate) fn splice(&mut self, graph: &Graph, name: &str) -> Result<NodeId, Error> {
        let constants = Builder::CONSTANTS.len();
        let first = self.graph.nodes.len();
        let added = graph.nodes.len().saturating_sub(constants);
        self.room_for(added)?;
        let shift = Shift {
            nodes: first.saturating_sub(constants),
            text: self.graph.text.len(),
            raw: self.graph.raw.len(),
            long_bytes: self.graph.long_bytes.len(),
            refs: self.graph.refs.lengths(),
            pairs: self.graph.pairs.lengths(),
            surrogates: self.graph.surrogates.len(),
            objects: self.graph.objects.len(),
            globals: self.splice_globals(graph)?,
        };
        let named = |part: &str| match (name, part) {
            ("", part) => part.into(),
            (name, "") => name.into(),
            (name, part) => format!("{name}: {part}").into_boxed_str(),
        };
        for part in &graph.parts {
            // The constants, from which the first part counts, are shared.
            let first = part.first.max(constants).saturating_add(shift.nodes);
            self.graph.parts.push(Part { first, name: named(&part.name) });
        }
        if graph.parts.is_empty() {
            self.graph.parts.push(Part { first, name: name.into() });
        }
        self.graph.text.push_str(&graph.text);
        self.graph.raw.extend_from_slice(&graph.raw);
        self.graph.long_bytes.extend_from_slice(&graph.long_bytes);
        self.graph.refs.splice(&graph.refs, |&id| shift.id(id))?;
        self.graph.pairs.splice(&graph.pairs, |&(key, value)| Ok((shift.id(key)?, shift.id(value)?)))?;
        for &(text, raw) in &graph.surrogates {
            self.graph.surrogates.push((shift.text(text)?, shift.raw(raw)?));
        }
        for object in &graph.objects {
            self.graph.objects.push(shift.object(object)?);
        }
        for &repr in graph.nodes.get(constants..).unwrap_or_default() {
            self.graph.nodes.push(shift.repr(repr)?);
        }
        shift.id(graph.root)
    }

    /// Begins a part for nodes that are added one by one, under a name for messages.
    pub(crate) fn begin_part(&mut self, name: &str) {
        self.graph.parts.push(Part { first: self.graph.nodes.len(), name: name.into() });
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        self.graph.parts.len()
    }

    fn room_for(&self, added: usize) -> Result<(), Error> {
        let nodes = self.graph.nodes.len().saturating_add(added);
        let asked = (nodes as u64).saturating_sub(Builder::CONSTANTS.len() as u64);
        Limits::check("nodes", asked, self.allowed_nodes.saturating_sub(Builder::CONSTANTS.len() as u64))?;
        match NodeId::at(nodes) {
            Some(_) => Ok(()),
            None => {
                Err(Error::limit("the checkpoint describes 2^31 objects, which is more than this crate can address"))
            }
        }
    }

    fn splice_globals(&mut self, graph: &Graph) -> Result<Vec<GlobalId>, Error> {
        let text = self.graph.text.len();
        let mut ids = Vec::with_capacity(graph.globals.len());
        for (known, id) in graph.globals.iter().zip(graph.globals()) {
            let (module, name) = graph.global(id);
            ids.push(match self.known_globals().get(&(module.into(), name.into(), known.is_made())) {
                Some(&id) => id,
                None => {
                    let shifted = |span: Span| span.shifted(text);
                    let (module_span, name_span) = (shifted(known.module)?, shifted(known.name)?);
                    self.add_global(module, name, GlobalName { module: module_span, name: name_span, ..*known })?
                }
            });
        }
        Ok(ids)
    }

    fn known_globals(&mut self) -> &mut HashMap<GlobalKey, GlobalId> {
        let graph = &self.graph;
        self.globals.get_or_insert_with(|| {
            let key = |id: GlobalId| {
                let (module, name) = graph.global(id);
                (module.into(), name.into(), graph.is_made(id))
            };
            graph.globals().map(|id| (key(id), id)).collect()
        })
    }

    fn add_global(&mut self, module: &str, name: &str, global: GlobalName) -> Result<GlobalId, Error> {
        let made = global.is_made();
        let id = GlobalId::at(self.graph.globals.len()).ok_or_else(|| Error::limit("more than 2^32 globals"))?;
        self.known_globals().insert((module.into(), name.into(), made), id);
        self.graph.globals.push(global);
        Ok(id)
    }

    fn add(&mut self, repr: Repr) -> Result<NodeId, Error> {
        self.room_for(1)?;
        let id = NodeId::at(self.graph.nodes.len()).ok_or_else(|| Error::limit("more than 2^31 objects"))?;
        self.graph.nodes.push(repr);
        Ok(id)
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<NodeId, Error> {
        let span = self.push_text(text)?;
        self.add(Repr::Str(span))
    }

    fn push_text(&mut self, text: &str) -> Result<Span, Error> {
        let span = Span::new(self.graph.text.len(), text.len())?;
        self.graph.text.push_str(text);
        Ok(span)
    }

    pub(crate) fn int(&mut self, value: i64) -> Result<NodeId, Error> {
        match i32::try_from(value).ok().and_then(NodeId::small_int) {
            Some(id) => Ok(id),
            None => self.add(Repr::Int(value)),
        }
    }

    pub(crate) fn float(&mut self, value: f64) -> Result<NodeId, Error> {
        self.add(Repr::Float(value))
    }

    pub(crate) fn tuple(&mut self, items: &[NodeId]) -> Result<NodeId, Error> {
        if items.is_empty() {
            return Ok(NodeId::EMPTY_TUPLE);
        }
        let span = self.graph.refs.add_slice(items)?;
        self.add(Repr::Tuple(span))
    }

    /// A tuple of integers.
    pub(crate) fn ints(&mut self, values: &[i64]) -> Result<NodeId, Error> {
        let items = values.iter().map(|&value| self.int(value)).collect::<Result<Vec<_>, _>>()?;
        self.tuple(&items)
    }

    pub(crate) fn list(&mut self, items: &[NodeId]) -> Result<NodeId, Error> {
        let span = self.graph.refs.add_slice(items)?;
        self.add(Repr::List(span))
    }

    /// A dict of these entries, whose keys have to differ.
    pub(crate) fn dict(&mut self, entries: &[(NodeId, NodeId)]) -> Result<NodeId, Error> {
        let span = self.graph.pairs.add_slice(entries)?;
        self.add(Repr::Dict(span))
    }

    /// An instance of a class of mappings, made empty and then given these entries, whose keys have to differ, and a state.
    pub(crate) fn mapping(
        &mut self,
        class: NodeId,
        entries: &[(NodeId, NodeId)],
        state: Option<NodeId>,
    ) -> Result<NodeId, Error> {
        let index = Span::new(self.graph.objects.len(), 0)?.start();
        let states = match state {
            Some(state) => self.graph.refs.add_slice(&[state])?,
            None => Span::EMPTY,
        };
        let entries = self.graph.pairs.add_slice(entries)?;
        self.graph.objects.push(ObjectData {
            made: Made::Reduce,
            callable: class,
            args: NodeId::EMPTY_TUPLE,
            kwargs: None,
            states,
            items: Span::EMPTY,
            entries,
        });
        self.add(Repr::Object { index, offset: GlobalName::MADE })
    }

    /// Adds a leaf, with the keys that lead to it, to those that are [listed](Graph::listed) in an order of their own.
    pub(crate) fn list_leaf(&mut self, path: &[NodeId], leaf: NodeId) -> Result<(), Error> {
        let path = self.graph.refs.add_slice(path)?;
        self.graph.listed.push((path, leaf));
        Ok(())
    }

    /// A name that no pickle mentions.
    pub(crate) fn made_global(&mut self, module: &str, name: &str) -> Result<NodeId, Error> {
        let id = match self.known_globals().get(&(module.into(), name.into(), true)) {
            Some(&id) => id,
            None => {
                let (module_span, name_span) = (self.push_text(module)?, self.push_text(name)?);
                let global = GlobalName { module: module_span, name: name_span, offset: GlobalName::MADE };
                self.add_global(module, name, global)?
            }
        };
        self.add(Repr::Global(id))
    }

    /// `callable(*args)`
    pub(crate) fn call(&mut self, callable: NodeId, args: &[NodeId]) -> Result<NodeId, Error> {
        let args = self.tuple(args)?;
        self.add(Repr::Call { made: Made::Reduce, callable, args, offset: GlobalName::MADE })
    }

    /// A reference to an object outside the graph.
    pub(crate) fn persistent(&mut self, id: NodeId) -> Result<NodeId, Error> {
        self.add(Repr::Persistent { id, offset: GlobalName::MADE })
    }

    /// Sets further entries in a dict, or in an object that is one, behind those it has. Their keys have to be others.
    ///
    /// # Errors
    /// More containers than 32 bits count.
    pub(crate) fn set_items(&mut self, node: NodeId, entries: &[(NodeId, NodeId)]) -> Result<(), Error> {
        let set = match self.graph.node(node) {
            Node::Dict(entries) => entries,
            Node::Object(object) => object.entries,
            _ => return Ok(()),
        };
        let all = [set, entries].concat();
        let span = self.graph.pairs.add_slice(&all)?;
        let Some(slot) = node.index().and_then(|index| self.graph.nodes.get_mut(index)) else { return Ok(()) };
        match *slot {
            Repr::Dict(_) => *slot = Repr::Dict(span),
            Repr::Object { index, .. } => {
                if let Some(object) = self.graph.objects.get_mut(index as usize) {
                    object.entries = span;
                }
            }
            Repr::Call { made, callable, args, offset } => {
                let index =
                    u32::try_from(self.graph.objects.len()).map_err(|_| Error::limit("more than 2^32 objects"))?;
                let (states, items) = (Span::EMPTY, Span::EMPTY);
                let object = ObjectData { made, callable, args, kwargs: None, states, items, entries: span };
                self.graph.objects.push(object);
                *slot = Repr::Object { index, offset };
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives the calls that were given something else than a tuple of arguments a tuple of it, as the C++ pickler of
    /// TorchScript means it.
    ///
    /// # Errors
    /// The limit on nodes.
    pub(crate) fn wrap_arguments(&mut self) -> Result<(), Error> {
        for index in 0..self.graph.nodes.len() {
            let args = match self.graph.nodes.get(index) {
                Some(&Repr::Call { args, .. }) => args,
                Some(&Repr::Object { index, .. }) => match self.graph.objects.get(index as usize) {
                    Some(object) => object.args,
                    None => continue,
                },
                _ => continue,
            };
            if self.graph.as_tuple(args).is_some() {
                continue;
            }
            let wrapped = self.tuple(&[args])?;
            match self.graph.nodes.get_mut(index) {
                Some(Repr::Call { args, .. }) => *args = wrapped,
                Some(&mut Repr::Object { index, .. }) => {
                    if let Some(object) = self.graph.objects.get_mut(index as usize) {
                        object.args = wrapped;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Turns a persistent reference or a call into what another node is: everything that refers to it then refers to that.
    pub(crate) fn alias(&mut self, node: NodeId, other: NodeId) {
        if let Some(repr) = self.graph.repr(other)
            && let Some(slot) = node.index().and_then(|index| self.graph.nodes.get_mut(index))
            && matches!(slot, Repr::Persistent { .. } | Repr::Call { .. } | Repr::Object { .. })
        {
            *slot = match (repr, *slot) {
                // What is wrong with the call is said at the place of the reference.
                (
                    Repr::Call { made, callable, args, .. },
                    Repr::Persistent { offset, .. } | Repr::Call { offset, .. } | Repr::Object { offset, .. },
                ) => Repr::Call { made, callable, args, offset },
                (other, _) => other,
            };
        }
    }
}

impl Composer {
    /// Frees the long byte strings among these nodes that nothing else mentions more than once: what they held was
    /// taken out of them.
    pub(crate) fn forget_bytes(&mut self, nodes: &[NodeId]) {
        let mut mentions: HashMap<NodeId, usize> = nodes.iter().map(|&node| (node, 0)).collect();
        let Graph { refs, pairs, objects, nodes: reprs, .. } = &self.graph;
        let mut mention = |node: NodeId| {
            if let Some(count) = mentions.get_mut(&node) {
                *count = count.saturating_add(1);
            }
        };
        refs.all().for_each(|&node| mention(node));
        pairs.all().for_each(|&(key, value)| {
            mention(key);
            mention(value);
        });
        objects.iter().for_each(|object| mention(object.args));
        reprs.iter().for_each(|repr| match *repr {
            Repr::Call { args, .. } => mention(args),
            Repr::Persistent { id, .. } => mention(id),
            _ => {}
        });
        for node in mentions.into_iter().filter(|&(_, count)| count <= 1).map(|(node, _)| node) {
            if let Some(Repr::LongBytes(index)) = self.graph.repr(node)
                && let Some(long) = self.graph.long_bytes.get_mut(index as usize)
            {
                long.bytes = Box::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle::decode;
    use crate::pickle::graph::Node;

    fn graph(pickle: &[u8]) -> Graph {
        decode(pickle, &Limits::default()).unwrap().graph
    }

    #[test]
    fn spliced_graphs_keep_what_they_say() {
        // A list that is extended after another was filled, a shared tuple, a surrogate, a long integer, an object.
        let pickle = b"\x80\x02](K\x01\x85q\x00]K\x02ah\x00X\x03\x00\x00\x00\xed\xa0\x80cm\nN\n)\x81}X\x01\x00\x00\x00aM\x00\x10sb\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01e.";
        let one = graph(pickle);
        let mut composer = Composer::new(&Limits::default());
        let first = composer.splice(&one, "first").unwrap();
        let second = composer.splice(&one, "second").unwrap();
        let root = composer.list(&[first, second]).unwrap();
        let both = composer.finish(root);
        for root in [first, second] {
            let Node::List(items) = both.node(root) else { panic!() };
            assert_eq!(items.len(), 6);
            assert_eq!(items[0], items[2], "shared");
            assert!(matches!(both.node(items[0]), Node::Tuple(_)));
            let Node::Str(text) = both.node(items[3]) else { panic!() };
            assert_eq!(text.surrogates, Some(&b"\xed\xa0\x80"[..]));
            let Node::Object(object) = both.node(items[4]) else { panic!() };
            let Node::Dict(&[(key, value)]) = both.node(object.states[0]) else { panic!() };
            assert_eq!((both.as_str(key), both.as_int(value)), (Some("a"), Some(4096)));
            let Node::Global(id) = both.node(object.callable) else { panic!() };
            assert_eq!(both.global(id), ("m", "N"));
            let Node::BigInt(bytes) = both.node(items[5]) else { panic!() };
            assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 1]);
        }
        assert_eq!(both.globals().len(), 1, "one name, one global");
        assert_eq!((both.part_name(first), both.part_name(second)), (Some("first"), Some("second")));
        assert_eq!((both.part(first), both.part(second), both.part(root)), (0, 1, 1));
    }

    #[test]
    fn made_names_are_told_from_those_of_a_pickle() {
        let mut composer = Composer::of(graph(b"cm\nN\n."), &Limits::default());
        let made = composer.made_global("m", "N").unwrap();
        let again = composer.made_global("m", "N").unwrap();
        let graph = composer.finish(made);
        let (Node::Global(made), Node::Global(again)) = (graph.node(made), graph.node(again)) else { panic!() };
        assert_eq!(made, again);
        let all: Vec<bool> = graph.globals().map(|id| graph.is_made(id)).collect();
        assert_eq!(all, [false, true]);
        assert_eq!(graph.offset(graph.root()), None);
    }

    #[test]
    fn the_limit_on_nodes_counts_all_parts() {
        let limits = Limits { nodes: 5, ..Limits::default() };
        let one = graph(b"(lX\x01\x00\x00\x00aaX\x01\x00\x00\x00ba.");
        let mut composer = Composer::new(&limits);
        composer.splice(&one, "a").unwrap();
        let error = composer.splice(&one, "b").unwrap_err();
        assert!(error.to_string().contains("Limits::nodes"), "{error}");
    }
}
