//! The statistics for people, with a small histogram.

use std::borrow::Cow;

use torch_checkpoint::Listing;

use super::stats::{BINS, Stats};
use super::{name, shape};
use crate::columns::{self, Column};
use crate::number::{Number, share};
use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::text::{count, width};

const COLUMNS: [Column; 10] = [
    Column { title: "name", least: 16, right: false },
    Column { title: "dtype", least: 7, right: false },
    Column { title: "shape", least: 8, right: false },
    Column { title: "min", least: 8, right: true },
    Column { title: "max", least: 8, right: true },
    Column { title: "mean", least: 8, right: true },
    Column { title: "std", least: 8, right: true },
    Column { title: "zeros", least: 5, right: true },
    Column { title: "not finite", least: 8, right: false },
    Column { title: "histogram", least: BINS, right: false },
];

/// The table; `stats` are those of the listing's tensors, in order.
pub(crate) fn print(listing: &Listing<'_>, stats: &[Option<Stats>], screen: Screen, paint: Paint) -> String {
    let tensors = listing.leaves.iter().filter_map(|leaf| Some((leaf, leaf.value.as_tensor()?)));
    let row = |((leaf, tensor), stats): ((_, &torch_checkpoint::Tensor), &Option<Stats>)| {
        let leaf: &torch_checkpoint::ListedValue<'_> = leaf;
        let number = |number: Option<Number>| Cow::Owned(number.map_or("-".to_owned(), Number::short));
        let of = |pick: fn(&Stats) -> Option<Number>| number(stats.as_ref().and_then(pick));
        let special = stats.as_ref().map(not_finite).unwrap_or_default();
        let ink = if special.is_empty() { Ink::Plain } else { Ink::Warning };
        let cells = [
            Cow::Owned(name(&leaf.path)),
            Cow::Borrowed(tensor.dtype().name()),
            Cow::Owned(shape(tensor)),
            of(|stats| stats.min),
            of(|stats| stats.max),
            of(|stats| stats.mean),
            of(|stats| stats.std),
            Cow::Owned(stats.as_ref().map_or("-".to_owned(), |stats| share(stats.zeros, stats.count))),
            Cow::Owned(special),
            Cow::Owned(stats.as_ref().and_then(|stats| stats.histogram).map(bars).unwrap_or_default()),
        ];
        (ink, cells)
    };
    let mut rows: Vec<(Ink, [Cow<'_, str>; 10])> = tensors.zip(stats).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    // What a plain `show` says as well goes first where it is narrow.
    for plain in [2, 1] {
        if natural(&rows) > screen.width {
            rows.iter_mut().filter_map(|(_, cells)| cells.get_mut(plain)).for_each(|cell| *cell = Cow::Borrowed(""));
        }
    }
    columns::table(&COLUMNS, &rows, screen, paint)
}

/// The width of the rows if the names are cut to their least.
fn natural(rows: &[(Ink, [Cow<'_, str>; 10])]) -> usize {
    let widths = COLUMNS.iter().enumerate().map(|(n, column)| {
        let cells = rows.iter().filter_map(|(_, cells)| cells.get(n)).map(|cell| width(cell));
        let widest = cells.max().unwrap_or(0);
        if widest == 0 {
            return 0;
        }
        let widest = widest.max(column.title.len());
        let widest = if n == 0 { widest.min(column.least) } else { widest };
        widest.saturating_add(2)
    });
    widths.sum::<usize>().saturating_sub(2)
}

fn not_finite(stats: &Stats) -> String {
    let counted = [(stats.nan, "NaN"), (stats.inf, "inf")].into_iter().filter(|(number, _)| *number > 0);
    counted.map(|(number, what)| format!("{} {what}", count(number))).collect::<Vec<_>>().join(" ")
}

/// A bar for each bin, as high as its share of the fullest; whatever is not empty can be seen.
fn bars(histogram: [u64; BINS]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let fullest = u128::from(histogram.iter().copied().max().unwrap_or(0).max(1));
    let bar = |number: u64| {
        let height = (u128::from(number).saturating_mul(8)).div_ceil(fullest);
        usize::try_from(height).ok().and_then(|height| BARS.get(height.checked_sub(1)?)).copied().unwrap_or(' ')
    };
    histogram.map(bar).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_share() {
        assert_eq!(bars([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 800, 0]).chars().last(), Some(' '));
        assert_eq!(bars([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1]), " ▁▂▃▄▅▆▇█  ▁");
        assert_eq!(bars([u64::MAX, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "█▁          ");
    }
}
