//! Folders: every file in them is scanned.

use std::path::{Path, PathBuf};

use super::{Report, ScanOptions, unreadable};
use crate::error::Error;
use crate::limits::Limits;

/// Folders within folders, at most.
const DEPTH: usize = 16;

pub(super) fn scan(options: &ScanOptions, path: &Path) -> Vec<Report> {
    if !path.is_dir() {
        return vec![options.scan_file(path, false)];
    }
    let mut reports = Vec::new();
    let mut work: Vec<(PathBuf, usize)> = vec![(path.to_owned(), 0)];
    let mut count = 0_u64;
    while let Some((path, depth)) = work.pop() {
        count = count.saturating_add(1);
        let failed = |error: Error| Report { path: Some(path.clone()), ..unreadable(error.in_path(&path)) };
        if let Err(error) = Limits::check("records", count, options.limits.records) {
            reports.push(failed(error));
            break;
        }
        // Files are followed to where links lead, as the caches of model hubs are made of links; folders are not.
        if depth > 0 && (!path.is_dir() || path.is_symlink()) {
            reports.push(options.scan_file(&path, true));
            continue;
        }
        if depth > DEPTH {
            reports.push(failed(Error::limit(format!("folders are nested more than {DEPTH} deep"))));
            continue;
        }
        let entries = std::fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries {
            Ok(entries) => {
                let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
                // The last is taken first.
                paths.sort_by(|a, b| b.cmp(a));
                work.extend(paths.into_iter().map(|path| (path, depth.saturating_add(1))));
            }
            Err(error) => reports.push(failed(Error::io("list the folder", error))),
        }
    }
    reports
}
