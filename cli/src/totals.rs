//! What a listing's tensors come to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use torch_checkpoint::{Checkpoint, Device, Listing, Tensor};

use crate::paint::{Ink, Paint};
use crate::show::stored_bytes;
use crate::show::views::LeftOut;
use crate::text::{clean, count, fit_end, plural, size};

/// Devices, or dtypes, that are named.
const NAMED: usize = 8;

/// Sums over tensors. They saturate: a view may have as many elements as it likes.
#[derive(Default)]
struct Sums<'a> {
    tensors: usize,
    parameters: usize,
    elements: u64,
    bytes: u64,
    stored: u64,
    storages: HashMap<u32, usize>,
    devices: Tally<&'a Device>,
    dtypes: Tally<&'static str>,
}

/// How often each thing occurs, in the order of first appearance.
struct Tally<K> {
    places: HashMap<K, usize>,
    counts: Vec<(K, usize)>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { places: HashMap::new(), counts: Vec::new() }
    }
}

impl<K: Copy + Eq + std::hash::Hash + ToString> Tally<K> {
    fn add(&mut self, key: K) {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.counts.push((key, 0));
            self.counts.len().saturating_sub(1)
        });
        if let Some((_, count)) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    fn line(&self) -> String {
        let named = self.counts.iter().take(NAMED).map(|(key, number)| {
            let number = u64::try_from(*number).unwrap_or(u64::MAX);
            format!("{} ({})", clean(&key.to_string()), count(number))
        });
        let mut line = named.collect::<Vec<_>>().join(", ");
        if let Some(more) = self.counts.len().checked_sub(NAMED).filter(|&more| more > 0) {
            line.push_str(&format!(" and {more} more"));
        }
        line
    }
}

impl<'a> Sums<'a> {
    fn add(&mut self, tensor: &'a Tensor) {
        self.tensors = self.tensors.saturating_add(1);
        self.parameters = self.parameters.saturating_add(usize::from(tensor.is_parameter()));
        self.elements = self.elements.saturating_add(wide(tensor.numel()));
        self.bytes = self.bytes.saturating_add(wide(stored_bytes(tensor)));
        self.devices.add(tensor.device());
        self.dtypes.add(tensor.dtype().name());
        let whole = tensor.components().next().is_none().then_some(tensor);
        for part in tensor.components().map(|(_, part)| part).chain(whole) {
            let storage = part.storage();
            match self.storages.entry(storage.id()) {
                Entry::Occupied(mut seen) => *seen.get_mut() = seen.get().saturating_add(1),
                Entry::Vacant(new) => {
                    new.insert(1);
                    if *storage.device() != Device::Meta {
                        self.stored = self.stored.saturating_add(storage.nbytes());
                    }
                }
            }
        }
    }
}

/// Columns of what stands in front of a line.
const TITLE: usize = 10;

/// The lines of the totals, none wider than `columns`.
pub(crate) fn lines(
    checkpoint: &Checkpoint,
    listing: &Listing<'_>,
    left_out: Option<LeftOut>,
    columns: usize,
    paint: Paint,
) -> String {
    let mut sums = Sums::default();
    listing.leaves.iter().filter_map(|leaf| leaf.value.as_tensor()).for_each(|tensor| sums.add(tensor));
    let mut lines: Vec<(&str, String)> = Vec::new();
    if sums.tensors > 0 {
        let parameters = match sums.parameters {
            0 => String::new(),
            all if all == sums.tensors => ", all parameters".to_owned(),
            some => format!(", of them {}", plural(some, "parameter")),
        };
        lines.push(("tensors", format!("{}{parameters}", count(wide(sums.tensors)))));
        lines.push(("elements", count(sums.elements)));
        let shared = sums.storages.values().filter(|&&tensors| tensors > 1).count();
        let once = if shared > 0 { format!(" ({} shared)", count(wide(shared))) } else { String::new() };
        let storages = plural(sums.storages.len(), "storage");
        lines.push(("bytes", format!("{}; {} in {storages}{once}", size(sums.bytes), size(sums.stored))));
        lines.push((if sums.devices.counts.len() == 1 { "device" } else { "devices" }, sums.devices.line()));
        lines.push((if sums.dtypes.counts.len() == 1 { "dtype" } else { "dtypes" }, sums.dtypes.line()));
    } else {
        lines.push(("tensors", "none".to_owned()));
    }
    if let Some(LeftOut { tensors, values }) = left_out {
        let values = if values > 0 { format!(", {}", plural(values, "other value")) } else { String::new() };
        lines.push(("left out", format!("{}{values}, by --include and --exclude", plural(tensors, "tensor"))));
    }
    if listing.not_walked > 0 {
        let tensors = plural(listing.not_walked, "tensor");
        lines.push(("not listed", format!("{tensors} elsewhere in the file: in sets, attributes or outside the key")));
    }
    let (format, version, root) = (checkpoint.format(), checkpoint.version(), listing.root.type_name());
    lines.push(("format", format!("{format}, version {version}, root {}", clean(&root))));
    if let Some(writer) = checkpoint.writer() {
        lines.push(("written by", writer.to_owned()));
    }
    let mut text = String::new();
    for (title, line) in lines {
        let line = format!("{title:TITLE$}  {line}");
        let line = fit_end(&line, columns);
        let (title, rest) = line.split_at_checked(TITLE).unwrap_or((&line, ""));
        text.push_str(&paint.ink(Ink::Title, title));
        text.push_str(rest);
        text.push('\n');
    }
    text
}

/// A number of things in memory, as one that sums do not overflow soon.
pub(crate) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
