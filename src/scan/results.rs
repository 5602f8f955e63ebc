//! Results of calls that are called in turn, and attributes.

use super::judge::Args;
use super::judge::{Judge, VirtualCall};
use super::name::{Name, leads_everywhere};
use super::table::Role;
use super::{NameClass, Usage};
use crate::pickle::{Item, Seen};

/// How far attributes of attributes are followed.
const MAX_ATTRIBUTES: usize = 16;

/// What `getattr` is asked for.
pub(super) enum Attribute {
    Of(Item, String),
    Untold,
}

impl Judge<'_> {
    /// The result of a call is called.
    pub(super) fn call_result(&mut self, call: VirtualCall) {
        let mut inner = call.callee;
        for _ in 0..MAX_ATTRIBUTES {
            let Seen::Call(made) = self.trace.see(inner) else { break };
            let name = self.name(made.callable);
            match name.and_then(|name| name.role()) {
                Some(Role::Partial) => return self.partial(inner, made.args, call),
                Some(Role::Attribute) => {
                    return match self.attribute(self.group(made.args)) {
                        Attribute::Of(target, text) => self.judge_attribute(target, &text, call, call.usage),
                        Attribute::Untold => {}
                    };
                }
                _ => {}
            }
            if name.is_some_and(|name| name.is_from_elsewhere()) {
                let what = "what it gives is called in turn";
                return self.find(call.offset, &self.shown(made.callable), NameClass::Unknown, call.usage, what);
            }
            match self.trace.see(made.callable) {
                Seen::Call(_) => inner = made.callable,
                Seen::Persistent(_) | Seen::Extension => return,
                _ => {
                    let what = "what it gives is called in turn, and that can be anything";
                    return self.find(call.offset, &self.shown(made.callable), NameClass::Dangerous, call.usage, what);
                }
            }
        }
        self.find(
            call.offset,
            "(a result of calls)",
            NameClass::Dangerous,
            call.usage,
            "results of calls are called, and can be anything",
        );
    }

    /// What `functools.partial` keeps is called: the function that it was made with, or given with a state, `(function,
    /// arguments, keyword arguments, attributes)`.
    pub(super) fn partial(&mut self, partial: Item, args: Item, call: VirtualCall) {
        let states = self.partials.get(&partial).map(Vec::as_slice).unwrap_or_default();
        let functions: Vec<Option<Item>> = states
            .iter()
            .chain([&args])
            .map(|&items| self.group(items).and_then(|items| items.first().copied()))
            .collect();
        for function in functions {
            match function {
                Some(callee) => self.work.push(VirtualCall { callee, args: Args::Anything, ..call }),
                None => {
                    let what = "it is called, and which function it keeps cannot be told";
                    self.find(call.offset, "functools.partial", NameClass::Dangerous, Usage::Called, what);
                }
            }
        }
    }

    /// Whether it is the result of `functools.partial`.
    pub(super) fn is_partial(&self, item: Item) -> bool {
        matches!(self.maker(item), Some(Role::Partial))
    }

    /// What the table says of the name that made an object.
    pub(super) fn maker(&self, item: Item) -> Option<Role> {
        match self.trace.see(item) {
            Seen::Call(call) => self.name(call.callable)?.role(),
            _ => None,
        }
    }

    pub(super) fn group(&self, item: Item) -> Option<&[Item]> {
        match self.trace.see(item) {
            Seen::Group(items, _) => Some(items),
            _ => None,
        }
    }

    /// What `getattr` is asked for.
    pub(super) fn attribute(&self, args: Option<&[Item]>) -> Attribute {
        match args {
            Some(&[target, name, ..]) => {
                self.trace.text(name).map_or(Attribute::Untold, |text| Attribute::Of(target, text))
            }
            _ => Attribute::Untold,
        }
    }

    /// An attribute of a global is a global with a longer name; one of an object is as good as the object's class.
    pub(super) fn judge_attribute(&mut self, target: Item, text: &str, call: VirtualCall, usage: Usage) {
        let mut path = vec![text.to_owned()];
        let mut target = target;
        while let Seen::Call(made) = self.trace.see(target)
            && matches!(self.maker(target), Some(Role::Attribute))
            && path.len() < MAX_ATTRIBUTES
            && let Attribute::Of(next, text) = self.attribute(self.group(made.args))
        {
            path.push(text);
            target = next;
        }
        path.reverse();
        let leads_on = path.iter().any(|piece| piece.starts_with("__") || leads_everywhere(piece));
        let path = path.join(".");
        let (shown, class, reason) = match self.trace.see(target) {
            Seen::Global(mention) => {
                let Some((module, name)) = self.trace.names(mention) else { return };
                let full = format!("{name}.{path}");
                let (class, reason) = Name::new(module, &full).judge(usage);
                return self.find(call.offset, &format!("{module}.{full}"), class, usage, &reason);
            }
            Seen::Call(made) => {
                let shown = format!("{}().{path}", self.shown(made.callable));
                match self.name(made.callable) {
                    _ if leads_on => (shown, NameClass::Dangerous, "it leads from an object to its class and further"),
                    Some(name) if name.is_from_elsewhere() => {
                        (shown, NameClass::Unknown, "it is an attribute of an object of another package")
                    }
                    Some(name) if usage == Usage::Mentioned && !matches!(name.role(), None | Some(Role::Attribute)) => {
                        (shown, NameClass::Harmless, "it is an attribute that is not called while unpickling")
                    }
                    _ => (shown, NameClass::Dangerous, "it is an attribute of a result of calls, and can be anything"),
                }
            }
            Seen::Inert | Seen::Text | Seen::Bytes | Seen::Group(..) => {
                let shown = format!("(a value).{path}");
                if leads_on || usage != Usage::Mentioned {
                    (shown, NameClass::Dangerous, "it leads from a plain value to functions that do more")
                } else {
                    (shown, NameClass::Harmless, "it is an attribute of a plain value, not called while unpickling")
                }
            }
            Seen::Persistent(_) | Seen::Extension | Seen::Unknown => {
                let class = if leads_on { NameClass::Dangerous } else { NameClass::Unknown };
                (format!("(an object).{path}"), class, "it is an attribute of an object outside the pickle")
            }
        };
        self.find(call.offset, &shown, class, usage, reason);
    }
}
