//! Any pickle as the `data.pkl` of an archive that is right: what its objects mean.
#![no_main]

use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::lies::STORAGES;
use torch_checkpoint_fuzz::open_and_read;
use torch_checkpoint_fuzz::zip_builder::torch_archive;

fuzz_target!(|pickle: &[u8]| open_and_read(torch_archive(pickle, &STORAGES)));
