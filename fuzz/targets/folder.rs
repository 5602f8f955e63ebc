//! Folders of any files: sharded and distributed checkpoints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::folder::Folder;
use torch_checkpoint_fuzz::{options, read};

fuzz_target!(|bytes: &[u8]| read(options().open(Folder::of_joined(bytes).path())));
