//! Folders: which of its files is the checkpoint, or are there many that make one?
//!
//! | the folder has | it is |
//! | --- | --- |
//! | `.metadata` | a distributed checkpoint (`torch.distributed.checkpoint`) |
//! | `*.distcp` files without it | one whose writing was interrupted: an error |
//! | an index (`*.index.json`) with a `weight_map` | a sharded checkpoint; of two for the same model, that of the safetensors files |
//! | safetensors files that say where in larger tensors theirs belong (`DCP_SHARDING_INFO`), and no index | the parts that several ranks wrote |
//! | `model.safetensors`, or else `pytorch_model.bin` | that file |
//! | exactly one file that begins as a checkpoint does | that file |
//!
//! Everything else is an error that says what the folder has.

use std::ffi::OsStr;
use std::path::Path;

use super::{Assembly, Opening, distributed, from_offset, of_source, sharded};
use crate::container::{Kind, begins_as, sniff};
use crate::error::{Error, Shown};
use crate::source::{Backing, Folder, Source};

/// The metadata of a distributed checkpoint, which is written last.
pub(super) const METADATA: &str = ".metadata";

/// Whole models under the names that Hugging Face's libraries give them.
const WHOLE: (&str, &str) = ("model.safetensors", "pytorch_model.bin");

/// How much of a file is looked at to tell what it is.
const HEAD_LEN: u64 = 1024;
/// How many names a message lists.
const LISTED: usize = 8;

/// Opens a checkpoint at a path: a file, or a folder.
///
/// # Errors
/// I/O, and those of [`of_source`]; a folder that is none of the above.
pub(crate) fn of_path(path: &Path, backing: Backing, offset: u64, opening: Opening<'_>) -> Result<Assembly, Error> {
    let folder_of = |path: &Path| Folder::read(path.parent().unwrap_or(Path::new("")), backing, opening.limits);
    if path.is_dir() {
        if offset != 0 {
            return Err(Error::caller("an offset is one in a file, but this is a folder"));
        }
        return of_folder(&Folder::read(path, backing, opening.limits)?, opening);
    }
    if path.file_name() == Some(OsStr::new(METADATA)) {
        return of_folder(&folder_of(path)?, opening);
    }
    let source = from_offset(Source::open(path, backing)?, offset)?;
    if sniff(&source) == Kind::ShardIndex {
        return sharded::assemble(&folder_of(path)?, &source, opening);
    }
    of_source(source, opening).map_err(|error| match path.extension() {
        Some(extension) if extension == "distcp" => {
            Error::not_a_checkpoint("this is one data file of a distributed checkpoint, which is opened by its folder")
        }
        _ => error,
    })
}

fn of_folder(folder: &Folder, opening: Opening<'_>) -> Result<Assembly, Error> {
    if let Some(metadata) = distributed_metadata(folder)? {
        return distributed::assemble(folder, metadata, opening);
    }
    if let Some(index) = index(folder)? {
        let source = folder.open(index)?;
        return sharded::assemble(folder, &source, opening);
    }
    #[cfg(feature = "safetensors")]
    if !folder.has(WHOLE.0)
        && let Some(assembly) = super::ranks::assemble(folder, opening)?
    {
        return Ok(assembly);
    }
    let file = only_file(folder)?;
    of_source(folder.open(file)?, opening).map_err(|e| e.inside(file))
}

/// The metadata of a distributed checkpoint.
fn distributed_metadata(folder: &Folder) -> Result<Option<&str>, Error> {
    if folder.has(METADATA) {
        return Ok(Some(METADATA));
    }
    let data = |name: &&str| Path::new(name).extension().is_some_and(|extension| extension == "distcp");
    // Ranks that write without coordination have a metadata file each, which tells of their own parts only.
    let of_ranks: Vec<&str> =
        folder.files().filter(|name| name.starts_with("__") && name.ends_with(METADATA)).collect();
    let is_alone = |metadata: &str| {
        let rank = metadata.strip_suffix(METADATA).unwrap_or(metadata);
        folder.files().filter(data).all(|name| name.strip_prefix(rank).is_some_and(|rest| rest.starts_with('_')))
    };
    match *of_ranks {
        [only] if is_alone(only) => return Ok(Some(only)),
        [] => {}
        [first, ..] => {
            return Err(Error::unsupported(format!(
                "the folder has no `{METADATA}`, but metadata of single ranks (`{}`), which are not put together; save with `use_collectives=True`",
                Shown(first)
            )));
        }
    }
    match folder.files().filter(data).count() {
        0 => Ok(None),
        count => Err(Error::malformed(format!(
            "the distributed checkpoint is incomplete: it has {count} data files, but its `{METADATA}`, which is written last, is missing"
        ))),
    }
}

/// The index of a sharded checkpoint.
fn index(folder: &Folder) -> Result<Option<&str>, Error> {
    let mut found = Vec::new();
    for name in folder.files().filter(|name| name.ends_with(".json") && name.contains(".index.")) {
        let is_index = match folder.open(name) {
            Ok(source) => sniff(&source) == Kind::ShardIndex,
            // A link that leads nowhere, perhaps: an index would be missed in silence.
            Err(error) => return Err(error),
        };
        // The usual names are taken at their word: what is wrong with them is said.
        if is_index || name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json") {
            found.push(name);
        }
    }
    // Libraries write the same weights as safetensors and in torch's own format.
    let (safetensors, others): (Vec<&str>, Vec<&str>) = found.iter().partition(|name| name.contains(".safetensors."));
    let preferred = if cfg!(feature = "safetensors") { &safetensors } else { &others };
    match (&*found, &**preferred) {
        ([], _) => Ok(None),
        ([only], _) => Ok(Some(only)),
        (_, [only]) if found.iter().all(|name| stem(name) == stem(only)) => Ok(Some(only)),
        _ => Err(Error::caller(format!(
            "the folder has several indexes of sharded checkpoints: {}; open one of them by its path",
            listed(&found)
        ))),
    }
}

/// What an index is of: `model` for `model.safetensors.index.json` and `pytorch_model.bin.index.json`.
fn stem(name: &str) -> &str {
    let name = name.split(".index.").next().unwrap_or(name);
    let name = name.strip_suffix(".safetensors").or_else(|| name.strip_suffix(".bin")).unwrap_or(name);
    name.strip_prefix("pytorch_").unwrap_or(name)
}

/// The one file of the folder that is a checkpoint.
fn only_file(folder: &Folder) -> Result<&str, Error> {
    let (safetensors, pickled) = WHOLE;
    if cfg!(feature = "safetensors") && folder.has(safetensors) {
        return Ok(safetensors);
    }
    if folder.has(pickled) {
        return Ok(pickled);
    }
    let (mut containers, mut pickles) = (Vec::new(), Vec::new());
    for name in folder.files() {
        // What cannot be opened is none of those that can.
        let Ok((head, len)) = folder.head(name, HEAD_LEN) else { continue };
        match begins_as(&head, len) {
            Some(Kind::Zip | Kind::LegacyStream | Kind::Tar | Kind::Safetensors) => containers.push(name),
            // Vocabularies and the like are pickles too.
            Some(Kind::RawPickle | Kind::Gzip) => pickles.push(name),
            _ => {}
        }
    }
    let found = if containers.is_empty() { pickles } else { containers };
    match *found {
        [only] => Ok(only),
        [] => Err(Error::not_a_checkpoint(format!("the folder holds no checkpoint{}", contents(folder)))),
        _ => Err(Error::caller(format!(
            "the folder has several checkpoints and no index that says what they are to one another: {}; open one of them by its path",
            listed(&found)
        ))),
    }
}

/// What a folder has, to complete a sentence.
fn contents(folder: &Folder) -> String {
    let files: Vec<&str> = folder.files().collect();
    let folders: Vec<&str> = folder.folders().collect();
    match (&*files, &*folders) {
        ([], []) => ": it is empty".to_owned(),
        (files, []) => format!("; it has {}", listed(files)),
        ([], folders) => format!("; it has the folders {}: open the one that is meant", listed(folders)),
        (files, folders) => format!("; it has {}, and the folders {}", listed(files), listed(folders)),
    }
}

fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{}`", Shown(name))).collect();
    if names.len() > LISTED {
        shown.push(format!("{} more", names.len().saturating_sub(LISTED)));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_of_one_model_are_told_by_their_names() {
        assert_eq!(stem("model.safetensors.index.json"), "model");
        assert_eq!(stem("pytorch_model.bin.index.json"), "model");
        assert_eq!(stem("diffusion_pytorch_model.safetensors.index.json"), "diffusion_pytorch_model");
        assert_eq!(stem("diffusion_pytorch_model.bin.index.json"), "diffusion_pytorch_model");
        assert_eq!(stem("model.safetensors.index.fp16.json"), "model");
    }
}
