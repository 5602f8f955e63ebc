//! torch-checkpoint and its rivals, side by side: the same weights, a fresh process for each run, runs in alternation.
//! README.md says what is measured and how.

mod child;
mod files;
mod measure;
mod page_cache;
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

use clap::{Parser, Subcommand};

use crate::files::{Form, Weights};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let options = Options::parse();
    match &options.command {
        None => works::run_all(&options),
        Some(Command::List) => {
            works::list();
            Ok(())
        }
        Some(Command::Make { weights, form, dir }) => files::File::new(*weights, *form).make(dir),
        Some(Command::Child(task)) => child::run(task),
        Some(Command::Touch { kib }) => measure::touch(*kib),
        Some(Command::Scaling(options)) => scaling::run(options),
    }
}

/// Measures torch-checkpoint and its rivals and prints a Markdown table.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// Measured runs of each reader, instead of each work's own number.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// The works to do: names, or the words that names begin with (`legacy` for all of `legacy-…`). All if not given.
    #[arg(long, value_name = "WORK,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Where the files are made, or already are, and stay. Otherwise they go to a temporary folder, each until the last
    /// work that needs it is done.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The Python that is asked for torch.
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    torch: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the names of the works.
    List,
    /// Writes one file, unless it is there.
    Make { weights: Weights, form: Form, dir: PathBuf },
    /// Does one work in this process and prints what it took, for use under a profiler.
    Child(child::Task),
    /// Takes so much memory and gives it back.
    #[command(hide = true)]
    Touch { kib: u64 },
    /// Measures against the number of tensors and the size instead, and plots that (`docs/scaling.md`).
    Scaling(scaling::Options),
}
