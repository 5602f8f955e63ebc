//! One program for all tests: burn takes long to link.

mod dtypes;
mod names;
mod network;

use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}
