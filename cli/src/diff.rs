//! `torch-checkpoint diff`: compares the tensors of two checkpoints.

mod compare;
mod json;
mod report;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::ProgressBar;
use torch_checkpoint::{DType, Error, Layout, Limits, LoadOptions, Tensor};

use crate::bar::bar;
use crate::failure::Failure;
use crate::hash;
use crate::names::Filter;
use crate::remedies::said;
use crate::show::shape;
use crate::text::clean;
use crate::totals::wide;

use compare::{Side, Values};

/// The exit code if something differs: 1 and 2 are errors, 3 and 4 are what `scan` says.
const DIFFERENT: u8 = 5;

/// Bytes that take so long that people want to see progress.
const NOTICED: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The first checkpoint, A
    a: PathBuf,
    /// The second checkpoint, B
    b: PathBuf,
    /// Compare only what is at a dotted path, as `model`, of both checkpoints (an empty one names the whole)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The dotted path in B, if it is another
    #[arg(long, value_name = "KEY")]
    key_b: Option<String>,
    /// Compare every tensor under its dotted path, instead of choosing a dict
    #[arg(long)]
    flatten: bool,
    /// Take a prefix off the names that have it, as `module.`; prefixes are taken off in the order given
    #[arg(long, value_name = "PREFIX")]
    strip_prefix: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// How much two numbers may differ and still count as equal
    #[arg(long, value_name = "DIFFERENCE", default_value_t = 0.0, value_parser = tolerance, allow_negative_numbers = true)]
    tolerance: f64,
    /// Let dtypes differ, as long as shapes and values are equal
    #[arg(long)]
    ignore_dtype: bool,
    /// Print one JSON object, with all tensors, instead of a table
    #[arg(long)]
    json: bool,
    /// Print a row for equal tensors as well
    #[arg(long)]
    all: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(tolerance) if tolerance >= 0.0 && tolerance.is_finite() => Ok(tolerance),
        _ => Err("a tolerance is a number, 0 or more".to_owned()),
    }
}

pub(crate) fn run(args: &Diff) -> Result<ExitCode, Failure> {
    let a = load(&args.a, args.key.as_deref(), args)?;
    let b = load(&args.b, args.key_b.as_deref().or(args.key.as_deref()), args)?;
    let others = [a.others, b.others];
    let rows = rows(args, a.tensors, b.tensors)?;
    let differ = rows.iter().any(Row::differs);
    if args.json {
        json::print(args, &rows, others)?;
    } else {
        report::print(args, &rows, others)?;
    }
    Ok(if differ { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

/// What is compared of a checkpoint.
struct Loaded {
    /// Owned: what was read of a tensor is freed with it.
    tensors: Vec<(String, Tensor)>,
    /// How many entries of the dict are no tensors.
    others: usize,
}

fn load(path: &Path, key: Option<&str>, args: &Diff) -> Result<Loaded, Failure> {
    let mut limits = Limits::default();
    limits.materialised_bytes = wide(hash::MOST);
    let mut options = LoadOptions::new().limits(limits);
    if let Some(key) = key {
        options = options.key(key);
    }
    if args.flatten {
        options = options.flatten();
    }
    let dict = options.load_state_dict(path)?;
    let others = dict.others().filter(|(name, _)| args.filter.takes(name)).count();
    let mut tensors: Vec<(String, Tensor)> = dict.into_iter().filter(|(name, _)| args.filter.takes(name)).collect();
    let mut names = HashSet::new();
    for (name, _) in &mut tensors {
        let stripped =
            args.strip_prefix.iter().fold(&**name, |name, prefix| name.strip_prefix(&**prefix).unwrap_or(name));
        *name = stripped.to_owned();
        if !names.insert(name.clone()) {
            let (path, name) = (path.to_string_lossy(), clean(name));
            let message = format!(
                "{}: --strip-prefix makes `{name}` the name of two tensors; leave one out with --exclude",
                clean(&path)
            );
            return Err(Failure::Message(message));
        }
    }
    Ok(Loaded { tensors, others })
}

fn failure(path: &Path, tensor: Option<&str>, error: &Error) -> Failure {
    let path = path.to_string_lossy();
    let tensor = tensor.map_or(String::new(), |name| format!("tensor `{}`: ", clean(name)));
    Failure::Message(format!("{}: {tensor}{}", clean(&path), said(error)))
}

/// A name, what each side has under it, and how that compares.
struct Row {
    name: String,
    a: Option<Looks>,
    b: Option<Looks>,
    /// What differs of a tensor that both have: its dtype, its shape, its values, whether it has data.
    differences: Vec<&'static str>,
    values: Option<Values>,
}

/// What a tensor is from outside.
#[derive(Clone, PartialEq, Eq)]
struct Looks {
    dtype: DType,
    sizes: Vec<usize>,
    shape: String,
    layout: Layout,
}

impl Looks {
    fn of(tensor: &Tensor) -> Self {
        let (dtype, layout) = (tensor.dtype(), tensor.layout());
        Self { dtype, sizes: tensor.shape().to_vec(), shape: shape(tensor), layout }
    }
}

impl Row {
    fn differs(&self) -> bool {
        self.a.is_none() || self.b.is_none() || !self.differences.is_empty()
    }
}

/// The names of A in their order, then those that only B has.
fn rows(args: &Diff, a: Vec<(String, Tensor)>, b: Vec<(String, Tensor)>) -> Result<Vec<Row>, Failure> {
    let bytes = b.iter().fold(0_u64, |sum, (_, tensor)| sum.saturating_add(wide(tensor.nbytes())));
    let bar = if bytes < NOTICED { ProgressBar::hidden() } else { bar(&args.b) };
    bar.set_length(bytes);
    let order: Vec<String> = b.iter().map(|(name, _)| name.clone()).collect();
    let mut b: HashMap<String, Tensor> = b.into_iter().collect();
    let mut rows = Vec::with_capacity(a.len());
    for (name, tensor) in a {
        let row = match b.remove(&name) {
            Some(other) => {
                let row = compared(args, name, &tensor, &other)?;
                bar.inc(wide(other.nbytes()));
                row
            }
            None => Row { name, a: Some(Looks::of(&tensor)), b: None, differences: Vec::new(), values: None },
        };
        rows.push(row);
    }
    let only_b = order.into_iter().filter_map(|name| b.remove(&name).map(|tensor| (name, tensor)));
    rows.extend(only_b.map(|(name, tensor)| {
        let looks = Some(Looks::of(&tensor));
        Row { name, a: None, b: looks, differences: Vec::new(), values: None }
    }));
    bar.finish_and_clear();
    Ok(rows)
}

fn compared(args: &Diff, name: String, a: &Tensor, b: &Tensor) -> Result<Row, Failure> {
    let (looks_a, looks_b) = (Looks::of(a), Looks::of(b));
    let mut differences = Vec::new();
    let other_dtype = looks_a.dtype != looks_b.dtype;
    if other_dtype && !args.ignore_dtype {
        differences.push("dtype");
    }
    let same_shape = looks_a.sizes == looks_b.sizes;
    let comparison = compare::data(a, b, args.tolerance).map_err(|(side, error)| {
        let path = match side {
            Side::A => &args.a,
            Side::B => &args.b,
        };
        failure(path, Some(&name), &error)
    })?;
    let mut values = None;
    match comparison {
        _ if !same_shape => differences.push("shape"),
        compare::Data::OtherShapes => differences.push("shape"),
        compare::Data::OneSided => differences.push("data"),
        compare::Data::NotComparable if args.ignore_dtype => differences.push("dtype"),
        compare::Data::NotComparable | compare::Data::None => {}
        compare::Data::Compared(compared) => {
            if compared.differing > 0 {
                differences.push("values");
            }
            values = Some(compared);
        }
    }
    Ok(Row { name, a: Some(looks_a), b: Some(looks_b), differences, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_number_from_zero_on() {
        assert_eq!(tolerance("1e-3"), Ok(0.001));
        for wrong in ["-1", "nan", "inf", "", "1%"] {
            assert!(tolerance(wrong).is_err(), "{wrong}");
        }
    }
}
