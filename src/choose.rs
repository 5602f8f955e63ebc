//! Which dict of a checkpoint is the state dict? Five rules (see [`crate::load_state_dict`]), and never a guess.

use std::collections::HashMap;

use crate::error::{Error, Shown};
use crate::limits::Limits;
use crate::pickle::graph::NodeId;
use crate::torch::{Meant, Program};
use crate::value::key_text;
use crate::walk::{Leaf, walk};

/// How many candidates or tensors a message lists.
const LISTED: usize = 8;

/// Names under which trainers keep the model's weights beside other tensors.
const WEIGHTS_KEYS: [&str; 2] = ["state_dict", "model_state_dict"];

/// The node of the state dict below `root`: a module or a mapping that directly holds tensors.
///
/// `explicit` says that the caller named `root`, which is then taken if it qualifies, whatever it holds besides.
pub(crate) fn choose(program: &Program, root: NodeId, explicit: bool, limits: &Limits) -> Result<NodeId, Error> {
    let root_is_candidate = is_candidate(program, root);
    if root_is_candidate && (explicit || program.is_module(root)) {
        return Ok(root);
    }
    let mut candidates: Vec<(String, NodeId)> = Vec::new();
    let mut root_holds_tensor = false;
    // A child may be there many times, and is looked through once.
    let mut known: HashMap<NodeId, bool> = HashMap::new();
    visit_children(program, root, |name, child| {
        if program.tensor(child).is_some() {
            root_holds_tensor = true;
        } else if *known.entry(child).or_insert_with(|| is_candidate(program, child)) {
            candidates.push((name.text(program), child));
        }
    });
    match candidates.as_slice() {
        [] if root_is_candidate => Ok(root),
        [] => Err(no_candidate(program, root, limits)),
        [(_, only)] if !root_holds_tensor => Ok(*only),
        [(name, only)] if WEIGHTS_KEYS.contains(&name.as_str()) => Ok(*only),
        _ => Err(several(&candidates, root_is_candidate)),
    }
}

/// A whole module, or a mapping with text keys that directly holds at least one tensor.
fn is_candidate(program: &Program, node: NodeId) -> bool {
    match program.meant(node) {
        Meant::Dict(entries) => {
            let mut tensors = false;
            for (key, value) in entries.iter() {
                if program.text(key).is_none() {
                    return false;
                }
                tensors |= program.tensor(value).is_some();
            }
            tensors
        }
        Meant::Object(_) => program.is_module(node),
        _ => false,
    }
}

/// What a child is called: text is made of it for candidates only.
enum ChildName {
    Key(NodeId),
    Index(usize),
}

impl ChildName {
    fn text(&self, program: &Program) -> String {
        match *self {
            Self::Key(key) => key_text(program, key).into_owned(),
            Self::Index(index) => index.to_string(),
        }
    }
}

fn visit_children(program: &Program, node: NodeId, mut visit: impl FnMut(ChildName, NodeId)) {
    match program.meant(node) {
        Meant::Dict(entries) => entries.iter().for_each(|(key, value)| visit(ChildName::Key(key), value)),
        Meant::List(items) | Meant::Tuple(items) => {
            items.iter().enumerate().for_each(|(index, &item)| visit(ChildName::Index(index), item));
        }
        _ => {}
    }
}

fn several(candidates: &[(String, NodeId)], root_too: bool) -> Error {
    let mut names: Vec<String> = candidates.iter().take(LISTED).map(|(name, _)| format!("`{}`", Shown(name))).collect();
    if candidates.len() > LISTED {
        names.push(format!("{} more", candidates.len().saturating_sub(LISTED)));
    }
    let root = if root_too { "the top level (key \"\"), " } else { "" };
    let example = candidates.first().map(|(name, _)| Shown(name).to_string()).unwrap_or_default();
    Error::caller(format!(
        "several dicts could be the state dict: {root}{}; choose one with `LoadOptions::key(\"{example}\")`, or take every tensor with `LoadOptions::flatten()`",
        names.join(", ")
    ))
}

/// There are tensors perhaps, but no dict of them: say which, and what to do.
fn no_candidate(program: &Program, root: NodeId, limits: &Limits) -> Error {
    let mut names = Vec::new();
    let mut count = 0_usize;
    let walked = walk(program, root, limits, |path, leaf| {
        if let Leaf::Node(node) = leaf
            && program.tensor(node).is_some()
        {
            count = count.saturating_add(1);
            if names.len() < LISTED {
                names.push(format!("`{}`", Shown(&path.join("."))));
            }
        }
        Ok(())
    });
    if let Err(error) = walked {
        return error;
    }
    if count == 0 {
        return Error::caller(
            "the file holds no tensors that a state dict could be made of; `LoadOptions::open` gives its values",
        );
    }
    if program.tensor(root).is_some() {
        return Error::caller(
            "the file holds one bare tensor, not a state dict; `LoadOptions::open` gives it as `checkpoint.root().as_tensor()`",
        );
    }
    if count > names.len() {
        names.push("…".to_owned());
    }
    Error::caller(format!(
        "no dict in the file directly holds tensors by name; it has {count} ({}): take them with `LoadOptions::flatten()`, or walk them with `LoadOptions::open`",
        names.join(", ")
    ))
}
