//! How fast is each part? One file for each room; `cargo bench`, or `cargo bench --bench parts -- casts` for some.
//!
//! The checkpoints are made in memory, and small enough that the part in question is nearly all of the work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the crate is benches")]
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros")]

mod files;
mod memo;
mod names;
mod open;
mod tensors;

#[path = "../../tests/support/legacy_builder.rs"]
mod legacy_builder;
#[path = "../../tests/support/pickle_builder.rs"]
mod pickle_builder;
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;

criterion::criterion_group! {
    name = parts;
    config = criterion::Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(3));
    targets = open::bench, tensors::gather, tensors::casts, names::bench
}
criterion::criterion_main!(parts);
