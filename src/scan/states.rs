//! What is done to objects with the states that they are given.

use super::judge::{Args, Judge, VirtualCall};
use super::table::Role;
use super::{NameClass, Usage};
use crate::pickle::{Item, Seen};

impl Judge<'_> {
    /// A state is given to something.
    pub(super) fn state(&mut self, target: Item, state: Item, offset: u32) {
        let trace = self.trace;
        match trace.see(target) {
            Seen::Global(_) => self.patched(target, offset),
            Seen::Persistent(id) => {
                for item in self.globals_in(id) {
                    self.patched(item, offset);
                }
            }
            // A class that is not named itself.
            Seen::Call(_) if matches!(self.maker(target), Some(Role::Attribute | Role::Type)) => {
                self.patched(target, offset);
            }
            _ => {}
        }
        for value in self.overrides(state) {
            if self.is_no_function(value) {
                continue;
            }
            self.work.push(VirtualCall { callee: value, args: Args::Anything, usage: Usage::Called, offset });
        }
    }

    pub(super) fn patched(&mut self, target: Item, offset: u32) {
        let what = "its attributes are set, which changes it for the whole program";
        self.find(offset, &self.shown(target), NameClass::Dangerous, Usage::Changed, what);
    }

    /// The values of a state that unpickling itself may call later: it looks up these attributes in the object first.
    pub(super) fn overrides(&mut self, state: Item) -> Vec<Item> {
        const CALLED: [&str; 8] =
            ["__setstate__", "__class__", "__new__", "__call__", "__getattr__", "append", "extend", "add"];
        /// A state may be a pair of dicts, and a dict may be made by a call with a list of pairs.
        const DEPTH: u8 = 3;
        let trace = self.trace;
        let mut values = Vec::new();
        let mut work = vec![(state, 0_u8)];
        while let Some((item, depth)) = work.pop() {
            if depth > DEPTH || !self.seen_states.insert((item, depth)) {
                continue;
            }
            let deeper = depth.saturating_add(1);
            let (items, is_dict) = match trace.see(item) {
                Seen::Group(items, is_dict) => (items, is_dict),
                Seen::Call(call) => {
                    work.push((call.args, deeper));
                    (call.given.as_slice(), true)
                }
                _ => continue,
            };
            if is_dict || items.len() == 2 {
                for pair in items.windows(2) {
                    let &[key, value] = pair else { continue };
                    if trace.text(key).is_some_and(|key| CALLED.contains(&&*key)) {
                        values.push(value);
                    }
                }
            }
            if !is_dict {
                work.extend(items.iter().map(|&item| (item, deeper)));
            }
        }
        values
    }

    /// Objects that the table knows, and that cannot be called or only give what was put into them.
    pub(super) fn is_no_function(&self, value: Item) -> bool {
        let Seen::Call(call) = self.trace.see(value) else { return false };
        let Some(name) = self.name(call.callable) else { return false };
        matches!(name.role(), Some(Role::Function | Role::Class | Role::LoadsStorage)) && !name.makes_functions()
    }

    /// The globals that a persistent id holds.
    pub(super) fn globals_in(&self, id: Item) -> Vec<Item> {
        match self.trace.see(id) {
            Seen::Global(_) => vec![id],
            Seen::Group(items, _) => {
                items.iter().copied().filter(|&item| matches!(self.trace.see(item), Seen::Global(_))).collect()
            }
            _ => Vec::new(),
        }
    }
}
