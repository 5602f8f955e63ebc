//! From what was seen in a pickle to what it would do: which names are called, directly or by others, and what is done to
//! objects behind their backs.

use hashbrown::{HashMap, HashSet};

use super::name::Name;
use super::table::{Given, Role};
use super::{Finding, NameClass, Usage};
use crate::pickle::graph::Made;
use crate::pickle::{Item, Seen, Trace};

/// Gives every finding of a pickle to `found`, in no order. Offsets are those of the pickle, and no record is named yet.
pub(super) fn judge(trace: &Trace<'_>, found: &mut dyn FnMut(Finding)) {
    let mut judge = Judge {
        trace,
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
struct VirtualCall {
    callee: Item,
    args: Args,
    usage: Usage,
    offset: u32,
}

/// What something is called with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Args {
    Anything,
    One(Item),
    Tuple(Item),
}

struct Judge<'t> {
    trace: &'t Trace<'t>,
    /// The worst use of each mention.
    uses: Vec<Usage>,
    found: &'t mut dyn FnMut(Finding),
    // However often a call or a state is repeated, it is looked at once.
    seen: HashSet<(Item, Args, Usage)>,
    /// The states that each result of `functools.partial` is given.
    partials: HashMap<Item, Vec<Item>>,
    seen_states: HashSet<(Item, u8)>,
    work: Vec<VirtualCall>,
}

/// How far attributes of attributes are followed.
const MAX_ATTRIBUTES: usize = 16;

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
            Seen::Global(mention) => {
                self.note(call.callee, call.usage);
                if let Some((module, name)) = trace.names(mention) {
                    self.passed_on(&Name::new(module, name), call);
                }
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
    fn passed_on(&mut self, name: &Name<'_>, call: VirtualCall) {
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
        match name.role() {
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

    /// The result of a call is called.
    fn call_result(&mut self, call: VirtualCall) {
        let mut inner = call.callee;
        for _ in 0..MAX_ATTRIBUTES {
            let Seen::Call(made) = self.trace.see(inner) else { break };
            let name = match self.trace.see(made.callable) {
                Seen::Global(mention) => self.trace.names(mention).map(|(module, name)| Name::new(module, name)),
                _ => None,
            };
            match name.as_ref().and_then(Name::role) {
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
    fn partial(&mut self, partial: Item, args: Item, call: VirtualCall) {
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
    fn is_partial(&self, item: Item) -> bool {
        let Seen::Call(call) = self.trace.see(item) else { return false };
        match self.trace.see(call.callable) {
            Seen::Global(mention) => self.trace.names(mention) == Some(("functools", "partial")),
            _ => false,
        }
    }

    fn group(&self, item: Item) -> Option<&[Item]> {
        match self.trace.see(item) {
            Seen::Group(items, _) => Some(items),
            _ => None,
        }
    }

    /// What `getattr` is asked for.
    fn attribute(&self, args: Option<&[Item]>) -> Attribute {
        match args {
            Some(&[target, name, ..]) => {
                self.trace.text(name).map_or(Attribute::Untold, |text| Attribute::Of(target, text))
            }
            _ => Attribute::Untold,
        }
    }

    /// An attribute of a global is a global with a longer name; one of an object is as good as the object's class.
    fn judge_attribute(&mut self, target: Item, text: &str, call: VirtualCall, usage: Usage) {
        let mut path = vec![text.to_owned()];
        let mut target = target;
        loop {
            match self.trace.see(target) {
                Seen::Global(mention) => {
                    let Some((module, name)) = self.trace.names(mention) else { return };
                    path.push(name.to_owned());
                    path.reverse();
                    let full = path.join(".");
                    let (class, reason) = Name::new(module, &full).judge(usage);
                    return self.find(call.offset, &format!("{module}.{full}"), class, usage, &reason);
                }
                Seen::Call(made) => {
                    let name = match self.trace.see(made.callable) {
                        Seen::Global(mention) => self.trace.names(mention),
                        _ => None,
                    };
                    let Some((module, name)) = name else {
                        let what = "it is an attribute of a result of calls, and can be anything";
                        return self.find(
                            call.offset,
                            &format!("(an object).{text}"),
                            NameClass::Dangerous,
                            usage,
                            what,
                        );
                    };
                    let name = Name::new(module, name);
                    if matches!(name.role(), Some(Role::Attribute))
                        && let Attribute::Of(next, text) = self.attribute(self.group(made.args))
                        && path.len() < MAX_ATTRIBUTES
                    {
                        path.push(text);
                        target = next;
                        continue;
                    }
                    let shown = format!("{}().{text}", self.shown(made.callable));
                    let (class, reason) = if text.starts_with("__") {
                        (NameClass::Dangerous, "it leads from an object to its class and further")
                    } else if name.is_from_elsewhere() {
                        (NameClass::Unknown, "it is an attribute of an object of another package")
                    } else if usage == Usage::Mentioned {
                        (NameClass::Harmless, "it is an attribute that is not called while unpickling")
                    } else {
                        (NameClass::Dangerous, "it is called, and not known to be harmless")
                    };
                    return self.find(call.offset, &shown, class, usage, reason);
                }
                Seen::Inert | Seen::Text | Seen::Bytes | Seen::Group(..) => {
                    let (class, reason) = if text.starts_with("__") || usage != Usage::Mentioned {
                        (NameClass::Dangerous, "it leads from a plain value to functions that do more")
                    } else {
                        (NameClass::Harmless, "it is an attribute of a plain value, and not called while unpickling")
                    };
                    return self.find(call.offset, &format!("(a value).{text}"), class, usage, reason);
                }
                Seen::Persistent(_) | Seen::Extension | Seen::Unknown => {
                    let what = "it is an attribute of an object outside the pickle";
                    return self.find(call.offset, &format!("(an object).{text}"), NameClass::Unknown, usage, what);
                }
            }
        }
    }

    /// A state is given to something.
    fn state(&mut self, target: Item, state: Item, offset: u32) {
        let trace = self.trace;
        match trace.see(target) {
            Seen::Global(_) => self.patched(target, offset),
            Seen::Persistent(id) => {
                for item in self.globals_in(id) {
                    self.patched(item, offset);
                }
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

    fn patched(&mut self, target: Item, offset: u32) {
        let what = "its attributes are set, which changes it for the whole program";
        self.find(offset, &self.shown(target), NameClass::Dangerous, Usage::Changed, what);
    }

    /// The values of a state that unpickling itself may call later: it looks up these attributes in the object first.
    fn overrides(&mut self, state: Item) -> Vec<Item> {
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
    fn is_no_function(&self, value: Item) -> bool {
        let Seen::Call(call) = self.trace.see(value) else { return false };
        let Seen::Global(mention) = self.trace.see(call.callable) else { return false };
        let Some((module, name)) = self.trace.names(mention) else { return false };
        let known = matches!(Name::new(module, name).role(), Some(Role::Function | Role::Class | Role::LoadsStorage));
        known && !name.ends_with("itemgetter")
    }

    /// The globals that a persistent id holds.
    fn globals_in(&self, id: Item) -> Vec<Item> {
        match self.trace.see(id) {
            Seen::Global(_) => vec![id],
            Seen::Group(items, _) => {
                items.iter().copied().filter(|&item| matches!(self.trace.see(item), Seen::Global(_))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn note(&mut self, global: Item, usage: Usage) {
        if let Some(index) = self.trace.mention_index(global)
            && let Some(worst) = self.uses.get_mut(index)
        {
            *worst = (*worst).max(usage);
        }
    }

    fn shown(&self, item: Item) -> String {
        match self.trace.see(item) {
            Seen::Global(mention) => match self.trace.names(mention) {
                Some((module, name)) => format!("{module}.{name}"),
                None => COMPUTED.to_owned(),
            },
            _ => "(a result of calls)".to_owned(),
        }
    }

    fn find(&mut self, offset: u32, global: &str, class: NameClass, usage: Usage, reason: &str) {
        (self.found)(Finding::new(offset.into(), global, class, usage, reason));
    }

    fn finish(mut self) {
        let trace = self.trace;
        let uses = std::mem::take(&mut self.uses);
        for (mention, usage) in trace.mentions.iter().zip(uses) {
            match trace.names(mention) {
                Some((module, name)) => {
                    let (class, reason) = Name::new(module, name).judge(usage);
                    self.find(mention.offset, &format!("{module}.{name}"), class, usage, &reason);
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

enum Attribute {
    Of(Item, String),
    Untold,
}

const COMPUTED: &str = "(a computed name)";
