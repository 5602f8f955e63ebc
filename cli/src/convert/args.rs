//! What `torch-checkpoint convert` takes.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use regex::Regex;
use torch_checkpoint::DType;

use crate::names::Filter;

/// The options.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The checkpoint: a file, a folder of shards, or a distributed checkpoint
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The safetensors file to write; in a folder it is `model.safetensors`
    #[arg(value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Convert the state dict at a dotted path, as `model` or `ema.0`, if the file has several
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Convert every tensor of the file (or below the key) under its dotted path, an optimizer's too
    #[arg(long)]
    pub(super) flatten: bool,
    /// Convert floating-point tensors to this dtype; all others keep theirs
    #[arg(long, value_name = "DTYPE")]
    pub(super) dtype: Option<Float>,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Take a prefix off the names that have it, as `module.`. Repeatable: one after the other
    #[arg(long, value_name = "PREFIX", help_heading = "Which names")]
    pub(super) strip_prefix: Vec<String>,
    /// Replace what a regular expression matches anywhere in a name; the text may use its groups, as `$1` or `${name}`
    ///
    /// --include and --exclude are about the names that the file has, then prefixes are taken off, then each --rename is
    /// done in the order given.
    #[arg(long, value_name = "REGEX=TEXT", help_heading = "Which names", value_parser = Rename::parse)]
    pub(super) rename: Vec<Rename>,
    /// What to do with tensors that share memory, which safetensors cannot express. By default they are an error, as in
    /// Python's safetensors
    #[arg(long, value_name = "HOW")]
    pub(super) tied: Option<Tied>,
    /// Write shards of at most this size (a larger tensor has one of its own) and their index, as Hugging Face does: `2GB`,
    /// `500MiB`. OUT is then a folder, or the name that theirs are made of
    #[arg(long, value_name = "SIZE", value_parser = shard_size)]
    pub(super) max_shard_size: Option<u64>,
    /// Write the other values of the checkpoint (hyper-parameters, epoch) into the metadata, as JSON under `checkpoint`
    #[arg(long)]
    pub(super) metadata: bool,
    /// Write sparse tensors as dense ones, zeros included
    #[arg(long)]
    pub(super) dense: bool,
    /// Write quantised tensors as the float32 numbers that they stand for
    #[arg(long)]
    pub(super) dequantize: bool,
    /// Write the local part of tensors that are spread over several ranks, where a file has nothing else
    #[arg(long)]
    pub(super) local: bool,
    /// Replace files that are there already
    #[arg(long, short)]
    pub(super) force: bool,
    /// Print one JSON object that says what was written
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--dtype` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Float {
    #[value(alias = "float32")]
    F32,
    #[value(alias = "float16")]
    F16,
    #[value(alias = "bfloat16")]
    Bf16,
}

impl Float {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::Float32,
            Self::F16 => DType::Float16,
            Self::Bf16 => DType::BFloat16,
        }
    }
}

/// What `--tied` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Tied {
    /// Of tensors that are the same view of the same memory write the first; the metadata says for each other name which
    /// that is. Views that differ (a slice of another tensor) are written in full
    First,
    /// Write each in full
    Clone,
}

/// One `--rename`.
#[derive(Clone, Debug)]
pub(super) struct Rename {
    pub(super) regex: Regex,
    pub(super) text: String,
}

impl Rename {
    fn parse(option: &str) -> Result<Self, String> {
        let Some((regex, text)) = option.split_once('=') else {
            return Err("it is not of the form REGEX=TEXT".to_owned());
        };
        if regex.is_empty() {
            return Err("the regular expression is empty; to put something in front of every name, use `^=TEXT`".into());
        }
        let regex = Regex::new(regex).map_err(|error| error.to_string())?;
        Ok(Self { regex, text: text.to_owned() })
    }
}

fn shard_size(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err("a shard has to have room for something".to_owned()),
        Ok(ByteSize(bytes)) => Ok(bytes),
        Err(_) => Err("it is no size, as `2GB` (2,000,000,000 bytes) or `500MiB` (524,288,000)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_or_binary() {
        for (text, bytes) in [("2GB", 2_000_000_000), ("500MiB", 524_288_000), ("1.5 kB", 1500), ("4096", 4096)] {
            assert_eq!(shard_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "0", "0GB", "-1", "GB", "2 parsecs"] {
            assert!(shard_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rename_is_cut_at_the_first_equals_sign() {
        let rename = Rename::parse("^a=b=c").unwrap();
        assert_eq!((rename.regex.as_str(), &*rename.text), ("^a", "b=c"));
        for wrong in ["a", "=b", "(=b"] {
            assert!(Rename::parse(wrong).is_err(), "{wrong}");
        }
    }
}
