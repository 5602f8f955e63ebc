//! The form for people: a table of the tensors, totals, and the other values.

use std::borrow::Cow;
use std::collections::HashMap;

use torch_checkpoint::{Checkpoint, Kind, Layout, ListedValue, Listing, Tensor, Value};

use crate::columns::{self, Column};
use crate::failure::Failure;
use crate::groups::grouped;
use crate::hash::Sha;
use crate::output::Output;
use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::show::branches::{self, Drawing};
use crate::show::tree::Tree;
use crate::show::views::Extras;
use crate::show::{name, shape, stats_table, stored_bytes, tied};
use crate::text::{clean, count, fit_end, fit_middle, size};
use crate::totals::{self, wide};

/// Values that are listed unless all are asked for.
const VALUES: usize = 20;

/// Hexadecimal digits of a hash that are shown.
const DIGITS: usize = 16;

const COLUMNS: [Column; 8] = [
    Column { title: "name", least: 16, right: false },
    Column { title: "dtype", least: 7, right: false },
    Column { title: "shape", least: 8, right: false },
    Column { title: "device", least: 6, right: false },
    Column { title: "count", least: 5, right: true },
    Column { title: "size", least: 9, right: true },
    Column { title: "notes", least: 6, right: false },
    Column { title: "sha256", least: DIGITS, right: false },
];

/// Prints a listing; `hashes` are those of its tensors, in order, if they are wanted. With `all`, nothing is summarised.
pub(crate) fn print(
    checkpoint: &Checkpoint,
    listing: &Listing<'_>,
    hashes: Option<&[Option<Sha>]>,
    extras: &Extras<'_>,
    all: bool,
) -> Result<(), Failure> {
    let (screen, paint) = (Screen::of_stdout(), Paint::of_stdout());
    let mut output = Output::new();
    let views = extras.views;
    let plain = views.are_plain();
    if plain || hashes.is_some() {
        tensors(&mut output, rows(listing, hashes), !all && hashes.is_none(), screen, paint)?;
    }
    if views.tree {
        tree(&mut output, listing, views.depth, all, screen, paint)?;
    }
    if let Some(stats) = &extras.stats {
        section(&mut output, &stats_table::print(listing, stats, screen, paint))?;
    }
    if views.tied {
        section(&mut output, &tied::print(listing, screen, paint))?;
    }
    output.text(&totals::lines(checkpoint, listing, extras.left_out, screen.width, paint))?;
    if plain {
        values(&mut output, listing, screen, all)?;
    }
    Ok(output.finish()?)
}

/// Text, and an empty line behind it if there is any.
fn section(output: &mut Output, text: &str) -> Result<(), Failure> {
    output.text(text)?;
    if !text.is_empty() {
        output.text("\n")?;
    }
    Ok(())
}

fn note(note: &str, screen: Screen) -> String {
    format!("{}\n", fit_end(note, screen.width))
}

/// The table of the tensors, and what has to be said of it.
fn tensors(
    output: &mut Output,
    mut rows: Vec<Row>,
    may_summarise: bool,
    screen: Screen,
    paint: Paint,
) -> Result<(), Failure> {
    let shared = rows.iter().any(|row| row.shared.is_some());
    let tensors = rows.len();
    if may_summarise && screen.height.is_some_and(|height| tensors > height) {
        rows = summarised(rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let cells: Vec<_> = rows.iter().map(|row| (Ink::Plain, row.cells())).collect();
    output.text(&columns::table(&COLUMNS, &cells, screen, paint))?;
    if rows.len() < tensors {
        let text = "Layers of a kind are one row, with their number and total size; --all shows every tensor.";
        output.text(&note(text, screen))?;
    }
    if shared {
        output.text(&note("Tensors with the same =N share one storage.", screen))?;
    }
    Ok(output.text("\n")?)
}

/// The tree of the modules. On a terminal that cannot show all of it, modules that are alike are one row.
fn tree(
    output: &mut Output,
    listing: &Listing<'_>,
    depth: Option<usize>,
    all: bool,
    screen: Screen,
    paint: Paint,
) -> Result<(), Failure> {
    let tree = Tree::of(listing);
    let tensors = listing.leaves.iter().filter(|leaf| leaf.value.kind() == Kind::Tensor).count();
    let merged = !all && screen.height.is_some_and(|height| tensors > height);
    let drawing = Drawing { depth: depth.unwrap_or(usize::MAX), merged };
    let Some((text, merged)) = branches::print(&tree, drawing, screen, paint) else { return Ok(()) };
    output.text(&text)?;
    if merged {
        output
            .text(&note("Numbered modules that are alike are one row, with their sums; --all shows each.", screen))?;
    }
    Ok(output.text("\n")?)
}

/// One line of the table.
struct Row {
    name: String,
    kind: RowKind,
    count: usize,
    bytes: u64,
    shared: Option<usize>,
    sha256: Option<Option<Sha>>,
}

/// What tensors in one row have in common.
#[derive(PartialEq, Eq, Hash)]
struct RowKind {
    dtype: &'static str,
    shape: String,
    device: String,
    notes: String,
}

impl Row {
    fn cells(&self) -> [Cow<'_, str>; 8] {
        let sha256 = self.sha256.map(|sha| sha.map_or("-".to_owned(), |sha| sha.to_string()));
        [
            Cow::Borrowed(&self.name),
            Cow::Borrowed(self.kind.dtype),
            Cow::Borrowed(&self.kind.shape),
            Cow::Borrowed(&self.kind.device),
            Cow::Owned(if self.count > 1 { count(wide(self.count)) } else { String::new() }),
            Cow::Owned(size(self.bytes)),
            Cow::Borrowed(&self.kind.notes),
            Cow::Owned(sha256.map_or(String::new(), |text| text.chars().take(DIGITS).collect())),
        ]
    }
}

fn rows(listing: &Listing<'_>, hashes: Option<&[Option<Sha>]>) -> Vec<Row> {
    let tensors = || listing.leaves.iter().filter_map(|leaf| Some((leaf, leaf.value.as_tensor()?)));
    let mut uses: HashMap<u32, usize> = HashMap::new();
    for (_, tensor) in tensors() {
        let uses = uses.entry(tensor.storage().id()).or_default();
        *uses = uses.saturating_add(1);
    }
    uses.retain(|_, uses| *uses > 1);
    let mut shared: HashMap<u32, usize> = HashMap::new();
    let mut hashes = hashes.map(<[_]>::iter);
    let row = |(leaf, tensor): (&ListedValue<'_>, &Tensor)| {
        let storage = tensor.storage().id();
        let next = shared.len().saturating_add(1);
        let shared = uses.contains_key(&storage).then(|| *shared.entry(storage).or_insert(next));
        Row {
            name: name(&leaf.path),
            kind: RowKind {
                dtype: tensor.dtype().name(),
                shape: shape(tensor),
                device: device(tensor),
                notes: notes(tensor, shared),
            },
            count: 1,
            bytes: wide(stored_bytes(tensor)),
            shared,
            sha256: hashes.as_mut().map(|hashes| hashes.next().copied().flatten()),
        }
    };
    tensors().map(row).collect()
}

/// Where a tensor is; if it was saved from elsewhere, from there to here.
fn device(tensor: &Tensor) -> String {
    let device = tensor.device().to_string();
    let text = if device == tensor.location() { device } else { format!("{} -> {device}", tensor.location()) };
    clean(&text).into_owned()
}

fn notes(tensor: &Tensor, shared: Option<usize>) -> String {
    let gradient = match (tensor.is_parameter(), tensor.requires_grad()) {
        (true, true) => "param",
        (true, false) => "param frozen",
        (false, true) => "grad",
        (false, false) => "",
    };
    let layout = if tensor.layout() == Layout::Strided { "" } else { tensor.layout().name() };
    let shared = shared.map(|number| format!("={number}")).unwrap_or_default();
    let quantised = match tensor.quantization().map(|q| (q.axis(), q.scale(), q.zero_point())) {
        Some((Some(axis), ..)) => format!("per channel {axis}"),
        Some((None, Some(scale), Some(zero_point))) => format!("scale {scale} zero {zero_point}"),
        _ => String::new(),
    };
    let shard = tensor.shard().map(|shard| format!("shard of {:?}", shard.global_shape())).unwrap_or_default();
    let notes = [gradient, layout, &quantised, &shard, &shared].into_iter().filter(|note| !note.is_empty());
    notes.collect::<Vec<_>>().join(" ")
}

/// The rows with layers of a kind in one.
fn summarised(rows: Vec<Row>) -> Vec<Row> {
    let (keys, rest): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|row| ((row.name, row.kind), (row.bytes, row.shared))).unzip();
    let groups = grouped(&keys);
    let names: Vec<String> = groups.iter().map(|group| group.name()).collect();
    let mut kinds: Vec<Option<RowKind>> = keys.into_iter().map(|(_, kind)| Some(kind)).collect();
    let row = |(group, name): (crate::groups::Group, String)| {
        let first = *group.members.first()?;
        let bytes = group.members.iter().filter_map(|&member| rest.get(member)).map(|(bytes, _)| *bytes);
        Some(Row {
            name,
            kind: kinds.get_mut(first)?.take()?,
            count: group.members.len(),
            bytes: bytes.fold(0, u64::saturating_add),
            shared: rest.get(first)?.1,
            sha256: None,
        })
    };
    groups.into_iter().zip(names).filter_map(row).collect()
}

/// The values that are no tensors.
fn values(output: &mut Output, listing: &Listing<'_>, screen: Screen, all: bool) -> Result<(), Failure> {
    let values =
        || listing.leaves.iter().filter(|leaf| leaf.value.kind() != Kind::Tensor && leaf.storage_dtype.is_none());
    let number = values().count();
    if number == 0 {
        return Ok(());
    }
    let title = format!("other values ({})", count(wide(number)));
    output.text(&format!("\n{}\n", fit_end(&title, screen.width)))?;
    let shown = if all { number } else { VALUES };
    // The epoch and the learning rate say more than what is deep in lists.
    let mut depths: Vec<usize> = values().map(|leaf| leaf.path.len()).collect();
    depths.sort_unstable();
    let deepest = depths.get(shown.saturating_sub(1)).copied().unwrap_or(usize::MAX);
    let mut at_deepest = shown.saturating_sub(depths.partition_point(|&depth| depth < deepest));
    for leaf in values() {
        let depth = leaf.path.len();
        if depth > deepest || depth == deepest && at_deepest == 0 {
            continue;
        }
        if depth == deepest {
            at_deepest = at_deepest.saturating_sub(1);
        }
        let name = name(&leaf.path);
        let name = fit_middle(&name, screen.width / 2);
        let line = format!("  {name} = {}", described(leaf.value));
        output.text(&fit_end(&line, screen.width))?;
        output.text("\n")?;
    }
    if let Some(more) = number.checked_sub(shown).filter(|&more| more > 0) {
        let line = format!("  … and {} more (--all lists them, --json in full)", count(wide(more)));
        output.text(&fit_end(&line, screen.width))?;
        output.text("\n")?;
    }
    Ok(())
}

fn described(value: Value<'_>) -> String {
    match value.kind() {
        // In quotes, so that a text of digits differs from a number; escaped by the value itself.
        Kind::Str => format!("'{value}'"),
        _ => clean(&value.to_string()).into_owned(),
    }
}
