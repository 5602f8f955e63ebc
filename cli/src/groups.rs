//! Layers of a kind, summarised: `layer.{0..31}.weight`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;

/// Rounds of merging: numbered things in numbered things, and so on.
const ROUNDS: usize = 4;

/// Members of one kind: a name pattern, and which of the given rows it covers.
#[derive(Debug)]
pub(crate) struct Group {
    pieces: Vec<Piece>,
    /// Indices of the rows, ascending.
    pub(crate) members: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text(String),
    /// Ascending.
    Numbers(Vec<u64>),
}

impl Group {
    fn new(name: &str, member: usize) -> Self {
        let pieces = name.split('.').map(|piece| match number(piece) {
            Some(number) => Piece::Numbers(vec![number]),
            None => Piece::Text(piece.to_owned()),
        });
        Self { pieces: pieces.collect(), members: vec![member] }
    }

    /// `layer.{0..31}.weight`
    pub(crate) fn name(&self) -> String {
        let mut name = String::new();
        for (n, piece) in self.pieces.iter().enumerate() {
            if n > 0 {
                name.push('.');
            }
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Numbers(numbers) => ranges(&mut name, numbers),
            }
        }
        name
    }
}

/// Groups rows whose names differ in numbers only and whose `kind` is the same, in the order of their first rows. Each
/// group has exactly the names that its pattern spells: groups are merged only if they differ in one number.
pub(crate) fn grouped<K: Eq + Hash>(rows: &[(String, K)]) -> Vec<Group> {
    let mut groups: Vec<Group> = rows.iter().enumerate().map(|(n, (name, _))| Group::new(name, n)).collect();
    for round in 0..ROUNDS {
        let mut merged: Vec<Group> = Vec::with_capacity(groups.len());
        let mut known: HashMap<(Vec<Piece>, Option<&K>), usize> = HashMap::new();
        for mut group in groups {
            let mut numbered = group.pieces.iter_mut().filter(|piece| matches!(piece, Piece::Numbers(_)));
            let Some(place) = numbered.nth(round) else {
                merged.push(group);
                continue;
            };
            let taken = std::mem::replace(place, Piece::Numbers(Vec::new()));
            let kind = group.members.first().and_then(|&member| rows.get(member)).map(|(_, kind)| kind);
            let key = (group.pieces.clone(), kind);
            if let Some(other) = known.get(&key).and_then(|&index| merged.get_mut(index)) {
                let place = other.pieces.iter_mut().filter(|piece| matches!(piece, Piece::Numbers(_))).nth(round);
                if let (Some(Piece::Numbers(numbers)), Piece::Numbers(more)) = (place, taken) {
                    numbers.extend(more);
                    other.members.append(&mut group.members);
                }
                continue;
            }
            if let Some(place) = group.pieces.iter_mut().filter(|p| matches!(p, Piece::Numbers(_))).nth(round) {
                *place = taken;
            }
            known.insert(key, merged.len());
            merged.push(group);
        }
        groups = merged;
        for group in &mut groups {
            group.members.sort_unstable();
            for piece in &mut group.pieces {
                if let Piece::Numbers(numbers) = piece {
                    numbers.sort_unstable();
                    numbers.dedup();
                }
            }
        }
    }
    groups
}

/// A piece of a name that is a number, and is written as Rust writes it.
fn number(piece: &str) -> Option<u64> {
    let number: u64 = piece.parse().ok()?;
    (number.to_string() == piece).then_some(number)
}

/// `7`, `{0..31}`, `{0,2..4}`
pub(crate) fn ranges(text: &mut String, numbers: &[u64]) {
    if let [only] = numbers {
        text.push_str(&only.to_string());
        return;
    }
    let runs = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    for (n, run) in runs.enumerate() {
        text.push(if n == 0 { '{' } else { ',' });
        // Writing to a String does not fail.
        let _ = match run {
            [first, .., last] if run.len() > 2 => write!(text, "{first}..{last}"),
            [first, last] => write!(text, "{first},{last}"),
            run => run.iter().try_for_each(|number| write!(text, "{number}")),
        };
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rows: &[(&str, u8)]) -> Vec<(String, usize)> {
        let rows: Vec<(String, u8)> = rows.iter().map(|&(name, kind)| (name.to_owned(), kind)).collect();
        grouped(&rows).iter().map(|group| (group.name(), group.members.len())).collect()
    }

    #[test]
    fn layers_of_a_kind_become_one_row() {
        let rows = [("embed", 0), ("layer.0.w", 1), ("layer.0.b", 2), ("layer.1.w", 1), ("layer.1.b", 2), ("head", 0)];
        let expected = [("embed", 1), ("layer.{0,1}.w", 2), ("layer.{0,1}.b", 2), ("head", 1)];
        assert_eq!(names(&rows), expected.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn a_pattern_spells_exactly_its_members() {
        // 1.1 is missing: {0,1}.{0,1} would be a lie.
        let rows = [("0.0", 0), ("0.1", 0), ("1.0", 0)];
        assert_eq!(names(&rows), [("{0,1}.0".to_owned(), 2), ("0.1".to_owned(), 1)]);
        let rows = [("0.0", 0), ("0.1", 0), ("1.0", 0), ("1.1", 0)];
        assert_eq!(names(&rows), [("{0,1}.{0,1}".to_owned(), 4)]);
    }

    #[test]
    fn only_the_same_kind_and_plain_numbers_are_merged() {
        assert_eq!(names(&[("l.0", 0), ("l.1", 1), ("l.01", 0)]).len(), 3);
        let rows = [("l.0", 0), ("l.1", 0), ("l.2", 0), ("l.4", 0), ("l.7", 0), ("l.8", 0)];
        assert_eq!(names(&rows), [("l.{0..2,4,7,8}".to_owned(), 6)]);
    }

    #[test]
    fn the_same_name_twice_is_counted_twice() {
        assert_eq!(names(&[("l.0", 0), ("l.0", 0)]), [("l.0".to_owned(), 2)]);
    }
}
