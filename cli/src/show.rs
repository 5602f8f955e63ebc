//! `torch-checkpoint show`: opens a checkpoint and lists it.

pub(crate) mod branches;
pub(crate) mod stats;
pub(crate) mod stats_table;
pub(crate) mod tied;
pub(crate) mod tree;
pub(crate) mod views;

use std::fmt::{self, Write as _};
use std::process::ExitCode;

use torch_checkpoint::{Device, Error, Layout, Limits, ListedValue, Listing, LoadOptions, Storage, Tensor};

use crate::args::{Places, Show};
use crate::failure::Failure;
use crate::hash::Sha;
use crate::json::Component;
use crate::remedies::said;
use crate::text::{clean, count};
use crate::totals::wide;
use crate::{hash, json, report};

use stats::Stats;
use views::Extras;

pub(crate) fn run(args: &Show) -> Result<ExitCode, Failure> {
    let mut limits = Limits::default();
    limits.materialised_bytes = wide(hash::MOST);
    let mut options = LoadOptions::new().limits(limits);
    if let Some(places) = &args.map_location {
        options = options.map_location(Places::map_location(places));
    }
    let checkpoint = options.open(&args.path)?;
    let mut listing = checkpoint.leaves(&args.key)?;
    let left_out = views::select(&mut listing, &args.filter, args.views.sort);
    let hashes = args.sha256.then(|| hashes(args, &listing)).transpose()?;
    let stats = args.views.stats.then(|| stats(args, &listing)).transpose()?;
    let extras = Extras { views: &args.views, stats, left_out };
    if args.json {
        let components = components(args, &listing)?;
        json::print(checkpoint.format(), &listing, hashes.as_deref(), components, &extras)?;
    } else {
        report::print(&checkpoint, &listing, hashes.as_deref(), &extras, args.all)?;
    }
    // The process ends here; to free a hundred thousand tensors one by one first would take a tenth of its time.
    std::mem::forget(listing);
    std::mem::forget(checkpoint);
    Ok(ExitCode::SUCCESS)
}

fn hashes(args: &Show, listing: &Listing<'_>) -> Result<Vec<Option<Sha>>, Failure> {
    let (leaves, tensors): (Vec<&ListedValue<'_>>, Vec<&Tensor>) =
        listing.leaves.iter().filter_map(|leaf| Some((leaf, leaf.value.as_tensor()?))).unzip();
    hash::all(&tensors).map_err(|(place, error)| named(args, leaves.get(place).copied(), &error))
}

fn stats(args: &Show, listing: &Listing<'_>) -> Result<Vec<Option<Stats>>, Failure> {
    let tensors = listing.leaves.iter().filter_map(|leaf| Some((leaf, leaf.value.as_tensor()?)));
    tensors.map(|(leaf, tensor)| stats::of(tensor).map_err(|error| named(args, Some(leaf), &error))).collect()
}

/// The components of every nested tensor, with their hashes if these are wanted.
fn components(args: &Show, listing: &Listing<'_>) -> Result<Vec<Vec<Component>>, Failure> {
    let nested = |leaf: &ListedValue<'_>| {
        let tensor = leaf.value.as_tensor().filter(|tensor| tensor.layout() == Layout::Nested)?;
        Some(json::components(tensor, args.sha256).map_err(|error| named(args, Some(leaf), &error)))
    };
    listing.leaves.iter().filter_map(nested).collect()
}

/// An error that was met while a tensor was read.
fn named(args: &Show, leaf: Option<&ListedValue<'_>>, error: &Error) -> Failure {
    let path = args.path.to_string_lossy();
    let name = leaf.filter(|leaf| !leaf.path.is_empty()).map(|leaf| Joined(&leaf.path).to_string());
    let tensor = name.map_or(String::new(), |name| format!("tensor `{}`: ", clean(&name)));
    Failure::Message(format!("{}: {tensor}{}", clean(&path), said(error)))
}

/// A name for people.
pub(crate) fn name(path: &[String]) -> String {
    if path.is_empty() { "(root)".to_owned() } else { clean(&Joined(path).to_string()).into_owned() }
}

/// The shape; of a nested tensor, how many shapes it has.
pub(crate) fn shape(tensor: &Tensor) -> String {
    match (tensor.layout(), tensor.shape()) {
        (Layout::Nested, [number]) => format!("{} shapes", count(wide(*number))),
        (_, shape) => format!("{shape:?}"),
    }
}

/// The storage of a tensor, unless the file has none: that of a meta tensor is made up and has no key.
pub(crate) fn stored(tensor: &Tensor) -> Option<&Storage> {
    let storage = tensor.storage();
    (*storage.device() != Device::Meta || !storage.key().is_empty()).then_some(storage)
}

/// The bytes of a tensor, or those of the parts that it is stored as.
pub(crate) fn stored_bytes(tensor: &Tensor) -> usize {
    match tensor.components().map(|(_, part)| part.nbytes()).reduce(usize::saturating_add) {
        Some(sum) => sum,
        None => tensor.nbytes(),
    }
}

/// Numbers storages by first appearance.
#[derive(Default)]
pub(crate) struct Numbering {
    /// By the library's own numbers, which leave no gaps.
    numbers: Vec<Option<usize>>,
    next: usize,
}

impl Numbering {
    pub(crate) fn number(&mut self, storage: &Storage) -> usize {
        let id = usize::try_from(storage.id()).unwrap_or(usize::MAX);
        if id >= self.numbers.len() {
            self.numbers.resize(id.saturating_add(1), None);
        }
        let next = self.next;
        let Some(place) = self.numbers.get_mut(id) else { return next };
        *place.get_or_insert_with(|| {
            self.next = next.saturating_add(1);
            next
        })
    }
}

/// A path, its pieces joined by dots.
pub(crate) struct Joined<'a>(pub(crate) &'a [String]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, piece) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_char('.')?;
            }
            f.write_str(piece)?;
        }
        Ok(())
    }
}
