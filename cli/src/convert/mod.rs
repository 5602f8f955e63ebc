//! `torch-checkpoint convert`: any checkpoint to safetensors. Everything is decided before the first byte is read (`plan`),
//! tensors go from the file to the output piece by piece (`pieces`, `write`), and the output appears when it is whole
//! (`place`).

mod args;
mod header;
mod kinds;
mod names;
mod pieces;
mod place;
mod plan;
mod progress;
mod report;
mod ties;
mod values;
mod write;

use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) use args::Convert;

use crate::failure::Failure;
use crate::text::clean;
use place::Place;
use plan::Plan;

pub(crate) fn run(args: &Convert) -> Result<ExitCode, Failure> {
    let place = Place::of(args)?;
    let mut plan = Plan::of(args)?;
    let (files, index) = write::all(args, &mut plan, &place)?;
    report::print(args, &plan, &files, index.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// A failure of which the message is all.
fn bare(message: String) -> Failure {
    Failure::Message(message)
}

/// Something about the checkpoint that is to be converted.
fn refused(args: &Convert, message: &str) -> Failure {
    bare(format!("{}: {message}", clean(&args.input.to_string_lossy())))
}

/// What the operating system would not do.
fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    bare(format!("{}: cannot {doing} this: {error}", clean(&path.to_string_lossy())))
}
