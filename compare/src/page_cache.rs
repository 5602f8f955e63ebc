//! A cold page cache, of some files only and without rights.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use crate::Result;
use crate::files::parts;

/// Has the system forget the pages of a file, or of all files in a folder. What is not written yet is written first, as the
/// system keeps such pages.
pub fn forget(path: &Path) -> Result {
    for part in parts(path)? {
        let file = File::open(part)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
