//! Names that share a storage.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use torch_checkpoint::{ListedValue, Listing, Storage, Tensor};

use super::{Joined, Numbering, name, shape, stored};
use crate::columns::{self, Column};
use crate::paint::{Ink, Paint};
use crate::screen::Screen;
use crate::text::{clean, fit_end, plural, size};

/// The tensors in one storage, with their paths.
pub(crate) struct Group<'a> {
    storage: &'a Storage,
    /// Its number in the listing.
    number: usize,
    tensors: Vec<(&'a ListedValue<'a>, &'a Tensor)>,
}

/// The storages that more than one tensor is in, by first appearance.
pub(crate) fn groups<'a>(listing: &'a Listing<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut numbers = Numbering::default();
    for leaf in &listing.leaves {
        let Some(tensor) = leaf.value.as_tensor() else { continue };
        let Some(storage) = stored(tensor) else { continue };
        let number = numbers.number(storage);
        let place = *places.entry(storage.id()).or_insert_with(|| {
            groups.push(Group { storage, number, tensors: Vec::new() });
            groups.len().saturating_sub(1)
        });
        if let Some(group) = groups.get_mut(place) {
            group.tensors.push((leaf, tensor));
        }
    }
    groups.retain(|group| group.tensors.len() > 1);
    groups
}

/// A group in JSON.
#[derive(Serialize)]
pub(crate) struct Line {
    storage: usize,
    nbytes: u64,
    names: Vec<String>,
}

impl Group<'_> {
    pub(crate) fn line(&self) -> Line {
        let names = self.tensors.iter().map(|(leaf, _)| Joined(&leaf.path).to_string());
        Line { storage: self.number, nbytes: self.storage.nbytes(), names: names.collect() }
    }
}

const COLUMNS: [Column; 5] = [
    Column { title: "  name", least: 18, right: false },
    Column { title: "dtype", least: 7, right: false },
    Column { title: "shape", least: 8, right: false },
    Column { title: "strides", least: 8, right: false },
    Column { title: "offset", least: 6, right: true },
];

/// The groups for people.
pub(crate) fn print(listing: &Listing<'_>, screen: Screen, paint: Paint) -> String {
    let groups = groups(listing);
    if groups.is_empty() {
        return format!("{}\n", fit_end("No two tensors share a storage.", screen.width));
    }
    let mut text = String::new();
    for (n, group) in groups.iter().enumerate() {
        let number = plural(group.tensors.len(), "tensor");
        let (bytes, device) = (size(group.storage.nbytes()), group.storage.device().to_string());
        let title = format!("={} {number} in one storage of {bytes} on {}", n.saturating_add(1), clean(&device));
        text.push_str(&paint.ink(Ink::Title, &fit_end(&title, screen.width)));
        text.push('\n');
        let row = |(leaf, tensor): &(&ListedValue<'_>, &Tensor)| {
            let cells = [
                Cow::Owned(format!("  {}", name(&leaf.path))),
                Cow::Borrowed(tensor.dtype().name()),
                Cow::Owned(shape(tensor)),
                Cow::Owned(format!("{:?}", tensor.strides())),
                Cow::Owned(tensor.storage_offset().to_string()),
            ];
            (Ink::Plain, cells)
        };
        let rows: Vec<_> = group.tensors.iter().map(row).collect();
        text.push_str(&columns::table(&COLUMNS, &rows, screen, paint));
    }
    text
}
