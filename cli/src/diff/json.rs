//! The comparison in JSON, a line for each tensor.

use serde::Serialize;

use super::{Diff, Looks, Row, Values};
use crate::failure::Failure;
use crate::number::Number;
use crate::output::Output;

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    equal: bool,
    /// Nothing if there is no such tensor.
    a: Option<Side<'a>>,
    b: Option<Side<'a>>,
    differences: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Compared>,
}

#[derive(Serialize)]
struct Side<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    layout: &'static str,
}

#[derive(Serialize)]
struct Compared {
    count: u64,
    differing: u64,
    nan: u64,
    largest: Option<Number>,
    mean: Option<Number>,
}

impl<'a> Side<'a> {
    fn of(looks: &'a Looks) -> Self {
        Self { dtype: looks.dtype.name(), shape: &looks.sizes, layout: looks.layout.name() }
    }
}

impl Compared {
    fn of(values: &Values) -> Self {
        let number = |number: f64| (!values.bits).then_some(Number::Float(number));
        let Values { count, differing, nan, largest, .. } = *values;
        Self { count, differing, nan, largest: number(largest), mean: number(values.mean()) }
    }
}

pub(super) fn print(args: &Diff, rows: &[Row], others: [usize; 2]) -> Result<(), Failure> {
    let mut output = Output::new();
    let equal = !rows.iter().any(Row::differs);
    output.text("{\"a\": ")?;
    output.json(&args.a.to_string_lossy())?;
    output.text(", \"b\": ")?;
    output.json(&args.b.to_string_lossy())?;
    output.text(&format!(", \"equal\": {equal}, \"tolerance\": "))?;
    output.json(&args.tolerance)?;
    output.text(",\n\"tensors\": [")?;
    for (n, row) in rows.iter().enumerate() {
        output.text(if n > 0 { ",\n" } else { "\n" })?;
        output.json(&Line {
            name: &row.name,
            equal: !row.differs(),
            a: row.a.as_ref().map(Side::of),
            b: row.b.as_ref().map(Side::of),
            differences: &row.differences,
            values: row.values.as_ref().map(Compared::of),
        })?;
    }
    output.text("],\n\"not_compared\": ")?;
    output.json(&others)?;
    output.text("}\n")?;
    Ok(output.finish()?)
}
