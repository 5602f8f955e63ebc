//! What does the archive hold, and in which folder?
//!
//! torch takes the root from the first entry and fails if any other entry lies outside. Files that were packed again
//! have folder entries, `__MACOSX/` and the like, so here the root is where the one `data.pkl` is, and what lies outside
//! is ignored. An archive without a root folder (`data.pkl` at the top) loads too.

use super::directory::Directory;
use crate::error::{Error, Shown};

/// A zip archive that this crate knows, by its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    /// `torch.save`.
    TorchSave,
    /// `torch.jit.save`; `bytecode.pkl` beside it for the lite interpreter.
    TorchScript,
    /// TorchScript of torch 1.0 to 1.3 (`model.json`).
    TorchScriptPreview,
    /// `torch.package`.
    TorchPackage,
    /// `torch.export` and AOTInductor since torch 2.7 (a folder with `archive_format`).
    TorchExport,
    /// `torch.export` up to torch 2.6: no folder, whole files of `torch.save` as records.
    TorchExportOld,
    /// numpy's `savez`.
    Npz,
    /// A document of an office program.
    Office,
    /// A Java archive or Android package.
    Jar,
    /// A Keras 3 model.
    Keras,
    /// An archive that holds checkpoint files.
    PackedFiles,
    /// Records are named `archive\\data.pkl`, with backslashes.
    Backslashes,
    /// Anything else.
    Other,
}

impl ArchiveKind {
    /// Why this crate does not read it; `None` for what it reads. The one place to change when it learns more kinds.
    pub(crate) fn refusal(self) -> Option<Error> {
        Some(match self {
            Self::TorchSave | Self::TorchScript | Self::TorchPackage | Self::TorchExport | Self::TorchExportOld => {
                return None;
            }
            Self::TorchScriptPreview => Error::unsupported(
                "this is a TorchScript archive of torch 1.0 to 1.3 (`model.json`), which this crate does not read; load it and save its `state_dict()` again with `torch.save`",
            ),
            Self::Npz => Error::not_a_checkpoint("this is a numpy archive (`.npz`), not a PyTorch checkpoint"),
            Self::Office => Error::not_a_checkpoint("this is an office document, not a PyTorch checkpoint"),
            Self::Jar => Error::not_a_checkpoint("this is a Java archive or Android package, not a PyTorch checkpoint"),
            Self::Keras => Error::not_a_checkpoint("this is a Keras model archive, not a PyTorch checkpoint"),
            Self::PackedFiles => {
                Error::not_a_checkpoint("this zip archive contains model files; unpack it and open one of them")
            }
            Self::Backslashes => Error::malformed(
                "the archive's names have backslashes where folders should end in `/`; pack it again with another program",
            ),
            Self::Other => {
                Error::not_a_checkpoint("this zip archive is not a PyTorch checkpoint: it has no `data.pkl`")
            }
        })
    }
}

/// The kind of a readable archive, and its root folder with its `/` (empty if the records lie at the top).
///
/// # Errors
/// [`ArchiveKind::refusal`]; Malformed if two folders qualify as the root.
pub(super) fn recognise(directory: &Directory) -> Result<(ArchiveKind, &str), Error> {
    // These may hold a `data.pkl` somewhere too.
    if let Some(root) = folder_of(directory, ".data/extern_modules") {
        return Ok((ArchiveKind::TorchPackage, root));
    }
    if let Some(root) = folder_of(directory, "archive_format") {
        return Ok((ArchiveKind::TorchExport, root));
    }
    if directory.find("serialized_exported_program.json").is_some() {
        return Ok((ArchiveKind::TorchExportOld, ""));
    }
    if let Some(root) = find_root(directory)? {
        return Ok((kind_with_pickle(directory, root), root));
    }
    let kind = kind_without_pickle(directory);
    Err(match kind.refusal() {
        Some(error) if matches!(kind, ArchiveKind::Other | ArchiveKind::PackedFiles) => {
            Error::not_a_checkpoint(format!("{} (it holds {})", error.message(), sample(directory)))
        }
        Some(error) => error,
        None => Error::malformed("the archive has no `data.pkl`"),
    })
}

/// The folder, with its `/`, in which the first record of a name lies.
fn folder_of<'d>(directory: &'d Directory, below: &str) -> Option<&'d str> {
    let folder = |name: &'d str| name.strip_suffix(below).filter(|folder| folder.is_empty() || folder.ends_with('/'));
    directory.names().find_map(folder).filter(|folder| !folder.starts_with("__MACOSX/"))
}

/// The folder (with its `/`) of the only `data.pkl`; of several, the one that lies least deep.
fn find_root(directory: &Directory) -> Result<Option<&str>, Error> {
    let mut best: Option<(usize, &str)> = None;
    let mut rival: Option<(usize, &str)> = None;
    for name in directory.names() {
        let Some(folder) = name.strip_suffix("data.pkl").filter(|folder| folder.is_empty() || folder.ends_with('/'))
        else {
            continue;
        };
        if folder.starts_with("__MACOSX/") {
            continue;
        }
        // A root at the top and one folder down are rivals: either could be meant.
        let depth = folder.bytes().filter(|&b| b == b'/').count().max(1);
        match best {
            Some((least, _)) if depth > least => {}
            Some((least, _)) if depth == least => rival = Some((depth, folder)),
            _ => best = Some((depth, folder)),
        }
    }
    if let (Some((depth, folder)), Some((rival_depth, other))) = (best, rival)
        && depth == rival_depth
    {
        return Err(Error::malformed(format!(
            "the archive holds two checkpoints, `{}data.pkl` and `{}data.pkl`; unpack the one that is meant",
            Shown(folder),
            Shown(other)
        )));
    }
    Ok(best.map(|(_, folder)| folder))
}

fn kind_with_pickle(directory: &Directory, root: &str) -> ArchiveKind {
    let has = |record: &str| directory.find(&format!("{root}{record}")).is_some();
    if has("constants.pkl") {
        // torch's own test: torch/serialization.py, `_is_torchscript_zip`.
        ArchiveKind::TorchScript
    } else {
        ArchiveKind::TorchSave
    }
}

fn kind_without_pickle(directory: &Directory) -> ArchiveKind {
    let any = |test: &dyn Fn(&str) -> bool| directory.names().any(test);
    if any(&|name| name == "[Content_Types].xml" || name == "META-INF/manifest.xml") {
        ArchiveKind::Office
    } else if any(&|name| name == "META-INF/MANIFEST.MF" || name == "AndroidManifest.xml") {
        ArchiveKind::Jar
    } else if any(&|name| name.ends_with("/model.json")) && any(&|name| name.contains("/tensors/")) {
        ArchiveKind::TorchScriptPreview
    } else if any(&|name| name == "model.weights.h5") {
        ArchiveKind::Keras
    } else if directory.names().all(|name| name.ends_with(".npy")) {
        ArchiveKind::Npz
    } else if any(&|name| name.ends_with("\\data.pkl")) {
        ArchiveKind::Backslashes
    } else if any(&|name| CHECKPOINT_ENDINGS.iter().any(|ending| name.ends_with(ending))) {
        ArchiveKind::PackedFiles
    } else {
        ArchiveKind::Other
    }
}

const CHECKPOINT_ENDINGS: [&str; 6] = [".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".zip"];

/// A few names, for the message.
fn sample(directory: &Directory) -> String {
    let mut text = String::new();
    for (n, name) in directory.names().filter(|name| !name.ends_with('/')).enumerate().take(4) {
        let separator = if n == 0 { "" } else { ", " };
        let name = if n == 3 { "…".to_owned() } else { format!("`{}`", Shown(name)) };
        text.push_str(separator);
        text.push_str(&name);
    }
    text
}
