//! Whole modules: the state dict that `nn.Module.state_dict()` would give, read from the pickled attributes.

use std::borrow::Cow;
use std::collections::HashSet;

use super::program::Program;
use super::values::{Entries, Meant};
use crate::error::Error;
use crate::limits::{Limits, NameCount};
use crate::pickle::graph::NodeId;

/// The attributes that make an object a module, whatever its class (`torch/nn/modules/module.py`).
#[derive(Clone, Copy)]
struct Module<'p> {
    parameters: Entries<'p>,
    buffers: Entries<'p>,
    modules: Entries<'p>,
    non_persistent: &'p [NodeId],
}

/// One entry of a module's state dict.
pub(crate) struct ModuleEntry {
    pub(crate) name: String,
    pub(crate) value: NodeId,
}

/// Gives the text of a dict's key, as a piece of a name.
pub(crate) type KeyText = for<'p> fn(&'p Program, NodeId) -> Cow<'p, str>;

impl Program {
    /// Whether an object is an `nn.Module`, or one of TorchScript's.
    pub(crate) fn is_module(&self, node: NodeId) -> bool {
        self.is_script_object(node) || self.module(node).is_some()
    }

    fn module(&self, node: NodeId) -> Option<Module<'_>> {
        let Meant::Object(object) = self.meant(node) else { return None };
        let (mut parameters, mut buffers, mut modules) = (None, None, None);
        let mut non_persistent: &[NodeId] = &[];
        for (key, value) in self.attributes(object.states) {
            let Some(name) = self.text(key) else { continue };
            match (&*name, self.meant(value)) {
                ("_parameters", Meant::Dict(entries)) => parameters = Some(entries),
                ("_buffers", Meant::Dict(entries)) => buffers = Some(entries),
                ("_modules", Meant::Dict(entries)) => modules = Some(entries),
                ("_non_persistent_buffers_set", Meant::Set(names)) => non_persistent = names,
                _ => {}
            }
        }
        Some(Module { parameters: parameters?, buffers: buffers?, modules: modules?, non_persistent })
    }

    /// The entries of `module.state_dict(keep_vars=True)`: of each module its parameters, then its persistent buffers,
    /// then its children's entries under `child.`; what is `None` is left out. A module that contains itself is entered
    /// once, one that is met twice is listed twice. A child whose state has another form (the quantised ones of torch) is
    /// an entry itself. Of a script module it is all attributes, whether the module itself is one or a child is.
    ///
    /// # Errors
    /// The limits on nesting and on names.
    pub(crate) fn module_entries(
        &self,
        root: NodeId,
        limits: &Limits,
        key_text: KeyText,
    ) -> Result<Vec<ModuleEntry>, Error> {
        if self.is_script_object(root) {
            return self.script_entries(root, limits, key_text);
        }
        struct Open<'p> {
            node: NodeId,
            prefix: String,
            children: Entries<'p>,
            next: usize,
        }
        let mut out = Vec::new();
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut entered: HashSet<NodeId> = HashSet::new();
        let mut names = NameCount::new(limits);
        let mut enter = Some((root, String::new()));
        loop {
            if let Some((node, prefix)) = enter.take() {
                names.add(prefix.len())?;
                Limits::check("nesting", widened(open.len()), widened(limits.nesting))?;
                match self.module(node) {
                    Some(module) if entered.insert(node) => {
                        self.own_entries(&module, &prefix, &mut names, &mut out)?;
                        open.push(Open { node, prefix, children: module.modules, next: 0 });
                    }
                    // It contains itself.
                    Some(_) => {}
                    None if matches!(self.meant(node), Meant::None) => {}
                    None if self.is_script_object(node) => {
                        for ModuleEntry { name, value } in self.script_entries(node, limits, key_text)? {
                            names.add(prefix.len().saturating_add(name.len()))?;
                            out.push(ModuleEntry { name: format!("{prefix}{name}"), value });
                        }
                    }
                    // A module with a state of its own form: not taken apart, but not lost either.
                    None => {
                        let name = prefix.strip_suffix('.').unwrap_or(&prefix).to_owned();
                        out.push(ModuleEntry { name, value: node });
                    }
                }
            }
            let Some(frame) = open.last_mut() else { return Ok(out) };
            match frame.children.at(frame.next) {
                Some((name, child)) => {
                    frame.next = frame.next.saturating_add(1);
                    let name = self.text(name).unwrap_or_default();
                    enter = Some((child, format!("{}{name}.", frame.prefix)));
                }
                None => {
                    if let Some(done) = open.pop() {
                        entered.remove(&done.node);
                    }
                }
            }
        }
    }

    fn own_entries(
        &self,
        module: &Module<'_>,
        prefix: &str,
        names: &mut NameCount,
        out: &mut Vec<ModuleEntry>,
    ) -> Result<(), Error> {
        let mut emit = |name: &str, value: NodeId| {
            if !matches!(self.meant(value), Meant::None) {
                names.add(prefix.len().saturating_add(name.len()))?;
                out.push(ModuleEntry { name: format!("{prefix}{name}"), value });
            }
            Ok::<(), Error>(())
        };
        for (name, value) in module.parameters.iter() {
            emit(&self.text(name).unwrap_or_default(), value)?;
        }
        let non_persistent: HashSet<_> = module.non_persistent.iter().filter_map(|&name| self.text(name)).collect();
        for (name, value) in module.buffers.iter() {
            let name = self.text(name).unwrap_or_default();
            if !non_persistent.contains(&name) {
                emit(&name, value)?;
            }
        }
        Ok(())
    }
}

fn widened(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
