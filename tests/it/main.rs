//! Tests through the public interface only. A test that covers a case of the conformance list carries its number in its
//! name; a case that does not apply is named, with the reason, in the documentation of its module.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "the crate is tests"
)]

#[path = "../support/legacy_builder.rs"]
mod legacy_builder;
#[path = "../support/pickle_builder.rs"]
mod pickle_builder;
#[path = "../support/read_everything.rs"]
mod read_everything;
#[path = "../support/tar_builder.rs"]
mod tar_builder;
#[path = "../support/zip_builder.rs"]
mod zip_builder;

mod architecture;
mod archives;
mod deserialize;
mod devices;
mod differential;
mod distributed;
mod elements;
mod findings;
mod folders;
mod forged;
mod hostile;
mod in_memory;
mod kinds;
mod legacy;
mod legacy_again;
mod limits;
mod oracle;
mod programs;
mod random_graphs;
mod raw_pickle;
mod readme;
#[cfg(feature = "safetensors")]
mod safetensors;
#[cfg(feature = "serde-pickle")]
mod serde_pickle;
mod scan;
mod sharded;
mod sparse;
mod state_dict;
mod support;
mod tar;
mod tensors;
mod threads;
mod values;
mod which_dict;
