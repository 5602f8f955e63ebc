//! What was written, for people and as JSON.

use std::path::Path;

use serde::Serialize;

use super::args::Convert;
use super::plan::Plan;
use super::write::{Ordered, Written};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{clean, count, plural};

/// Names that are listed for people.
const LISTED: usize = 3;

pub(super) fn print(args: &Convert, plan: &Plan, files: &[Written], index: Option<&Path>) -> Result<(), Failure> {
    let mut output = Output::new();
    if args.json {
        output.json(&report(args, plan, files, index))?;
        output.text("\n")?;
    } else {
        output.text(&lines(plan, files, index))?;
    }
    Ok(output.finish()?)
}

fn lines(plan: &Plan, files: &[Written], index: Option<&Path>) -> String {
    let mut lines: Vec<String> = files
        .iter()
        .map(|file| {
            format!("{}: {}, {} bytes", shown(&file.path), plural(file.tensors.len(), "tensor"), count(file.bytes))
        })
        .collect();
    lines.extend(index.map(|index| format!("{}: the index", shown(index))));
    let renamed = plan.tensors.iter().filter(|planned| planned.from != planned.name).count();
    if renamed > 0 {
        lines.push(format!("{} renamed", plural(renamed, "tensor")));
    }
    let mut conversions: Vec<((&str, &str), usize)> = Vec::new();
    for planned in plan.tensors.iter().filter(|planned| planned.stored != planned.form.written) {
        let conversion = (planned.stored.name(), planned.form.written.name());
        match conversions.iter_mut().find(|(other, _)| *other == conversion) {
            Some((_, number)) => *number = number.saturating_add(1),
            None => conversions.push((conversion, 1)),
        }
    }
    for ((from, to), number) in conversions {
        lines.push(format!("{} converted from {from} to {to}", plural(number, "tensor")));
    }
    if !plan.tied.is_empty() {
        let tied = plan.tied.iter().map(|(name, kept)| format!("`{}` is `{}`", clean(name), clean(kept)));
        lines.push(format!("{} left out: {}", plural(plan.tied.len(), "tied tensor"), listed(tied)));
    }
    if !plan.others.is_empty() {
        let others = plan.others.iter().map(|name| format!("`{}`", clean(name)));
        let number = count(u64::try_from(plan.others.len()).unwrap_or(u64::MAX));
        lines.push(format!("{number} of the entries left out, which are no tensors: {}", listed(others)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let listed = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}

#[derive(Serialize)]
struct Report<'a, T> {
    input: PathText<'a>,
    format: String,
    files: Vec<FileLine<'a>>,
    index: Option<PathText<'a>>,
    tensors: Vec<TensorLine<'a>>,
    /// Names that were not written, and the name that stands for each.
    tied: T,
    /// Entries of the state dict that are no tensors.
    left_out: &'a [String],
}

type PathText<'a> = std::borrow::Cow<'a, str>;

#[derive(Serialize)]
struct FileLine<'a> {
    file: PathText<'a>,
    tensors: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct TensorLine<'a> {
    name: &'a str,
    /// Its name in the checkpoint.
    from: &'a str,
    dtype: &'static str,
    /// Its dtype in the checkpoint.
    stored_dtype: &'static str,
    /// As safetensors counts it.
    shape: &'a [usize],
    nbytes: usize,
    /// Which of the files.
    file: usize,
}

fn report<'a>(
    args: &'a Convert,
    plan: &'a Plan,
    files: &'a [Written],
    index: Option<&'a Path>,
) -> Report<'a, impl Serialize> {
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(plan.tensors.len());
    for (number, file) in files.iter().enumerate() {
        places.extend(file.tensors.iter().map(|&place| (place, number)));
    }
    places.sort_unstable();
    let tensors = plan.tensors.iter().zip(places).map(|(planned, (_, file))| TensorLine {
        name: &planned.name,
        from: &planned.from,
        dtype: planned.form.written.name(),
        stored_dtype: planned.stored.name(),
        shape: &planned.form.shape,
        nbytes: planned.form.nbytes,
        file,
    });
    let line = |file: &'a Written| FileLine {
        file: file.path.to_string_lossy(),
        tensors: file.tensors.len(),
        bytes: file.bytes,
    };
    Report {
        input: args.input.to_string_lossy(),
        format: plan.format.to_string(),
        files: files.iter().map(line).collect(),
        index: index.map(Path::to_string_lossy),
        tensors: tensors.collect(),
        tied: Ordered(plan.tied.iter().map(|(name, kept)| (name, kept))),
        left_out: &plan.others,
    }
}
