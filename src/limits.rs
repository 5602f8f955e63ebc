//! How much a file may cost. Every number that a file declares is held against these before it sizes anything.

use crate::error::Error;

/// Bounds on what one checkpoint may cost. The defaults let every honest file through that we know of and keep a forged
/// one from exhausting a machine; each field says why it has the default it has.
///
/// ```
/// use torch_checkpoint::{Limits, LoadOptions};
///
/// let mut limits = Limits::default();
/// limits.pickle_bytes = 1 << 20; // this service only takes small models
/// let options = LoadOptions::new().limits(limits);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one pickle (`data.pkl`). Default 512 MiB: a million tensors take about 150 MB. Values above
    /// [`Limits::MAX_PICKLE_BYTES`] count as that.
    pub pickle_bytes: u64,
    /// Objects of the pickled graph. Default 50 million, about 0.8 GB of memory; a tensor takes about nine.
    pub nodes: u64,
    /// Bytes of one text of a pickle, byte strings of Python 2 included (`bytes` objects, which carry data, are bounded by
    /// the pickle). Default 256 MiB: source code, configurations and vocabularies of 100 MB occur.
    pub text_bytes: u64,
    /// Nesting that a walk (listing, flattening) follows. Default 1,000, Python's own recursion limit. Reading into serde's
    /// types, which recurses, follows at most 128 of them whatever this says, `to_serde_pickle` 256.
    /// Decoding itself has no depth: 200,000 nested lists load and are freed.
    pub nesting: usize,
    /// Dimensions of a tensor. Default 64, torch's own bound for most operations.
    pub dimensions: usize,
    /// Records of an archive. Default 16 million.
    pub records: u64,
    /// Bytes of JSON: the index of a sharded checkpoint, the header of a safetensors file, the configs of an export package.
    /// Default 64 MiB; the index of 100,000 tensors takes about 10 MB, the config 35 MB.
    pub json_bytes: u64,
    /// Chunks of the tensors of a distributed checkpoint, all together. Default 16 million: 16,000 tensors over 1,000 ranks.
    pub chunks: u64,
    /// Bytes that one compressed record may unpack to. Default 64 GiB; a record's declared size bounds it as well.
    pub decompressed_bytes: u64,
    /// Bytes that one call may materialise from a tensor (`to_vec`, `cast`, a gathered `bytes`). Default 1 TiB: it stops a
    /// four-byte storage that presents itself as an exabyte, and leaves the judgement below that to the caller.
    pub materialised_bytes: u64,
    /// Names that a walk may emit, containers met again included. Default 10 million: thirty levels of ten references
    /// would be 10^30. A name counts once more for every 64 bytes of its text: one long key above many tensors would fill
    /// memory as well.
    pub names: usize,
}

impl Limits {
    /// Offsets in the decoded graph are 32 bits wide.
    ///
    /// ```
    /// use torch_checkpoint::Limits;
    /// let mut limits = Limits::default();
    /// assert!(limits.pickle_bytes < Limits::MAX_PICKLE_BYTES);
    /// limits.pickle_bytes = Limits::MAX_PICKLE_BYTES; // as large as can be read
    /// ```
    pub const MAX_PICKLE_BYTES: u64 = 0x7fff_ffff;

    /// An error that names the limit, what was asked and what is allowed, if `asked` is more than `allowed`.
    #[inline]
    pub(crate) fn check(name: &str, asked: u64, allowed: u64) -> Result<(), Error> {
        if asked <= allowed { Ok(()) } else { Err(exceeded(name, asked, allowed)) }
    }
}

#[cold]
fn exceeded(name: &str, asked: u64, allowed: u64) -> Error {
    Error::limit(format!(
        "{asked} is more than the limit of {allowed} for `Limits::{name}`; raise it with `LoadOptions::limits` if the file is trusted"
    ))
}

/// The names that a walk has emitted, held against [`Limits::names`].
pub(crate) struct NameCount {
    count: u64,
    allowed: u64,
}

impl NameCount {
    const BYTES: u64 = 64;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self { count: 0, allowed: u64::try_from(limits.names).unwrap_or(u64::MAX) }
    }

    /// Counts a name of so many bytes; 0 for something that was only visited.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Error> {
        let long = u64::try_from(bytes).unwrap_or(u64::MAX).checked_div(Self::BYTES).unwrap_or(0);
        self.count = self.count.saturating_add(1).saturating_add(long);
        Limits::check("names", self.count, self.allowed)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pickle_bytes: 512 << 20,
            nodes: 50_000_000,
            text_bytes: 256 << 20,
            nesting: 1_000,
            dimensions: 64,
            records: 1 << 24,
            json_bytes: 64 << 20,
            chunks: 1 << 24,
            decompressed_bytes: 64 << 30,
            materialised_bytes: 1 << 40,
            names: 10_000_000,
        }
    }
}
