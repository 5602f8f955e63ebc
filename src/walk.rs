//! Every value of a file with its path, in the order that CONTRACT-style listings use: mappings in insertion order, lists
//! and tuples by index, a module as its state dict, other objects by their attributes, items and entries.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::Error;
use crate::limits::{Limits, NameCount};
use crate::pickle::graph::{Node, NodeId};
use crate::torch::{Meant, Opaque, Program};
use crate::value::key_text;

/// The pieces of a path, from the root of the walk.
pub(crate) type Path<'p> = [Cow<'p, str>];

/// What stands under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Anything that is not walked into, a tensor among them.
    Node(NodeId),
    /// The dtype of the bare storage one piece up: torch's typed storages know theirs.
    StorageDType(NodeId),
}

/// What a container holds, each with its piece of the path.
type Children<'p> = Vec<(Cow<'p, str>, NodeId)>;

/// A container in progress: its children that are still to come.
struct Frame<'p> {
    node: NodeId,
    children: <Children<'p> as IntoIterator>::IntoIter,
}

/// Calls `visit` for every leaf below `root`. A container met again through another path is walked again, one met inside
/// itself is not.
///
/// # Errors
/// The limits on nesting and names, and whatever `visit` returns.
pub(crate) fn walk<'p>(
    program: &'p Program,
    root: NodeId,
    limits: &Limits,
    mut visit: impl FnMut(&Path<'p>, Leaf) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut names = NameCount::new(limits);
    let listed = program.graph().listed();
    if root == program.graph().root() && listed.len() > 0 {
        for (path, leaf) in listed {
            let path = path.iter().map(|&key| key_text(program, key)).collect();
            walk_below(program, path, leaf, limits, &mut names, &mut visit)?;
        }
        return Ok(());
    }
    walk_below(program, Vec::new(), root, limits, &mut names, &mut visit)
}

/// The same for what is under a path.
fn walk_below<'p>(
    program: &'p Program,
    mut path: Vec<Cow<'p, str>>,
    root: NodeId,
    limits: &Limits,
    names: &mut NameCount,
    visit: &mut impl FnMut(&Path<'p>, Leaf) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut frames: Vec<Frame<'p>> = Vec::new();
    let mut open: HashSet<NodeId> = HashSet::new();
    let mut current = Some(root);
    let nesting = widened(limits.nesting.saturating_sub(path.len()));
    loop {
        if let Some(node) = current.take() {
            names.add(0)?;
            if open.contains(&node) {
                path.pop();
            } else if let Some(children) = children(program, node, limits)? {
                Limits::check("nesting", widened(frames.len()).saturating_add(1), nesting)?;
                open.insert(node);
                frames.push(Frame { node, children: children.into_iter() });
            } else {
                names.add(path.iter().map(|piece| piece.len()).sum())?;
                visit(&path, Leaf::Node(node))?;
                if let Meant::Storage(_) = program.meant(node) {
                    path.push(Cow::Borrowed("dtype"));
                    visit(&path, Leaf::StorageDType(node))?;
                    path.pop();
                }
                path.pop();
            }
        }
        let Some(frame) = frames.last_mut() else { return Ok(()) };
        match frame.children.next() {
            Some((piece, child)) => {
                path.push(piece);
                current = Some(child);
            }
            None => {
                open.remove(&frame.node);
                frames.pop();
                path.pop();
            }
        }
    }
}

/// The children of a container that is walked into, `None` for a leaf.
fn children<'p>(program: &'p Program, node: NodeId, limits: &Limits) -> Result<Option<Children<'p>>, Error> {
    Ok(Some(match program.meant(node) {
        Meant::Dict(entries) => entries.iter().map(|(key, value)| (key_text(program, key), value)).collect(),
        Meant::List(items) | Meant::Tuple(items) => indexed(items).collect(),
        Meant::Object(object) if is_leaf_class(program, &object) => return Ok(None),
        Meant::Object(_) if program.is_module(node) => program
            .module_entries(node, limits, key_text)?
            .into_iter()
            .map(|entry| (Cow::Owned(entry.name), entry.value))
            .collect(),
        Meant::Object(object) => object_children(program, &object),
        _ => return Ok(None),
    }))
}

fn indexed<'p>(items: &[NodeId]) -> impl Iterator<Item = (Cow<'p, str>, NodeId)> {
    items.iter().enumerate().map(|(n, &item)| (Cow::Owned(n.to_string()), item))
}

/// Attributes of the state if it has one, else the arguments; then list items; then entries.
fn object_children<'p>(program: &'p Program, object: &Opaque<'p>) -> Children<'p> {
    let has_state = object.states.iter().any(|&state| !is_empty_state(program, state));
    let mut children = Children::new();
    if has_state {
        children.extend(program.attributes(object.states).map(|(key, value)| (key_text(program, key), value)));
    } else {
        children.extend(indexed(object.args));
    }
    children.extend(indexed(object.items));
    children.extend(object.entries.iter().map(|&(key, value)| (key_text(program, key), value)));
    children
}

fn is_empty_state(program: &Program, state: NodeId) -> bool {
    match program.graph().node(state) {
        Node::None => true,
        Node::Dict(entries) => entries.is_empty(),
        Node::Tuple(&[dict, slots]) => [dict, slots].into_iter().all(|part| match program.graph().node(part) {
            Node::None => true,
            Node::Dict(entries) => entries.is_empty(),
            _ => false,
        }),
        _ => false,
    }
}

/// Objects that hold values but are not containers of named ones.
fn is_leaf_class(program: &Program, object: &Opaque<'_>) -> bool {
    let Node::Global(id) = program.graph().node(object.class) else { return false };
    let (module, name) = program.graph().global(id);
    matches!(
        (module, name),
        ("collections", "deque")
            | ("functools", "partial")
            | ("builtins" | "__builtin__", "getattr" | "set" | "frozenset")
    ) || module == "numpy"
        || module.starts_with("numpy.")
}

fn widened(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
