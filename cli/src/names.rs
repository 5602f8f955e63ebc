//! Names of tensors: which are wanted, and in which order people expect them.

use std::cmp::Ordering;

use clap::Args;
use glob::Pattern;

/// Which names are wanted.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Take only names that match a pattern: `*` is any text, dots too, `?` any character, `[0-9]` one of these
    ///
    /// A pattern is matched with the whole name as the checkpoint has it: `*.weight`, `encoder.*`, `layer.[0-3].*`. If the
    /// option is given more than once, one match is enough.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<Pattern>,
    /// Leave out names that match a pattern, also where --include takes them
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<Pattern>,
}

impl Filter {
    pub(crate) fn takes_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        let matched = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.include.is_empty() || matched(&self.include)) && !matched(&self.exclude)
    }
}

/// The order in which people look for names: piece by piece, and numbers as numbers, so that `layer.2` comes before
/// `layer.10`.
pub(crate) fn in_order(a: &str, b: &str) -> Ordering {
    let number = |piece: &str| piece.parse::<u64>().ok();
    let pieces = |a: &str, b: &str| match (number(a), number(b)) {
        (Some(x), Some(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    };
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) => match pieces(x, y) {
                Ordering::Equal => {}
                order => return order,
            },
            (x, y) => return x.is_some().cmp(&y.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Filter { include: patterns(include), exclude: patterns(exclude) }
    }

    #[test]
    fn patterns_match_whole_names() {
        let weights = filter(&["*.weight", "head.*"], &["*.norm.*"]);
        for (name, taken) in [
            ("layer.0.weight", true),
            ("a/b.weight", true),
            ("weight", false),
            ("layer.0.weights", false),
            ("head.bias", true),
            ("layer.0.norm.weight", false),
        ] {
            assert_eq!(weights.takes(name), taken, "{name}");
        }
        assert!(filter(&[], &["*.bias"]).takes("layer.weight") && !filter(&[], &["*.bias"]).takes("layer.bias"));
        assert!(filter(&["layer.1[0-2].[wb]?"], &[]).takes("layer.12.w1"));
        assert!(Filter::default().takes_all() && Filter::default().takes(""));
    }

    #[test]
    fn numbers_in_names_are_ordered_as_numbers() {
        let mut names = ["layer.10.w", "layer.2.w", "layer.2", "head", "layer.b", "layer.02.w"];
        names.sort_by(|a, b| in_order(a, b));
        assert_eq!(names, ["head", "layer.02.w", "layer.2", "layer.2.w", "layer.10.w", "layer.b"]);
    }
}
