//! The works whose instructions `benches/instructions.sh` counts: `instructions make FOLDER` writes their files,
//! `instructions WORK FOLDER` does one, of which [`measured`] is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the crate is a bench")]
#![allow(clippy::print_stdout, reason = "the script reads the names")]
fn main() {}
