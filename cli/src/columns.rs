//! Rows of text set in columns that fit a width.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::text::{fit_end, fit_middle, width};

/// Spaces between columns.
const GAP: usize = 2;

/// How one column is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Columns that it keeps when space is short.
    pub(crate) least: usize,
    pub(crate) right: bool,
}

/// The widths of the columns for these rows: their contents' own, as long as all fit. Otherwise the columns give way in
/// turn, from the first on. A column in which no row has anything is left out: its width is 0.
pub(crate) fn fitted<const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [usize; N]>,
    available: usize,
) -> [usize; N] {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.max(*width);
        }
    }
    for (width, column) in widths.iter_mut().zip(columns) {
        if *width > 0 {
            *width = column.title.len().max(*width);
        }
    }
    let mut total = widths.iter().filter(|&&width| width > 0).map(|width| width.saturating_add(GAP)).sum::<usize>();
    total = total.saturating_sub(GAP);
    for (width, column) in widths.iter_mut().zip(columns) {
        let excess = total.saturating_sub(available).min(width.saturating_sub(column.least));
        *width = width.saturating_sub(excess);
        total = total.saturating_sub(excess);
    }
    widths
}

/// Adds one line to `text`, without spaces at its end.
pub(crate) fn line<const N: usize>(
    text: &mut String,
    columns: &[Column; N],
    widths: &[usize; N],
    cells: &[Cow<'_, str>; N],
) {
    let start = text.len();
    let mut gap = 0;
    for ((column, &columns), cell) in columns.iter().zip(widths).zip(cells) {
        if columns == 0 {
            continue;
        }
        let cell = fit_middle(cell, columns);
        let padding = columns.saturating_sub(width(&cell));
        let (before, after) = if column.right { (gap + padding, GAP) } else { (gap, padding + GAP) };
        // Writing to a String does not fail.
        let _ = write!(text, "{:before$}{cell}", "");
        gap = after;
    }
    let used = text.get(start..).map_or(0, |line| line.trim_end().len());
    text.truncate(start.saturating_add(used));
}

/// Titles and rows, each a line, in their colours.
pub(crate) fn table<const N: usize>(
    columns: &[Column; N],
    rows: &[(Ink, [Cow<'_, str>; N])],
    screen: Screen,
    paint: Paint,
) -> String {
    let cells = rows.iter().map(|(_, cells)| cells.each_ref().map(|cell| width(cell)));
    let widths = fitted(columns, cells, screen.width);
    let titles = (Ink::Title, columns.map(|column| Cow::Borrowed(column.title)));
    let (mut text, mut set) = (String::new(), String::new());
    for (ink, cells) in std::iter::once(&titles).chain(rows) {
        set.clear();
        line(&mut set, columns, &widths, cells);
        text.push_str(&paint.ink(*ink, &fit_end(&set, screen.width)));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "name", least: 5, right: false },
        Column { title: "note", least: 4, right: false },
        Column { title: "size", least: 4, right: true },
    ];

    fn set(cells: [&str; 3], available: usize) -> String {
        let widths = fitted(&COLUMNS, [cells.map(width)].into_iter(), available);
        let mut text = String::new();
        line(&mut text, &COLUMNS, &widths, &cells.map(Cow::Borrowed));
        text
    }

    #[test]
    fn columns_are_as_wide_as_their_contents() {
        assert_eq!(set(["weight", "x", "12 B"], 80), "weight  x     12 B");
        assert_eq!(set(["weight", "", "12 B"], 80), "weight  12 B");
    }

    #[test]
    fn the_first_column_gives_way_first() {
        assert_eq!(set(["encoder.weight", "abcdefgh", "12 B"], 26), "encod…ight  abcdefgh  12 B");
        assert_eq!(set(["encoder.weight", "abcdefgh", "12 B"], 10), "en…ht  ab…h  12 B");
    }
}
