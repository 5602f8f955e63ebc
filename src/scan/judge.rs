//! From what was seen in a pickle to what it would do: which names are called, directly or by others, and what is done to
//! objects behind their backs.

use hashbrown::{HashMap, HashSet};

use super::name::Name;
use super::results::Attribute;
use super::table::{Given, Role};
use super::{Finding, NameClass, Usage};
use crate::pickle::graph::Made;
use crate::pickle::{Item, Seen, Trace};

/// Gives every finding of a pickle to `found`, in no order. Offsets are those of the pickle, and no record is named yet.
pub(super) fn judge(trace: &Trace<'_>, found: &mut dyn FnMut(Finding)) {
    let mut judge = Judge {
        trace,
        names: trace.mentions.iter().map(|mention| trace.names(mention).map(|(m, n)| Name::new(m, n))).collect(),
        uses: vec![Usage::Mentioned; trace.mentions.len()],
        found,
        seen: HashSet::new(),
        seen_states: HashSet::new(),
        partials: HashMap::new(),
        work: Vec::new(),
    };
    for build in &trace.builds {
        if judge.is_partial(build.target) {
            judge.partials.entry(build.target).or_default().push(build.state);
        }
    }
    for call in &trace.calls {
        let usage = match call.made {
            Made::NewObj | Made::NewObjEx => Usage::Made,
            Made::Reduce | Made::Inst | Made::Obj => Usage::Called,
        };
        let kwargs = call.kwargs.is_some_and(|kwargs| !matches!(trace.see(kwargs), Seen::Group([], _)));
        // Keyword arguments may be any of the arguments.
        let args = if kwargs { Args::Anything } else { Args::Tuple(call.args) };
        judge.work.push(VirtualCall { callee: call.callable, args, usage, offset: call.offset });
        judge.settle();
    }
    for build in &trace.builds {
        judge.state(build.target, build.state, build.offset);
        judge.settle();
    }
    judge.finish();
}

/// Something that is called, by the pickle or by what the pickle calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct VirtualCall {
    pub(super) callee: Item,
    pub(super) args: Args,
    pub(super) usage: Usage,
    pub(super) offset: u32,
}

/// What something is called with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Args {
    Anything,
    One(Item),
    Tuple(Item),
}

pub(super) struct Judge<'t> {
    pub(super) trace: &'t Trace<'t>,
    /// Of each mention.
    names: Vec<Option<Name<'t>>>,
    /// The worst use of each mention.
    uses: Vec<Usage>,
    found: &'t mut dyn FnMut(Finding),
    // However often a call or a state is repeated, it is looked at once.
    seen: HashSet<(Item, Args, Usage)>,
    /// The states that each result of `functools.partial` is given.
    pub(super) partials: HashMap<Item, Vec<Item>>,
    pub(super) seen_states: HashSet<(Item, u8)>,
    pub(super) work: Vec<VirtualCall>,
}

impl Judge<'_> {
    fn settle(&mut self) {
        while let Some(call) = self.work.pop() {
            if self.seen.insert((call.callee, call.args, call.usage)) {
                self.call(call);
            }
        }
    }

    fn call(&mut self, call: VirtualCall) {
        let trace = self.trace;
        match trace.see(call.callee) {
            Seen::Global(_) => {
                self.note(call.callee, call.usage);
                let role = self.name(call.callee).and_then(|name| name.role());
                self.passed_on(role, call);
            }
            Seen::Call(_) => self.call_result(call),
            Seen::Persistent(id) => {
                let named = self.globals_in(id);
                if named.is_empty() {
                    self.find(
                        call.offset,
                        "(an object outside the pickle)",
                        NameClass::Unknown,
                        call.usage,
                        "it is named by a persistent id, and only the program that loads the file knows what it is",
                    );
                }
                for item in named {
                    self.work.push(VirtualCall { callee: item, args: Args::Anything, ..call });
                }
            }
            // Found already, or nothing that can be called.
            Seen::Extension | Seen::Unknown | Seen::Inert | Seen::Text | Seen::Bytes | Seen::Group(..) => {}
        }
    }

    /// What a function calls itself.
    fn passed_on(&mut self, role: Option<Role>, call: VirtualCall) {
        let trace = self.trace;
        let one;
        let args: Option<&[Item]> = match call.args {
            Args::Anything => None,
            Args::One(arg) => {
                one = [arg];
                Some(&one)
            }
            Args::Tuple(args) => match trace.see(args) {
                Seen::Group(items, false) => Some(items),
                _ => None,
            },
        };
        let hidden = |this: &mut Self, what: &str| {
            this.find(call.offset, &this.shown(call.callee), NameClass::Dangerous, call.usage, what);
        };
        match role {
            Some(Role::Calls(passes)) => {
                let Some(args) = args else {
                    return hidden(self, "it calls an argument, and which one it is given cannot be told");
                };
                for pass in passes {
                    let Some(&callee) = args.get(pass.callee) else { continue };
                    let given = match pass.given {
                        Given::Whatever => Args::Anything,
                        Given::Argument(position) => args.get(position).map_or(Args::Anything, |&arg| Args::One(arg)),
                        Given::Tuple(position) => args.get(position).map_or(Args::Anything, |&args| Args::Tuple(args)),
                    };
                    let usage = if pass.is_class { Usage::Made } else { Usage::Called };
                    self.work.push(VirtualCall { callee, args: given, usage, offset: call.offset });
                }
            }
            Some(Role::LoadsStorage)
                if !args.is_some_and(|args| args.first().is_some_and(|&arg| self.is_data(arg))) =>
            {
                hidden(self, "it unpickles bytes that the pickle computes");
            }
            Some(Role::Type) if args.is_none_or(|args| args.len() != 1) => {
                hidden(self, "with three arguments it makes a class");
            }
            Some(Role::Attribute) => match self.attribute(args) {
                Attribute::Of(target, text) => self.judge_attribute(target, &text, call, Usage::Mentioned),
                Attribute::Untold => hidden(self, "it looks up an attribute whose name cannot be told"),
            },
            _ => {}
        }
    }

    /// A byte string that is written in the pickle, where it is scanned as well.
    fn is_data(&self, item: Item) -> bool {
        match self.trace.see(item) {
            Seen::Bytes | Seen::Text => true,
            Seen::Call(call) => {
                let Seen::Global(mention) = self.trace.see(call.callable) else { return false };
                let encodes = self.trace.names(mention) == Some(("_codecs", "encode"));
                encodes
                    && matches!(self.trace.see(call.args), Seen::Group(&[text, encoding], false)
                        if matches!(self.trace.see(text), Seen::Text)
                            && matches!(self.trace.text(encoding).as_deref(), Some("latin1" | "latin-1")))
            }
            _ => false,
        }
    }

    /// The name of a global that is written in the pickle.
    pub(super) fn name(&self, global: Item) -> Option<Name<'_>> {
        self.names.get(self.trace.mention_index(global)?).copied().flatten()
    }

    pub(super) fn note(&mut self, global: Item, usage: Usage) {
        if let Some(index) = self.trace.mention_index(global)
            && let Some(worst) = self.uses.get_mut(index)
        {
            *worst = (*worst).max(usage);
        }
    }

    pub(super) fn shown(&self, item: Item) -> String {
        match self.trace.see(item) {
            Seen::Global(mention) => match self.trace.names(mention) {
                Some((module, name)) => format!("{module}.{name}"),
                None => COMPUTED.to_owned(),
            },
            _ => "(a result of calls)".to_owned(),
        }
    }

    pub(super) fn find(&mut self, offset: u32, global: &str, class: NameClass, usage: Usage, reason: &str) {
        (self.found)(Finding::new(offset.into(), global, class, usage, reason));
    }

    fn finish(mut self) {
        let trace = self.trace;
        let uses = std::mem::take(&mut self.uses);
        let names = std::mem::take(&mut self.names);
        for ((mention, usage), name) in trace.mentions.iter().zip(uses).zip(names) {
            match trace.names(mention).zip(name) {
                Some(((module, text), name)) => {
                    let (class, reason) = name.judge(usage);
                    self.find(mention.offset, &format!("{module}.{text}"), class, usage, &reason);
                }
                None => {
                    let what = "the pickle computes it, or it is too long for a name";
                    self.find(mention.offset, COMPUTED, NameClass::Dangerous, usage, what);
                }
            }
        }
        for (code, offset) in trace.extensions() {
            let what = "it is whatever the program that loads the file registered under that number (`copyreg`)";
            self.find(offset, &format!("(extension {code})"), NameClass::Unknown, Usage::Called, what);
        }
    }
}

const COMPUTED: &str = "(a computed name)";
