//! Where do the bytes live? Nothing here knows a format.

mod folder;
#[cfg(feature = "mmap")]
mod mapping;
mod memory;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub(crate) use folder::Folder;
pub(crate) use memory::{Memory, Stable};

use crate::error::Error;
use crate::parallel;

/// How a file's bytes are held.
///
/// ```
/// use torch_checkpoint::{Backing, LoadOptions};
/// let path = "fixtures/zip/torch-2.15/state_dict.pt";
/// let mapped = LoadOptions::new().open(path)?.state_dict()?;
/// let owned = LoadOptions::new().backing(Backing::Owned).open(path)?.state_dict()?;
/// assert_eq!(mapped["bn1.bias"].as_slice::<f32>()?, owned["bn1.bias"].as_slice::<f32>()?);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backing {
    /// Memory-mapped: opening costs nothing per byte, tensors borrow from the page cache. If another process truncates
    /// the file while it is in use, touching the lost part ends the process (`SIGBUS` on Unix), and if it rewrites the
    /// file, tensors change. Without the feature `mmap` this reads the file like [`Backing::Owned`].
    Mapped,
    /// Read into memory once. No other process can interfere afterwards.
    Owned,
}

/// The bytes of a whole checkpoint, for [`LoadOptions::open_bytes`](crate::LoadOptions::open_bytes): made from `Vec<u8>`,
/// `Arc<[u8]>`, `&'static [u8]` or `&'static [u8; N]` (`include_bytes!`), none of which is copied.
///
/// ```
/// use torch_checkpoint::{LoadOptions, Source};
/// let bytes: std::sync::Arc<[u8]> = std::fs::read("fixtures/zip/torch-2.15/state_dict.pt")?.into();
/// let source = Source::from(bytes); // cloned, it shares the bytes
/// for source in [source.clone(), source] {
///     assert_eq!(LoadOptions::new().open_bytes(source)?.tensors()?.len(), 17);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Source {
    owner: Arc<Owner>,
    /// The part of the owner's bytes that it is.
    range: Range<usize>,
}

enum Owner {
    Memory(Memory),
    Shared(Arc<[u8]>),
    Static(&'static [u8]),
    #[cfg(feature = "mmap")]
    Mapped(mapping::Mapping),
}

impl Owner {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(memory) => memory.bytes(),
            Self::Shared(bytes) => bytes,
            Self::Static(bytes) => bytes,
            #[cfg(feature = "mmap")]
            Self::Mapped(mapping) => mapping.bytes(),
        }
    }
}

impl Source {
    /// Opens a regular file with the given backing.
    pub(crate) fn open(path: &Path, backing: Backing) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| Error::io("open the file", e))?;
        let metadata = file.metadata().map_err(|e| Error::io("inspect the file", e))?;
        if !metadata.is_file() {
            return Err(Error::not_a_checkpoint(
                "this is not a regular file; pipes go through `LoadOptions::open_reader`",
            ));
        }
        if metadata.len() == 0 {
            return Ok(Self::from(&[][..]));
        }
        match backing {
            #[cfg(feature = "mmap")]
            Backing::Mapped => Ok(Self::new(Owner::Mapped(mapping::Mapping::new(&file)?))),
            #[cfg(not(feature = "mmap"))]
            Backing::Mapped => Self::read(&file, metadata.len()),
            Backing::Owned => Self::read(&file, metadata.len()),
        }
    }

    /// Reads a file of that length into memory; on Unix in large pieces, several at a time.
    ///
    /// # Errors
    /// As reading, and: the file has become shorter meanwhile.
    fn read(file: &File, len: u64) -> Result<Self, Error> {
        let remedy =
            if cfg!(feature = "mmap") { "use `Backing::Mapped`" } else { "the feature `mmap` maps files instead" };
        let no_memory = |bytes| Error::limit(format!("there is no memory for a file of {bytes} bytes; {remedy}"));
        let mut memory =
            usize::try_from(len).ok().and_then(|len| Memory::to_fill(len).ok()).ok_or_else(|| no_memory(len))?;
        memory.populate_on_all_cores();
        fill(file, memory.bytes_mut(), len).map_err(|e| Error::io("read the file", e))?;
        Ok(Self::new(Owner::Memory(memory)))
    }

    /// Reads everything the reader gives.
    pub(crate) fn from_reader(mut reader: impl Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|e| Error::io("read the file", e))?;
        Ok(Self::from(bytes))
    }

    fn new(owner: Owner) -> Self {
        let range = 0..owner.bytes().len();
        Self { owner: Arc::new(owner), range }
    }

    /// A part of it as a source of its own, which shares the bytes; `None` if it does not lie inside.
    pub(crate) fn slice(&self, range: Range<u64>) -> Option<Self> {
        let within = |at: u64| self.range.start.checked_add(usize::try_from(at).ok()?);
        let (start, end) = (within(range.start)?, within(range.end)?);
        (start <= end && end <= self.range.end).then(|| Self { owner: Arc::clone(&self.owner), range: start..end })
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.owner.bytes().get(self.range.clone()).unwrap_or_default()
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        // A slice is never longer than `isize::MAX`.
        u64::try_from(self.bytes().len()).unwrap_or(u64::MAX)
    }

    /// The bytes of a range, if it lies inside.
    pub(crate) fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        self.bytes().get(start..end)
    }

    /// Whether nobody else can change the bytes.
    pub(crate) fn is_stable(&self) -> bool {
        #[cfg(feature = "mmap")]
        return !matches!(&*self.owner, Owner::Mapped(_));
        #[cfg(not(feature = "mmap"))]
        true
    }

    /// The bytes of a range that nobody else can change any more: borrowed if the source is owned memory, copied if it is
    /// mapped. Whatever is validated before it is used goes through here.
    ///
    /// # Errors
    /// Malformed: it does not lie inside. Limit: there is no memory for a copy.
    pub(crate) fn stable(&self, range: Range<u64>) -> Result<Stable<'_>, Error> {
        let bytes = self.get(range).ok_or_else(|| Error::malformed("the file ends before what it should hold"))?;
        if self.is_stable() { Ok(Stable::Lent(bytes)) } else { Memory::copy_of(bytes).map(Stable::Copied) }
    }
}

#[cfg(unix)]
fn fill(file: &File, into: &mut [u8], len: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let starts = (0..len).step_by(parallel::PIECE);
    parallel::each(starts.zip(into.chunks_mut(parallel::PIECE)), len, |(start, piece)| file.read_exact_at(piece, start))
}

#[cfg(not(unix))]
fn fill(mut file: &File, into: &mut [u8], _: u64) -> io::Result<()> {
    file.read_exact(into)
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(Owner::Memory(bytes.into()))
    }
}

impl From<Arc<[u8]>> for Source {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::new(Owner::Shared(bytes))
    }
}

impl From<&'static [u8]> for Source {
    fn from(bytes: &'static [u8]) -> Self {
        Self::new(Owner::Static(bytes))
    }
}

impl<const N: usize> From<&'static [u8; N]> for Source {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.len())
    }
}

/// Names one record of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordId(pub(crate) u32);

/// What a container offers to the storages that live in it: the bytes of each record, on demand.
pub(crate) trait Records: Send + Sync + fmt::Debug {
    /// The record's bytes if they lie in the source as they are, `None` if they have to be [produced](Self::produce).
    ///
    /// # Errors
    /// The record's own header contradicts the directory, or its checksum is wrong (when those are verified).
    fn borrow(&self, record: RecordId) -> Result<Option<&[u8]>, Error>;

    /// Decompresses the record into a buffer of exactly its declared size.
    ///
    /// # Errors
    /// As [`borrow`](Self::borrow), and damaged or oversized compressed data.
    fn produce(&self, record: RecordId) -> Result<Vec<u8>, Error>;

    /// Whether nobody else can change the bytes that [`borrow`](Self::borrow) gives (they are not a mapped file's).
    fn is_stable(&self) -> bool;

    /// The record's name, for messages.
    fn name(&self, record: RecordId) -> &str;

    /// Everything that is wrong with the container: reads every record, those included that nothing refers to. `progress`
    /// is told the number of bytes in the file after each piece of them; all together they are [`len`](Self::len).
    fn defects(&self, progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)>;

    /// The bytes of all records in the file.
    fn len(&self) -> u64;
}

/// The byte order of stored numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub(crate) const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };
}
