//! Whole files: any bytes, opened and read in every way.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| torch_checkpoint_fuzz::open_and_read(bytes.to_vec()));
