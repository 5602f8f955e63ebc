//! Doors for the targets in `fuzz/`; they exist under `cfg(fuzzing)` only, which cargo-fuzz sets.

use crate::error::Error;
use crate::limits::Limits;
use crate::pickle::{self, Decoded};

/// What the pickle machine makes of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The pickle's length by decoding it.
    pub consumed: usize,
    /// The same told by the opcodes alone: they must be equal.
    pub measured: usize,
    /// How many nodes the graph has.
    pub nodes: usize,
}

/// Runs the pickle machine, and nothing behind it, and looks at every node.
///
/// # Errors
/// Those of the machine.
pub fn decode_pickle(bytes: &[u8], limits: &Limits) -> Result<Machine, Error> {
    let Decoded { graph, consumed } = pickle::decode(bytes, limits)?;
    let measured = pickle::measure(bytes, limits)?;
    let nodes = graph.ids().map(|id| std::hint::black_box(graph.node(id))).count();
    Ok(Machine { consumed, measured, nodes })
}
