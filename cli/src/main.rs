//! The `torch-checkpoint` command.
fn main() {}
