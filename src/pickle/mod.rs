//! What program is this? A pickle is decoded into a [`Graph`](graph::Graph) of what it would build; nothing is imported,
//! called or looked up, and nothing here knows torch.

mod build;
mod compose;
mod decode;
mod extend;
pub(crate) mod graph;
mod key;
mod literal;
mod machine;
mod mapping;
mod memo;
mod names;
mod opcode;
mod part;
mod sequence;
mod shift;
mod trace;
mod traced;

pub(crate) use compose::Composer;
pub(crate) use machine::{Decoded, decode, measure};
pub(crate) use trace::{begins_with_opcode, trace};
pub(crate) use traced::{Item, Seen, Trace};

#[cfg(test)]
mod tests;
