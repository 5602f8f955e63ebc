//! What the targets share: the limits under which files are opened, reading in every way, and builders of files that lie.

#[path = "../../tests/support/legacy_builder.rs"]
pub mod legacy_builder;
#[path = "../../tests/support/pickle_builder.rs"]
pub mod pickle_builder;
#[path = "../../tests/support/read_everything.rs"]
mod reading;
#[path = "../../tests/support/tar_builder.rs"]
pub mod tar_builder;
#[path = "../../tests/support/zip_builder.rs"]
pub mod zip_builder;

pub mod folder;
pub mod lies;

use torch_checkpoint::{Checkpoint, Error, Limits, LoadOptions};

pub use reading::{one_sentence, read_everything};

/// Small enough that one file takes no second.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.materialised_bytes = 1 << 15;
    limits.decompressed_bytes = 1 << 20;
    limits.nodes = 100_000;
    limits.names = 1_000;
    limits
}

pub fn options() -> LoadOptions<'static> {
    LoadOptions::new().limits(limits())
}

/// Opens bytes and reads all that is in them.
pub fn open_and_read(bytes: Vec<u8>) {
    read(options().open_bytes(bytes));
}

pub fn read(opened: Result<Checkpoint, Error>) {
    match opened {
        Ok(checkpoint) => read_everything(&checkpoint),
        Err(error) => one_sentence(&error),
    }
}
