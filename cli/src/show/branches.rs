//! The tree of modules for people.

use std::borrow::Cow;

use super::tree::{Kind, Sums, Tree};
use crate::columns::{self, Column};
use crate::groups::ranges;
use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::text::{clean, count, size};

const COLUMNS: [Column; 6] = [
    Column { title: "module", least: 16, right: false },
    Column { title: "tensors", least: 7, right: true },
    Column { title: "elements", least: 8, right: true },
    Column { title: "size", least: 9, right: true },
    Column { title: "dtype", least: 7, right: false },
    Column { title: "shape", least: 8, right: false },
];

/// How a tree is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawing {
    /// How many modules deep.
    pub(crate) depth: usize,
    /// Whether numbered modules that are alike are one row.
    pub(crate) merged: bool,
}

/// A row: where it hangs, what it is, and what it comes to.
struct Row<'a> {
    name: String,
    sums: Sums,
    tensor: Option<&'a Kind>,
    module: bool,
}

/// The tree; `None` if nothing is in it. Says whether rows stand for several modules.
pub(crate) fn print(tree: &Tree, drawing: Drawing, screen: Screen, paint: Paint) -> Option<(String, bool)> {
    let (rows, merged) = rows(tree, drawing);
    if rows.len() < 2 {
        return None;
    }
    let set = |row: &Row<'_>| {
        let cells = [
            Cow::Owned(row.name.clone()),
            Cow::Owned(if row.module { count(row.sums.tensors) } else { String::new() }),
            Cow::Owned(count(row.sums.elements)),
            Cow::Owned(size(row.sums.bytes)),
            Cow::Borrowed(row.tensor.map_or("", |kind| kind.dtype)),
            Cow::Owned(row.tensor.map_or(String::new(), |kind| kind.shape.clone())),
        ];
        (Ink::Plain, cells)
    };
    let rows: Vec<_> = rows.iter().map(set).collect();
    Some((columns::table(&COLUMNS, &rows, screen, paint), merged))
}

/// Nodes that are one row, and how often what is below them counts.
struct Branch {
    name: String,
    first: usize,
    number: u64,
}

/// A branch that is still to be drawn.
struct Task {
    branch: Branch,
    /// What stands before its name, and before those below it.
    stem: String,
    below: String,
    depth: usize,
    times: u64,
}

fn rows(tree: &Tree, drawing: Drawing) -> (Vec<Row<'_>>, bool) {
    let likenesses = if drawing.merged { tree.likenesses() } else { Vec::new() };
    let root = Branch { name: "(all)".to_owned(), first: 0, number: 1 };
    let mut tasks = vec![Task { branch: root, stem: String::new(), below: String::new(), depth: 0, times: 1 }];
    let (mut rows, mut merged) = (Vec::new(), false);
    while let Some(Task { branch, stem, below, depth, times }) = tasks.pop() {
        let Some(mut node) = tree.node(branch.first) else { continue };
        let mut name = branch.name;
        // A module with nothing but one other in it needs no row of its own.
        while let ([only], None) = (&node.children[..], &node.tensor)
            && depth > 0
            && let Some(child) = tree.node(*only)
        {
            name.push('.');
            name.push_str(&clean(&child.piece));
            node = child;
        }
        let times = times.saturating_mul(branch.number);
        merged |= branch.number > 1;
        let module = !node.children.is_empty() || depth == 0;
        let name = format!("{stem}{}", if name.is_empty() { "''" } else { &name });
        rows.push(Row { name, sums: node.sums.times(times), tensor: node.tensor.as_ref(), module });
        if depth >= drawing.depth {
            continue;
        }
        let branches = branches(tree, &node.children, &likenesses);
        let last = branches.len().saturating_sub(1);
        for (n, branch) in branches.into_iter().enumerate().rev() {
            let (stem, more) = if n == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let task = Task {
                branch,
                stem: format!("{below}{stem}"),
                below: format!("{below}{more}"),
                depth: depth.saturating_add(1),
                times,
            };
            tasks.push(task);
        }
    }
    (rows, merged)
}

/// The children of a node: numbered ones that are alike as one, if there are likenesses.
fn branches(tree: &Tree, children: &[usize], likenesses: &[usize]) -> Vec<Branch> {
    let mut branches: Vec<(Branch, Vec<u64>)> = Vec::new();
    let mut numbered: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
    for &child in children {
        let Some(node) = tree.node(child) else { continue };
        let number = node.piece.parse::<u64>().ok().filter(|number| number.to_string() == node.piece);
        let alike = likenesses.get(child).zip(number);
        if let Some((likeness, number)) = alike {
            let next = branches.len();
            let place = *numbered.entry(*likeness).or_insert(next);
            if let Some((branch, numbers)) = branches.get_mut(place) {
                branch.number = branch.number.saturating_add(1);
                numbers.push(number);
                continue;
            }
        }
        let name = clean(&node.piece).into_owned();
        branches.push((Branch { name, first: child, number: 1 }, number.into_iter().collect()));
    }
    for (branch, numbers) in &mut branches {
        if branch.number > 1 {
            numbers.sort_unstable();
            branch.name.clear();
            ranges(&mut branch.name, numbers);
        }
    }
    branches.into_iter().map(|(branch, _)| branch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tree: &Tree, depth: usize, merged: bool) -> Vec<(String, u64)> {
        let (rows, _) = rows(tree, Drawing { depth, merged });
        rows.into_iter().map(|row| (row.name, row.sums.elements)).collect()
    }

    #[test]
    fn branches_show_what_is_below_what() {
        let tree = Tree::of_names(&[("a.w", 1), ("a.b.c.w", 2), ("a.b.c.v", 3), ("z", 4)]);
        let expected = [("(all)", 10), ("├─ a", 6), ("│  ├─ w", 1), ("│  └─ b.c", 5), ("│     ├─ w", 2)];
        let found = names(&tree, usize::MAX, false);
        assert_eq!(found[..5], expected.map(|(name, sum)| (name.to_owned(), sum)));
        assert_eq!(found[5..], [("│     └─ v".to_owned(), 3), ("└─ z".to_owned(), 4)]);
        assert_eq!(names(&tree, 1, false).len(), 3);
    }

    #[test]
    fn layers_that_are_alike_are_one_row() {
        let tree = Tree::of_names(&[("l.0.w", 2), ("l.1.w", 2), ("l.2.w", 3), ("l.3.w", 2), ("h", 1)]);
        let expected = [("(all)", 10), ("├─ l", 9), ("│  ├─ {0,1,3}.w", 6), ("│  └─ 2.w", 3), ("└─ h", 1)];
        assert_eq!(names(&tree, usize::MAX, true), expected.map(|(name, sum)| (name.to_owned(), sum)));
        assert_eq!(names(&tree, usize::MAX, false).len(), 7);
    }
}
