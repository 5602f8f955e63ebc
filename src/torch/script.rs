//! TorchScript's modules: objects of classes whose code is in the archive. A script module has its parameters, buffers and
//! submodules as attributes like any others, so its entries are all of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::globals::Meaning;
use super::module::{KeyText, ModuleEntry};
use super::program::Program;
use super::values::{Entries, Meant};
use crate::error::Error;
use crate::limits::{Limits, NameCount};
use crate::pickle::graph::{Made, Node, NodeId};

/// What an object or a container holds, each under a piece of a name.
#[derive(Clone, Copy)]
enum Children<'p> {
    Named(Entries<'p>),
    Numbered(&'p [NodeId]),
    /// The state of an object that is no container: it goes by the name of the object.
    Bare(NodeId),
}

/// An object or a container whose children are being entered.
struct Open<'p> {
    node: NodeId,
    name: String,
    children: Children<'p>,
    next: usize,
}

impl Program {
    /// Whether an object is of a class of TorchScript's: a module, or another object with a state. (Enumerations of such
    /// classes are called with their value and have no state.)
    pub(super) fn is_script_object(&self, node: NodeId) -> bool {
        match self.graph().node(node) {
            Node::Object(object) => {
                object.made == Made::NewObj && self.meaning_of(object.callable) == Some(Meaning::Script)
            }
            _ => false,
        }
    }

    /// The attributes of a script module by their full names, in the order of the file: `a.lin.weight`. Submodules and other
    /// script objects are entered, a state that is a tuple (the weights of a quantised module) by position. Lists, tuples
    /// and dicts are entered if they hold tensors or script objects at whatever depth, and are entries themselves if not.
    /// What contains itself is entered once, what is met twice is listed twice.
    ///
    /// # Errors
    /// The limits on nesting and on names.
    pub(super) fn script_entries(
        &self,
        root: NodeId,
        limits: &Limits,
        key_text: KeyText,
    ) -> Result<Vec<ModuleEntry>, Error> {
        let mut out = Vec::new();
        let mut holders = Holders { program: self, known: HashMap::new() };
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut entered: HashSet<NodeId> = HashSet::new();
        let mut names = NameCount::new(limits);
        let mut enter = Some((root, String::new()));
        loop {
            if let Some((node, name)) = enter.take() {
                names.add(name.len())?;
                Limits::check("nesting", widened(open.len()), widened(limits.nesting))?;
                match self.script_children(node, &mut holders) {
                    Some(children) if entered.insert(node) => open.push(Open { node, name, children, next: 0 }),
                    // It contains itself.
                    Some(_) => {}
                    None => out.push(ModuleEntry { name, value: node }),
                }
            }
            let Some(frame) = open.last_mut() else { return Ok(out) };
            match frame.next_child(self, key_text) {
                Some(child) => enter = Some(child),
                None => {
                    if let Some(done) = open.pop() {
                        entered.remove(&done.node);
                    }
                }
            }
        }
    }

    /// What is entered below a node; `None` if it is an entry itself.
    fn script_children<'p>(&'p self, node: NodeId, holders: &mut Holders<'p>) -> Option<Children<'p>> {
        if !self.is_script_object(node) {
            return if holders.holds(node) { self.container(node) } else { None };
        }
        Some(match self.states(node).last() {
            Some(&state) => self.container(state).unwrap_or(Children::Bare(state)),
            None => Children::Numbered(&[]),
        })
    }

    fn container(&self, node: NodeId) -> Option<Children<'_>> {
        match self.meant(node) {
            Meant::Dict(entries) => Some(Children::Named(entries)),
            Meant::List(items) | Meant::Tuple(items) => Some(Children::Numbered(items)),
            _ => None,
        }
    }
}

impl Open<'_> {
    /// The next child with its full name.
    fn next_child(&mut self, program: &Program, key_text: KeyText) -> Option<(NodeId, String)> {
        let (piece, child): (Cow<'_, str>, NodeId) = match self.children {
            Children::Named(entries) => entries.at(self.next).map(|(key, child)| (key_text(program, key), child))?,
            Children::Numbered(items) => (Cow::Owned(self.next.to_string()), *items.get(self.next)?),
            Children::Bare(_) if self.next > 0 => return None,
            // The root has no name.
            Children::Bare(state) if self.name.is_empty() => (Cow::Borrowed("state"), state),
            Children::Bare(state) => {
                self.next = 1;
                return Some((state, self.name.clone()));
            }
        };
        self.next = self.next.saturating_add(1);
        Some((child, if self.name.is_empty() { piece.into_owned() } else { format!("{}.{piece}", self.name) }))
    }
}

/// Which containers hold tensors or script objects, at whatever depth.
struct Holders<'p> {
    program: &'p Program,
    /// By container. One that is being looked through counts as not holding any until one is found.
    known: HashMap<NodeId, bool>,
}

impl Holders<'_> {
    /// Looks through every container once.
    fn holds(&mut self, node: NodeId) -> bool {
        let program = self.program;
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let Some(children) = program.container(node) else { return false };
        self.known.insert(node, false);
        let mut inside = vec![(node, children, 0_usize)];
        while let Some((_, children, next)) = inside.last_mut() {
            let child = match *children {
                Children::Named(entries) => entries.at(*next).map(|(_, child)| child),
                Children::Numbered(items) => items.get(*next).copied(),
                Children::Bare(_) => None,
            };
            *next = next.saturating_add(1);
            let Some(child) = child else {
                inside.pop();
                continue;
            };
            let known = self.known.get(&child).copied();
            if known == Some(true) || program.tensor(child).is_some() || program.is_script_object(child) {
                // All of these hold it.
                self.known.extend(inside.drain(..).map(|(node, ..)| (node, true)));
            } else if known.is_none()
                && let Some(children) = program.container(child)
            {
                self.known.insert(child, false);
                inside.push((child, children, 0));
            }
        }
        self.known.get(&node).copied().unwrap_or(false)
    }
}

fn widened(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
