//! The comparison for people: a table of what differs, and totals.

use std::borrow::Cow;

use torch_checkpoint::Layout;

use super::{Diff, Looks, Row, Values};
use crate::columns::{self, Column};
use crate::failure::Failure;
use crate::number::{Number, share};
use crate::output::Output;
use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::text::{clean, count, fit_end, fit_middle, plural};
use crate::totals::wide;

const COLUMNS: [Column; 7] = [
    Column { title: "", least: 1, right: false },
    Column { title: "name", least: 16, right: false },
    Column { title: "in A", least: 12, right: false },
    Column { title: "in B", least: 12, right: false },
    Column { title: "largest", least: 8, right: true },
    Column { title: "mean", least: 8, right: true },
    Column { title: "differing", least: 9, right: false },
];

/// Of more elements than these the share that differs is shown, of fewer the number.
const COUNTED: u64 = 10_000;

pub(super) fn print(args: &Diff, rows: &[Row], others: [usize; 2]) -> Result<(), Failure> {
    let (screen, paint) = (Screen::of_stdout(), Paint::of_stdout());
    let shown: Vec<_> = rows.iter().filter(|row| args.all || row.differs()).map(|row| cells(args, row)).collect();
    let mut output = Output::new();
    if !shown.is_empty() {
        output.text(&columns::table(&COLUMNS, &shown, screen, paint))?;
        output.text("\n")?;
    }
    for (title, line) in totals(args, rows, others) {
        let line = format!("{title:12}  {line}");
        let line = fit_end(&line, screen.width);
        let (title, rest) = line.split_at_checked(12).unwrap_or((&line, ""));
        output.text(&paint.ink(Ink::Title, title))?;
        output.text(rest)?;
        output.text("\n")?;
    }
    Ok(output.finish()?)
}

fn cells(args: &Diff, row: &Row) -> (Ink, [Cow<'static, str>; 7]) {
    let (mark, ink) = match (&row.a, &row.b) {
        (Some(_), None) => ("-", Ink::Removed),
        (None, Some(_)) => ("+", Ink::Added),
        _ if row.differs() => ("~", Ink::Changed),
        _ => ("", Ink::Plain),
    };
    let looks = |looks: &Option<Looks>| looks.as_ref().map(described).unwrap_or_default();
    let (a, b) = (looks(&row.a), looks(&row.b));
    let b = if a == b { "same".to_owned() } else { b };
    let number = |pick: fn(&Values) -> f64| {
        let values = row.values.as_ref().filter(|values| !values.bits);
        Cow::Owned(values.map(|values| Number::Float(pick(values)).short()).unwrap_or_default())
    };
    let (largest, mean) = (number(|values| values.largest), number(Values::mean));
    let cells = [
        Cow::Borrowed(mark),
        Cow::Owned(clean(&row.name).into_owned()),
        Cow::Owned(a),
        Cow::Owned(b),
        largest,
        mean,
        Cow::Owned(differing(args, row)),
    ];
    (ink, cells)
}

/// `float32 [3, 4]`
fn described(looks: &Looks) -> String {
    let layout = if looks.layout == Layout::Strided { String::new() } else { format!(" {}", looks.layout.name()) };
    format!("{} {}{layout}", looks.dtype.name(), looks.shape)
}

/// What differs, in a few words.
fn differing(args: &Diff, row: &Row) -> String {
    let has = |what: &str| row.differences.contains(&what);
    match &row.values {
        _ if row.a.is_none() => "only in B".to_owned(),
        _ if row.b.is_none() => "only in A".to_owned(),
        _ if has("shape") => "shape".to_owned(),
        _ if has("data") => "one has no data".to_owned(),
        Some(Values { differing: 0, .. }) if has("dtype") => "dtype only".to_owned(),
        Some(Values { differing: 0, largest, .. }) if args.tolerance > 0.0 && *largest > 0.0 => "within".to_owned(),
        Some(Values { differing: 0, .. }) => "nothing".to_owned(),
        Some(values) => {
            let nan = if values.nan > 0 { format!(", {} NaN", count(values.nan)) } else { String::new() };
            if values.count > COUNTED {
                format!("{}{nan}", share(values.differing, values.count))
            } else {
                format!("{} of {}{nan}", count(values.differing), count(values.count))
            }
        }
        None if has("dtype") => "dtype".to_owned(),
        None => "no data".to_owned(),
    }
}

fn totals(args: &Diff, rows: &[Row], others: [usize; 2]) -> Vec<(&'static str, String)> {
    let number = |counts: fn(&Row) -> bool| rows.iter().filter(|row| counts(row)).count();
    let both = number(|row| row.a.is_some() && row.b.is_some());
    let different = number(|row| !row.differences.is_empty());
    let because = |what: &'static str| rows.iter().filter(|row| row.differences.contains(&what)).count();
    let mut lines = Vec::new();
    let (only_a, only_b) = (number(|row| row.b.is_none()), number(|row| row.a.is_none()));
    let result = if different > 0 || only_a > 0 || only_b > 0 { "A and B differ" } else { "A and B are equal" };
    let tolerance = match Number::Float(args.tolerance) {
        _ if args.tolerance == 0.0 => String::new(),
        tolerance => format!(", with a tolerance of {}", tolerance.short()),
    };
    lines.push(("result", format!("{result}{tolerance}")));
    let mut compared = format!("{}, {} equal", plural(both, "tensor"), count(wide(both.saturating_sub(different))));
    for what in ["dtype", "shape", "data", "values"] {
        if because(what) > 0 {
            let wording = if what == "data" { "presence of data" } else { what };
            compared.push_str(&format!(", {} different in {wording}", count(wide(because(what)))));
        }
    }
    lines.push(("in both", compared));
    for (title, only) in [("only in A", only_a), ("only in B", only_b)] {
        if only > 0 {
            lines.push((title, plural(only, "tensor")));
        }
    }
    let values = rows.iter().filter_map(|row| Some((row, row.values.as_ref().filter(|values| values.largest > 0.0)?)));
    if let Some((row, values)) = values.max_by(|(_, a), (_, b)| a.largest.total_cmp(&b.largest)) {
        let name = clean(&row.name);
        lines.push(("largest", format!("{} in {}", Number::Float(values.largest).short(), fit_middle(&name, 60))));
    }
    if let [a, b] = others
        && a.saturating_add(b) > 0
    {
        lines.push(("not compared", format!("what is no tensor in the dicts: {a} in A, {b} in B")));
    }
    lines
}
