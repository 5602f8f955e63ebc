//! Which tensors are wanted, and what they are called.

use std::borrow::Cow;

use super::args::{Convert, Rename};
use crate::names::Filter;

/// What the options say of names.
pub(super) struct Names<'a> {
    filter: &'a Filter,
    prefixes: &'a [String],
    renames: &'a [Rename],
}

impl<'a> Names<'a> {
    pub(super) fn new(args: &'a Convert) -> Self {
        Self { filter: &args.filter, prefixes: &args.strip_prefix, renames: &args.rename }
    }

    /// Whether a tensor is wanted, by its name in the file.
    pub(super) fn wanted(&self, name: &str) -> bool {
        self.filter.takes(name)
    }

    /// The name that it is written under.
    pub(super) fn written(&self, name: &str) -> String {
        let stripped = self.prefixes.iter().fold(name, |name, prefix| name.strip_prefix(&**prefix).unwrap_or(name));
        let replace = |name: Cow<'_, str>, rename: &Rename| match rename.regex.replace_all(&name, &*rename.text) {
            // Nothing of it matched.
            Cow::Borrowed(_) => name.into_owned(),
            Cow::Owned(replaced) => replaced,
        };
        self.renames.iter().fold(stripped.to_owned(), |name, rename| replace(name.into(), rename))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        convert: Convert,
    }

    fn convert(options: &[&str]) -> Convert {
        Line::try_parse_from(["convert", "in", "out"].iter().chain(options)).unwrap().convert
    }

    #[test]
    fn prefixes_go_before_names_are_changed_in_order() {
        let args = convert(&[
            "--strip-prefix",
            "module.",
            "--strip-prefix",
            "_orig_mod.",
            "--rename",
            r"^layers\.(\d+)\.=blocks.$1.",
            "--rename",
            "gamma$=weight",
        ]);
        let written = |name| Names::new(&args).written(name);
        assert_eq!(written("module._orig_mod.layers.12.gamma"), "blocks.12.weight");
        assert_eq!(written("layers.module.gamma.x"), "layers.module.gamma.x");
    }
}
