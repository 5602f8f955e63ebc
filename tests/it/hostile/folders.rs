//! Checkpoints that are folders, with one file at a time cut off, damaged, emptied or gone.

use std::path::{Path, PathBuf};

use super::{Effort, damaged, shown, survives_at};
use crate::support::fixtures;

/// A copy of a folder, removed with the handle.
struct Copy(PathBuf);

impl Copy {
    fn of(folder: &Path, number: usize) -> Self {
        let name = format!("torch-checkpoint-hostile-{}-{number}", std::process::id());
        let copy = Self(std::env::temp_dir().join(name));
        for file in files_in(folder) {
            let to = copy.0.join(file.strip_prefix(folder).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&file, &to).unwrap();
        }
        copy
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The folders that are checkpoints: those with an answer beside them.
fn checkpoints() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fixtures()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let answer = PathBuf::from(format!("{}.oracle.json", path.display()));
            match path.is_dir() {
                true if answer.exists() => found.push(path),
                true => folders.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn sweep(effort: Effort) {
    let folders = checkpoints();
    assert!(folders.len() > 20, "only {} folders", folders.len());
    for (n, folder) in folders.iter().enumerate() {
        let copy = Copy::of(folder, n + 1000 * usize::from(effort == Effort::Thorough));
        for file in files_in(&copy.0) {
            let bytes = std::fs::read(&file).unwrap();
            let name = format!("{}: {}", shown(folder), file.strip_prefix(&copy.0).unwrap().display());
            std::fs::remove_file(&file).unwrap();
            survives_at(|| format!("{name} gone"), &copy.0);
            std::fs::write(&file, b"").unwrap();
            survives_at(|| format!("{name} empty"), &copy.0);
            for (n, place) in effort.places(&name, bytes.len()).into_iter().enumerate() {
                std::fs::write(&file, &bytes[..place]).unwrap();
                survives_at(|| format!("{name} cut to {place}"), &copy.0);
                for (kind, damaged) in damaged(&bytes, place).enumerate() {
                    if kind == n % 4 || effort == Effort::Thorough {
                        std::fs::write(&file, damaged).unwrap();
                        survives_at(|| format!("{name} at {place}, damage {kind}"), &copy.0);
                    }
                }
            }
            std::fs::write(&file, &bytes).unwrap();
        }
    }
}

#[test]
fn case_111_folders_with_one_file_damaged() {
    sweep(Effort::Sample);
}

#[test]
#[ignore = "thorough: for a release build"]
fn thorough_folders() {
    sweep(Effort::Thorough);
}
