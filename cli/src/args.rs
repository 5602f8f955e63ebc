//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use torch_checkpoint::{Device, MapLocation};

use crate::convert::Convert;

/// Looks into the files PyTorch saves, without Python and without running anything in them.
#[derive(Debug, Parser)]
#[command(name = "torch-checkpoint", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tensors and the other values of a checkpoint
    Show(Show),
    /// Read everything and check every checksum and every tensor
    Verify(Verify),
    /// Say what files would do if Python unpickled them, without running anything
    ///
    /// Every pickle in a file is followed, and every Python name in it judged: `safe` (only names that torch.load accepts with
    /// weights_only), `needs_trust` (other names, none known to be harmful), `dangerous` (it can run anything), `unreadable`.
    /// The exit code is 0 if all are safe, 3 if one needs trust, 4 if one is dangerous, and 1 if one is unreadable and
    /// nothing worse was found.
    Scan(Scan),
    /// Write the tensors of any checkpoint as safetensors
    ///
    /// A state dict is found, or named, as by the library's `load_state_dict`. The output is written beside its place, and
    /// appears there when it is whole: an interrupted or failed conversion leaves nothing behind.
    Convert(Box<Convert>),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The checkpoint
    pub(crate) path: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Read every tensor and print the SHA-256 of its bytes (row-major, little-endian)
    #[arg(long)]
    pub(crate) sha256: bool,
    /// Show only what is at a dotted path, as `model` or `optimizer.state.0`
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) key: String,
    /// Where the storages go: `cpu` for all, or tag by tag, as `cuda:1=cuda:0,cuda:2=cpu`
    #[arg(long, value_name = "DEVICE", value_parser = map_location)]
    pub(crate) map_location: Option<Places>,
    /// Print a row for every tensor, also where a terminal would get one for all layers of a kind
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The checkpoints
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The files; of a folder every file in it
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Print one JSON object for each file, one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print every name, harmless ones included
    #[arg(long)]
    pub(crate) all: bool,
}

/// What `--map-location` says.
#[derive(Clone, Debug)]
pub(crate) enum Places {
    All(Device),
    Tags(Vec<(String, Device)>),
}

impl Places {
    pub(crate) fn map_location(&self) -> MapLocation<'static> {
        match self {
            Self::All(device) => device.clone().into(),
            Self::Tags(tags) => tags.clone().into(),
        }
    }
}

fn map_location(text: &str) -> Result<Places, String> {
    let device = |text: &str| {
        let device = text.trim().parse::<Device>();
        device.map_err(|_| format!("`{}` is no device of torch's, as `cpu`, `cuda:1`, `mps` or `meta`", text.trim()))
    };
    if !text.contains('=') {
        return device(text).map(Places::All);
    }
    let pair = |pair: &str| match pair.split_once('=') {
        Some((tag, to)) if !tag.trim().is_empty() => Ok((tag.trim().to_owned(), device(to)?)),
        _ => Err(format!("`{pair}` is not of the form TAG=DEVICE")),
    };
    text.split(',').map(pair).collect::<Result<_, _>>().map(Places::Tags)
}

/// The command, or the exit code after help or what is wrong has been printed.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    CommandLine::try_parse().map(|line| line.command).map_err(|error| {
        // A closed pipe is all that can go wrong here.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        CommandLine::command().debug_assert();
    }

    #[test]
    fn places_are_one_device_or_pairs() {
        assert!(matches!(map_location("cuda:1"), Ok(Places::All(Device::Cuda(Some(1))))));
        let Ok(Places::Tags(tags)) = map_location("cuda:1=cuda:0, cuda:2 = cpu") else { panic!("pairs") };
        assert_eq!(tags, [("cuda:1".to_owned(), Device::Cuda(Some(0))), ("cuda:2".to_owned(), Device::Cpu)]);
        for wrong in ["", "nonsense", "cuda:x", "cuda:0=", "=cpu", "cuda:0=cpu,", "cuda:0=cpu,cpu"] {
            assert!(map_location(wrong).is_err(), "{wrong}");
        }
    }
}
