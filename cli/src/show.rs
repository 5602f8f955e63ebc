//! `torch-checkpoint show`: opens a checkpoint and lists it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::process::ExitCode;

use torch_checkpoint::{Limits, LoadOptions, Storage, Tensor};

use crate::args::{Places, Show};
use crate::failure::Failure;
use crate::totals::wide;
use crate::{hash, json, report};

pub(crate) fn run(args: &Show) -> Result<ExitCode, Failure> {
    let mut limits = Limits::default();
    limits.materialised_bytes = wide(hash::MOST);
    let mut options = LoadOptions::new().limits(limits);
    if let Some(places) = &args.map_location {
        options = options.map_location(Places::map_location(places));
    }
    let checkpoint = options.open(&args.path)?;
    let listing = checkpoint.leaves(&args.key)?;
    let hashes = if args.sha256 {
        let tensors: Vec<&Tensor> = listing.leaves.iter().filter_map(|leaf| leaf.value.as_tensor()).collect();
        Some(hash::all(&tensors)?)
    } else {
        None
    };
    if args.json {
        json::print(checkpoint.format(), &listing, hashes.as_deref())?;
    } else {
        report::print(&checkpoint, &listing, hashes.as_deref(), args.all)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The part of a tensor that says where it is: itself, or the values of a sparse or nested one.
pub(crate) fn placed(tensor: &Tensor) -> &Tensor {
    let mut components = tensor.components();
    match tensor.components().find(|(name, _)| *name == "values").or_else(|| components.next()) {
        Some((_, part)) => part,
        None => tensor,
    }
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
    numbers: HashMap<u32, usize>,
}

impl Numbering {
    pub(crate) fn number(&mut self, storage: &Storage) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(storage.id()).or_insert(next)
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
