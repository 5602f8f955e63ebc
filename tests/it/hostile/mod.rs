//! Damaged and forged files: an error or a value, never a panic, and quickly (case 111).
//!
//! What `cargo test` runs is a sample, the same each time; `--include-ignored` (in release) runs [`Effort::Thorough`].

mod files;
mod folders;
mod opcodes;
mod zip;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use torch_checkpoint::{Checkpoint, Error, Limits, LoadOptions, ScanOptions};

use crate::read_everything::{one_sentence, read_everything};
use crate::support::fixtures;

/// The time for one file; a debug build on a busy machine takes a few milliseconds.
const QUICKLY: Duration = Duration::from_secs(10);

/// How many damaged forms of each file are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    Sample,
    Thorough,
}

impl Effort {
    /// Every place of a small file; of a larger one so many, spread evenly, not always the same in two files.
    fn places(self, name: &str, len: usize) -> Vec<usize> {
        let wanted = match self {
            Self::Sample => 12,
            Self::Thorough => 100,
        };
        let seed = name.bytes().fold(0_usize, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let step = len.div_ceil(wanted).max(1);
        (0..len.div_ceil(step)).map(|n| n * step + seed.wrapping_add(n * 7) % step).filter(|&at| at < len).collect()
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.materialised_bytes = 1 << 18;
    limits.decompressed_bytes = 1 << 20;
    limits.names = 10_000;
    limits
}

/// Opens a file and reads all of it in every way.
fn survives(what: impl Fn() -> String, bytes: Vec<u8>, verify: bool) -> bool {
    if bytes.len().is_multiple_of(3) {
        scan(&what, &bytes);
    }
    endures(what, |options| options.verify_checksums(verify).open_bytes(bytes))
}

/// The same for what a path leads to.
fn survives_at(what: impl Fn() -> String, path: &Path) -> bool {
    endures(what, |options| options.verify_checksums(true).open(path))
}

fn scan(what: impl Fn() -> String, bytes: &[u8]) {
    let start = Instant::now();
    let named = Named(&what);
    let report = ScanOptions::new().limits(limits()).scan_bytes(bytes.to_vec());
    report.errors.iter().for_each(one_sentence);
    assert!(start.elapsed() < QUICKLY, "{} scanned: {:?}", what(), start.elapsed());
    std::mem::forget(named);
}

fn endures(what: impl Fn() -> String, open: impl FnOnce(LoadOptions<'_>) -> Result<Checkpoint, Error>) -> bool {
    let start = Instant::now();
    let named = Named(&what);
    let opened = open(LoadOptions::new().limits(limits()));
    match &opened {
        Ok(checkpoint) => read_everything(checkpoint),
        Err(error) => one_sentence(error),
    }
    assert!(start.elapsed() < QUICKLY, "{}: {:?}", what(), start.elapsed());
    std::mem::forget(named);
    opened.is_ok()
}

/// Says which file it was when a panic unwinds through it.
struct Named<'w, W: Fn() -> String>(&'w W);

impl<W: Fn() -> String> Drop for Named<'_, W> {
    #[expect(clippy::print_stderr, reason = "a test that fails")]
    fn drop(&mut self) {
        eprintln!("hostile file: {}", (self.0)());
    }
}

/// Damage of one byte.
fn damaged(bytes: &[u8], place: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    let bit = 1_u8 << (place % 8);
    [0x00, 0xff, bytes[place] ^ bit, bytes[place].wrapping_add(1)]
        .into_iter()
        .filter(move |&new| new != bytes[place])
        .map(move |new| {
            let mut copy = bytes.to_vec();
            copy[place] = new;
            copy
        })
}

/// The files of a folder of fixtures, answers left out, smallest first.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![fixtures().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_str().unwrap().ends_with(".oracle.json") => {}
                false => files.push(path),
            }
        }
    }
    files.sort_by_key(|path| (std::fs::metadata(path).unwrap().len(), path.clone()));
    assert!(!files.is_empty(), "no fixtures in {folder}");
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(fixtures()).unwrap().display().to_string()
}
