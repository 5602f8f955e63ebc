//! Where the output goes: names, what stands in the way, and the moment in which all of it appears.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::args::Convert;
use super::{bare, failed};
use crate::failure::Failure;
use crate::text::clean;

/// What the names of files end in.
const EXTENSION: &str = "safetensors";
/// What Hugging Face's libraries look for.
const MODEL: &str = "model";

/// Where the output goes.
pub(super) struct Place {
    folder: PathBuf,
    /// The one file, if there are no shards.
    single: PathBuf,
    /// What the names of shards begin with.
    stem: String,
    sharded: bool,
    /// Whether the folder may be made.
    names_folder: bool,
    force: bool,
}

impl Place {
    /// Where the arguments say.
    ///
    /// # Errors
    /// There is something already, and it is not to be replaced.
    pub(super) fn of(args: &Convert) -> Result<Self, Failure> {
        let output = &args.output;
        let sharded = args.max_shard_size.is_some();
        let is_named = output.extension() == Some(OsStr::new(EXTENSION));
        let ends = output.to_string_lossy().ends_with(std::path::is_separator);
        let names_folder = output.is_dir() || ends || (sharded && !is_named);
        let (folder, stem) = if names_folder {
            (output.clone(), MODEL.to_owned())
        } else {
            let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
            let stem = output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (parent.unwrap_or(Path::new(".")).to_owned(), stem)
        };
        let single = if names_folder { folder.join(format!("{MODEL}.{EXTENSION}")) } else { output.clone() };
        let place = Self { folder, single, stem, sharded, names_folder, force: args.force };
        place.check()?;
        Ok(place)
    }

    fn check(&self) -> Result<(), Failure> {
        let folder = clean(&self.folder.to_string_lossy()).into_owned();
        if !self.folder.exists() {
            return match self.names_folder {
                true => Ok(()),
                false => Err(bare(format!("{folder}: there is no such folder to write into"))),
            };
        }
        if !self.folder.is_dir() {
            return Err(bare(format!("{folder}: this is a file, and the shards need a folder")));
        }
        for path in self.in_the_way()? {
            let shown = path.to_string_lossy();
            if !path.is_file() && path.exists() {
                return Err(bare(format!("{}: this is no regular file and is not replaced", clean(&shown))));
            }
            if !self.force {
                return Err(bare(format!("{}: this file is there already; --force replaces it", clean(&shown))));
            }
        }
        Ok(())
    }

    /// The files of the same name or of an earlier set of shards, in order.
    fn in_the_way(&self) -> Result<Vec<PathBuf>, Failure> {
        if !self.sharded {
            // A link counts, wherever it leads.
            return Ok(if self.single.symlink_metadata().is_ok() { vec![self.single.clone()] } else { Vec::new() });
        }
        let entries = fs::read_dir(&self.folder).map_err(|e| failed("read the folder", &self.folder, &e))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| failed("read the folder", &self.folder, &e))?;
            if entry.file_name().to_str().is_some_and(|name| self.is_of_the_set(name)) {
                found.push(entry.path());
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// `model.safetensors`, `model.safetensors.index.json`, `model-00001-of-00003.safetensors`
    fn is_of_the_set(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.stem) else { return false };
        let numbers = |rest: &str| {
            let (number, of) = rest.strip_prefix('-')?.strip_suffix(".safetensors")?.split_once("-of-")?;
            let is_number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            Some(is_number(number) && is_number(of))
        };
        rest == ".safetensors" || rest == ".safetensors.index.json" || numbers(rest) == Some(true)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder if it is not there: then it goes again if nothing is put into it.
    pub(super) fn make_folder(&self) -> Result<Made<'_>, Failure> {
        if self.folder.is_dir() {
            return Ok(Made(None));
        }
        fs::create_dir(&self.folder).map_err(|e| failed("make the folder", &self.folder, &e))?;
        Ok(Made(Some(&self.folder)))
    }

    /// The path of one of so many files.
    pub(super) fn file(&self, number: usize, of: usize) -> PathBuf {
        if of == 1 {
            return if self.sharded {
                self.folder.join(format!("{}.{EXTENSION}", self.stem))
            } else {
                self.single.clone()
            };
        }
        self.folder.join(format!("{}-{:05}-of-{of:05}.{EXTENSION}", self.stem, number.saturating_add(1)))
    }

    pub(super) fn index(&self) -> PathBuf {
        self.folder.join(format!("{}.{EXTENSION}.index.json", self.stem))
    }

    /// Gives the finished files their names; the index comes last. One file takes the place of another in one step. Where
    /// shards replace others, the old index goes first: whatever happens, none names files of both.
    pub(super) fn put(&self, files: Vec<(TempPath, PathBuf)>) -> Result<(), Failure> {
        let old = if self.force { self.in_the_way()? } else { Vec::new() };
        let names: Vec<PathBuf> = files.iter().map(|(_, name)| name.clone()).collect();
        let index = self.index();
        if self.sharded && old.contains(&index) {
            fs::remove_file(&index).map_err(|e| failed("remove", &index, &e))?;
        }
        for (number, (file, name)) in files.into_iter().enumerate() {
            let put = if self.force { file.persist(&name) } else { file.persist_noclobber(&name) };
            let Err(error) = put else { continue };
            if !self.force {
                // Those that were put are new, and alone they are nothing.
                names.iter().take(number).for_each(|name| drop(fs::remove_file(name)));
            }
            return Err(failed("write", &name, &error.error));
        }
        for stale in old.iter().filter(|&path| !names.contains(path) && *path != index) {
            fs::remove_file(stale).map_err(|e| failed("remove", stale, &e))?;
        }
        synced(&self.folder).map_err(|e| failed("write", &self.folder, &e))
    }
}

/// A folder that was made.
pub(super) struct Made<'a>(Option<&'a Path>);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // What has files in it is not removed.
        self.0.map(fs::remove_dir);
    }
}

/// The names in a folder reach the disk.
#[cfg(unix)]
fn synced(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn synced(_: &Path) -> io::Result<()> {
    Ok(())
}
