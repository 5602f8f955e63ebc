//! What a tensor has beyond a view of one storage: most have nothing.

use super::layout::Composite;
use super::quantization::Quantization;
use super::shard::Shard;

/// Kept behind one pointer, so that the usual tensor pays eight bytes for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// The parts of a tensor that is not strided. Its own storage is then that of its values.
    pub(crate) composite: Option<Composite>,
    pub(crate) quantization: Option<Quantization>,
    pub(crate) shard: Option<Shard>,
}

impl Extra {
    pub(super) fn is_empty(&self) -> bool {
        self.composite.is_none() && self.quantization.is_none() && self.shard.is_none()
    }
}
