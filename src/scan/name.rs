//! What a single name means in the use that a pickle makes of it.

use std::borrow::Cow;

use super::standard::{Origin, is_python};
use super::table::{EXPLAINED, HARMFUL, Role, Row, Standing, TABLE, is_class};
use super::{NameClass, Usage};
use crate::error::Shown;
use crate::torch::renamed;

/// A name with what the table says of it.
#[derive(Clone, Copy)]
pub(super) struct Name<'n> {
    module: &'n str,
    name: &'n str,
    row: Option<&'static Row>,
}

impl<'n> Name<'n> {
    /// Module and name as pickled.
    pub(super) fn new(module: &'n str, name: &'n str) -> Self {
        let (module, name) = renamed(module, name);
        Self { module, name, row: TABLE.iter().find(|row| row.covers(module, name)) }
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.row.map(|row| row.role)
    }

    /// Whether what it makes can be called.
    pub(super) fn makes_functions(&self) -> bool {
        self.name == "itemgetter"
    }

    /// Whether it may be anything.
    pub(super) fn is_from_elsewhere(&self) -> bool {
        self.row.is_none() && Origin::of(self.module) == Origin::Elsewhere
    }

    /// The class of the name in a use, and why.
    pub(super) fn judge(&self, usage: Usage) -> (NameClass, Cow<'static, str>) {
        if let Some(row) = self.row
            && (row.standing == Standing::Listed || is_known_use(row.role, usage))
        {
            let class = match row.standing {
                Standing::Listed => NameClass::Listed,
                Standing::Harmless => NameClass::Harmless,
                Standing::Trust => NameClass::Unknown,
            };
            return (class, format!("it {}", row.reason).into());
        }
        let explained = EXPLAINED.iter().find(|&&(module, name, _)| (module, name) == (self.module, self.name));
        if let Some(&(_, _, reason)) = explained {
            return (NameClass::Dangerous, reason.into());
        }
        match Origin::of(self.module) {
            Origin::Elsewhere => self.judge_other(),
            // Importing torch's and numpy's own modules does no harm, and whoever calls the class is judged.
            Origin::Torch | Origin::Numpy if usage == Usage::Mentioned && is_class(self.name) => {
                (NameClass::Unknown, "it is a class that is not known, and not called while unpickling".into())
            }
            origin if self.row.is_some() => (
                NameClass::Dangerous,
                format!("it belongs to {} and is known to be harmless in other uses only", origin.name()).into(),
            ),
            origin => (
                NameClass::Dangerous,
                format!("it belongs to {} and is not known to be harmless", origin.name()).into(),
            ),
        }
    }

    fn judge_other(&self) -> (NameClass, Cow<'static, str>) {
        if let Some((_, reason)) = HARMFUL.iter().find(|(beginning, _)| self.begins(beginning)) {
            return (NameClass::Dangerous, (*reason).into());
        }
        let mut pieces: Vec<&str> = self.name.split('.').collect();
        let last = pieces.pop().unwrap_or_default();
        let leads_on = |piece: &&&str| is_python(piece) || matches!(**piece, "torch" | "numpy");
        if let Some(through) = pieces.iter().find(leads_on) {
            let text = format!("it reaches into `{}` through another module", Shown(through));
            return (NameClass::Dangerous, text.into());
        }
        if let Some(special) = pieces.iter().chain([&last]).find(|piece| leads_everywhere(piece)) {
            let text = format!("`{}` leads from any object to all that is loaded", Shown(special));
            return (NameClass::Dangerous, text.into());
        }
        if self.module.split('.').skip(1).any(|piece| matches!(piece, "builtins" | "__builtin__" | "moves")) {
            return (NameClass::Dangerous, "it is Python's standard library under another name".into());
        }
        let reason = match self.module.split('.').next().unwrap_or_default() {
            "__main__" => "it is whatever the program that loads the file calls so".into(),
            "__torch__" => "it is a class of the file's own TorchScript, which is no Python but a program too".into(),
            package => format!("it is code of another package, `{}`", Shown(package)).into(),
        };
        (NameClass::Unknown, reason)
    }

    /// Whether the full name begins with these pieces.
    fn begins(&self, beginning: &str) -> bool {
        let rest = match beginning.strip_prefix(self.module) {
            // The beginning ends within the module.
            None => return self.module.strip_prefix(beginning).is_some_and(|rest| rest.starts_with('.')),
            Some("") => return true,
            Some(rest) => rest.strip_prefix('.'),
        };
        rest.is_some_and(|name| {
            self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

fn is_known_use(role: Role, usage: Usage) -> bool {
    match role {
        Role::Value => usage == Usage::Mentioned,
        Role::Class => usage != Usage::Called,
        Role::Function | Role::Calls(_) | Role::LoadsStorage | Role::Partial | Role::Type | Role::Attribute => true,
    }
}

/// Python's own attributes by which one gets from an object to functions, frames and modules. Others, as `__name__` or
/// those of the package itself, do not lead anywhere.
pub(super) fn leads_everywhere(piece: &str) -> bool {
    matches!(
        piece,
        "__globals__"
            | "__builtins__"
            | "__builtin__"
            | "__subclasses__"
            | "__class__"
            | "__bases__"
            | "__base__"
            | "__mro__"
            | "mro"
            | "__dict__"
            | "__code__"
            | "__closure__"
            | "__getattribute__"
            | "__getattr__"
            | "__loader__"
            | "__spec__"
            | "__import__"
            | "__reduce__"
            | "__reduce_ex__"
            | "__self__"
            | "__func__"
            | "__wrapped__"
            | "__init__"
            | "__call__"
            | "f_globals"
            | "gi_frame"
            | "tb_frame"
    )
}

#[cfg(test)]
mod tests {
    use super::super::table::Names;
    use super::*;

    #[test]
    fn the_listed_names_are_those_of_torch() {
        let mut names = std::collections::BTreeSet::new();
        for row in TABLE.iter().filter(|row| row.standing == Standing::Listed) {
            match row.names {
                Names::These(these) => names.extend(these.iter().map(|name| (row.module, (*name).to_owned()))),
                Names::Ending(stems, end) => {
                    names.extend(stems.iter().map(|stem| (row.module, format!("{stem}{end}"))));
                }
                _ => panic!("{row:?} lists names one by one"),
            }
        }
        // torch 2.15: `torch._weights_only_unpickler._get_allowed_globals`.
        assert_eq!(names.len(), 144);
        for (module, name) in names {
            for usage in [Usage::Mentioned, Usage::Made, Usage::Called] {
                assert_eq!(Name::new(module, &name).judge(usage).0, NameClass::Listed, "{module}.{name}");
            }
        }
    }

    #[test]
    fn names_of_python_2_are_those_of_python_3() {
        let class = |module, name| Name::new(module, name).judge(Usage::Called).0;
        assert_eq!(class("__builtin__", "set"), NameClass::Listed);
        assert_eq!(class("__builtin__", "unicode"), NameClass::Harmless);
        assert_eq!(class("exceptions", "KeyError"), NameClass::Harmless);
        assert_eq!(class("copy_reg", "_reconstructor"), NameClass::Harmless);
        assert_eq!(class("__builtin__", "reduce"), NameClass::Dangerous);
        assert_eq!(class("itertools", "imap"), NameClass::Dangerous);
        assert_eq!(class("numpy.core.multiarray", "scalar"), NameClass::Harmless);
    }

    #[test]
    fn every_row_says_why_and_none_hides_another() {
        for (n, row) in TABLE.iter().enumerate() {
            assert!(row.reason.len() > 8, "{row:?}");
            let Names::These(names) = row.names else { continue };
            for name in names {
                let module = row.module.trim_end_matches(".*");
                let first = TABLE.iter().position(|row| row.covers(module, name));
                assert_eq!(first, Some(n), "{module}.{name} is in an earlier row as well");
            }
        }
    }

    #[test]
    fn harmful_packages_are_told_by_whole_pieces() {
        let class = |module, name| Name::new(module, name).judge(Usage::Mentioned).0;
        assert_eq!(class("requests", "get"), NameClass::Dangerous);
        assert_eq!(class("requests.sessions", "Session"), NameClass::Dangerous);
        assert_eq!(class("requestsx", "get"), NameClass::Unknown);
        assert_eq!(class("pandas", "read_pickle"), NameClass::Dangerous);
        assert_eq!(class("pandas", "DataFrame"), NameClass::Unknown);
        assert_eq!(class("pandas.core.frame", "DataFrame"), NameClass::Unknown);
        assert_eq!(class("pandas.io", "pickle.read_pickle"), NameClass::Dangerous);
        assert_eq!(class("sh", "ls"), NameClass::Dangerous);
        assert_eq!(class("shapely", "Point"), NameClass::Unknown);
    }
}
