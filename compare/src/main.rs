//! torch-checkpoint and its rivals, side by side: the same weights, a fresh process for each run, runs in alternation.
//!
//! `cargo run --release --manifest-path compare/Cargo.toml -- [--rounds N] [--only WORK,…] [--dir DIR]`
//!
//! `… -- scaling` measures against the number of tensors and the size instead, and plots that (`docs/scaling.md`).
//!
//! Prints a Markdown table of medians. The files (5 GB) go to a temporary folder and are deleted, unless `--dir` names one.

mod child;
mod files;
mod measure;
mod pickle;
mod readers;
mod scaling;
mod works;
#[path = "../../tests/support/legacy_builder.rs"]
mod legacy_builder;
#[path = "../../tests/support/pickle_builder.rs"]
mod pickle_builder;
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let mut args = std::env::args().skip(1);
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "scaling" => return scaling::run(&scaling::Options::parse_from(std::env::args().skip(1))),
            "child" => return child::run(&args.collect::<Vec<_>>()),
            "make" => return files::make(args.next().ok_or(USAGE)?.parse()?, args.next().ok_or(USAGE)?.as_ref()),
            "--rounds" => options.rounds = Some(args.next().ok_or(USAGE)?.parse()?),
            "--only" => options.only = args.next().ok_or(USAGE)?.split(',').map(str::to_owned).collect(),
            "--dir" => options.dir = Some(args.next().ok_or(USAGE)?.into()),
            _ => return Err(USAGE.into()),
        }
    }
    works::run_all(&options)
}

const USAGE: &str = "usage: compare [--rounds N] [--only WORK,…] [--dir DIR]";

#[derive(Default)]
struct Options {
    /// Instead of each work's own number.
    rounds: Option<usize>,
    /// The works to do; all if empty.
    only: Vec<String>,
    /// Where the files are made, or already are.
    dir: Option<PathBuf>,
}
