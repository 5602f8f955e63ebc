//! What lies under tensors: the bytes of one storage, whole, in native order, made at most once.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use super::chunks::Chunks;
use super::dtype::SwapUnit;
use crate::device::Device;
use crate::error::{Error, Shown};
use crate::source::{ByteOrder, Memory, RecordId, Records};

/// The memory that one or more tensors view: a cheap handle.
///
/// Two handles are equal exactly if they are the same storage, so tensors that share memory (tied weights, slices of a
/// flat buffer) can be found: `a.storage() == b.storage()`.
///
/// ```
/// use torch_checkpoint::LoadOptions;
///
/// let weights = LoadOptions::new().key("model").load_state_dict("fixtures/zip/torch-2.15/tied.pt")?;
/// let (embedding, head) = (&weights["embed.weight"], &weights["out.weight"]);
/// assert_eq!(embedding.storage(), head.storage());
/// println!("tied: both live in storage {} ({} bytes)", head.storage().key(), head.storage().nbytes());
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

/// A checkpoint may have 100,000 of these: whatever few storages need is boxed in `copies`.
struct Inner {
    nbytes: u64,
    key: Key,
    place: Arc<Place>,
    data: StorageData,
    copies: OnceLock<Box<Copies>>,
    id: u32,
}

/// Everything that a [`Storage`] is made from.
pub(crate) struct StorageParts {
    pub(crate) id: u32,
    pub(crate) key: Key,
    pub(crate) location: Arc<str>,
    pub(crate) device: Device,
    pub(crate) nbytes: u64,
    pub(crate) data: StorageData,
}

/// Where storages were and are: the same for most of a file.
pub(crate) struct Place {
    pub(crate) location: Arc<str>,
    pub(crate) device: Device,
}

/// A storage's key: almost always a short number, which then needs no allocation.
#[derive(Clone)]
pub(crate) enum Key {
    /// Text of so many bytes.
    Short(u8, [u8; Self::SHORT]),
    Long(Box<str>),
}

impl Key {
    /// As long as makes it no larger than the other variant does.
    const SHORT: usize = 22;

    fn as_str(&self) -> &str {
        match self {
            Self::Short(len, bytes) => {
                bytes.get(..usize::from(*len)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
            }
            Self::Long(text) => text,
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        let mut bytes = [0; Self::SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(text.as_bytes());
                Self::Short(len, bytes)
            }
            _ => Self::Long(text.into()),
        }
    }
}

/// Where a storage's bytes are.
pub(crate) enum StorageData {
    /// Nowhere: the storage is on `meta`.
    Meta,
    /// In memory of its own, in native order.
    Bytes(Arc<Memory>),
    /// In a record of the container.
    Record { records: Arc<dyn Records>, record: RecordId, byte_order: ByteOrder },
    /// In the storages of several chunks.
    Chunks(Arc<Chunks>),
}

impl StorageData {
    /// No bytes at all.
    pub(crate) fn empty() -> Self {
        Self::Bytes(Arc::new(Memory::from(Vec::new())))
    }
}

type Copy = OnceLock<Result<Memory, Error>>;

/// What is made on demand and freed with the last handle.
#[derive(Default)]
struct Copies {
    /// Unpacked or put together, and swapped by units of 1 (not at all), 2, 4 and 8 bytes. More than one is in use only when tensors of
    /// several dtypes view one big-endian storage.
    native: [Copy; 4],
    /// A copy of stored bytes: of what must not change after it was validated, or of what the caller wants in memory.
    stable: OnceLock<Memory>,
}

impl Storage {
    pub(crate) fn new(parts: StorageParts) -> Self {
        let StorageParts { id, key, location, device, nbytes, data } = parts;
        Self::at(Arc::new(Place { location, device }), id, key, nbytes, data)
    }

    /// As [`new`](Self::new), in a place that other storages may share.
    pub(crate) fn at(place: Arc<Place>, id: u32, key: Key, nbytes: u64, data: StorageData) -> Self {
        Self(Arc::new(Inner { nbytes, key, place, data, copies: OnceLock::new(), id }))
    }

    /// A number that counts the storages of the file in the order of their first mention. A
    /// [detached](crate::Tensor::detach) copy keeps the number of its origin although it is another storage.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// let ids: Vec<u32> = weights.values().map(|tensor| tensor.storage().id()).collect();
    /// assert_eq!(ids, (0..17).collect::<Vec<u32>>());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// The key under which the file knows the storage: `0` for the record `archive/data/0`.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// assert_eq!(weights["bn1.bias"].storage().key(), "2");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.key.as_str()
    }

    /// The location tag, verbatim as in the file: the device that the storage was saved from.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// assert_eq!(weights["head.1.bias"].storage().location(), "cuda:1");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.place.location
    }

    /// The device that the tag became through `map_location`.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// assert_eq!(weights["head.1.bias"].storage().device().to_string(), "cpu");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.0.place.device
    }

    pub(super) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.0.place)
    }

    /// The length in bytes.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!(weights["slice"].storage().nbytes(), 96); // of all 24 floats
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn nbytes(&self) -> u64 {
        self.0.nbytes
    }

    /// Whether there is no data, only shapes.
    pub(crate) fn is_meta(&self) -> bool {
        matches!(self.0.data, StorageData::Meta)
    }

    /// A storage with the same names whose data is `bytes`.
    pub(super) fn with_bytes(&self, bytes: impl Into<Memory>) -> Self {
        let bytes = bytes.into();
        let nbytes = u64::try_from(bytes.bytes().len()).unwrap_or(u64::MAX);
        Self::at(self.0.place.clone(), self.0.id, self.0.key.clone(), nbytes, StorageData::Bytes(Arc::new(bytes)))
    }

    /// The same data under another number, tag and device.
    pub(crate) fn placed(&self, id: u32, location: Arc<str>, device: Device) -> Self {
        let data = match &self.0.data {
            _ if device == Device::Meta => StorageData::Meta,
            StorageData::Meta => StorageData::Meta,
            StorageData::Bytes(bytes) => StorageData::Bytes(Arc::clone(bytes)),
            StorageData::Record { records, record, byte_order } => {
                StorageData::Record { records: Arc::clone(records), record: *record, byte_order: *byte_order }
            }
            StorageData::Chunks(chunks) => StorageData::Chunks(Arc::clone(chunks)),
        };
        Self::new(StorageParts { id, key: self.0.key.clone(), location, device, nbytes: self.0.nbytes, data })
    }

    /// All bytes in native order: borrowed from the source if they are stored so, else made once.
    pub(crate) fn bytes(&self, unit: SwapUnit) -> Result<&[u8], Error> {
        match &self.0.data {
            StorageData::Meta => Err(Error::caller("a tensor on the device `meta` has a shape but no data")),
            StorageData::Bytes(bytes) => Ok(bytes.bytes()),
            // The chunks give their elements in native order already.
            StorageData::Chunks(chunks) => {
                let [one, ..] = &self.copies().native;
                borrow(one.get_or_init(|| chunks.assemble()))
            }
            StorageData::Record { records, record, .. } => {
                let unit = self.copied_by(unit);
                if unit == SwapUnit::One
                    && let Some(copy) = self.0.copies.get().and_then(|copies| copies.stable.get())
                {
                    return Ok(copy.bytes());
                }
                if unit == SwapUnit::One
                    && let Some(bytes) = records.borrow(*record)?
                {
                    return self.check_len(bytes.len(), &**records, *record).map(|()| bytes);
                }
                let [one, two, four, eight] = &self.copies().native;
                let cell = match unit {
                    SwapUnit::One => one,
                    SwapUnit::Two => two,
                    SwapUnit::Four => four,
                    SwapUnit::Eight => eight,
                };
                borrow(cell.get_or_init(|| self.native_copy(&**records, *record, unit)))
            }
        }
    }

    /// The container that holds the data, by its address, and the record there.
    pub(super) fn home(&self) -> Option<(*const (), RecordId)> {
        match &self.0.data {
            StorageData::Record { records, record, .. } => Some((Arc::as_ptr(records).cast(), *record)),
            StorageData::Meta | StorageData::Bytes(_) | StorageData::Chunks(_) => None,
        }
    }

    /// The same, of each chunk if there are several.
    pub(crate) fn homes(&self) -> impl Iterator<Item = (*const (), RecordId)> {
        let chunks = match &self.0.data {
            StorageData::Chunks(chunks) => Some(chunks.homes()),
            _ => None,
        };
        self.home().into_iter().chain(chunks.into_iter().flatten())
    }

    pub(super) fn is_chunked(&self) -> bool {
        matches!(self.0.data, StorageData::Chunks(_))
    }

    /// The chunks that the data are in, as long as they were not put together.
    pub(super) fn chunks(&self) -> Option<&Chunks> {
        match &self.0.data {
            StorageData::Chunks(chunks) => {
                let made = self.0.copies.get().and_then(|copies| copies.native.first()?.get());
                if made.is_some_and(Result::is_ok) { None } else { Some(chunks) }
            }
            _ => None,
        }
    }

    /// All bytes, as [`bytes`](Self::bytes) without swapping gives them, in memory that nobody else can change.
    pub(super) fn stable_bytes(&self) -> Result<&[u8], Error> {
        let bytes = self.bytes(SwapUnit::One)?;
        match &self.0.data {
            StorageData::Record { records, record, .. }
                if !records.is_stable() && records.borrow(*record)?.is_some() =>
            {
                let stable = &self.copies().stable;
                if stable.get().is_none() {
                    // That there is no memory now is not kept.
                    self.keep_in_memory(Memory::copy_of(bytes)?);
                }
                Ok(stable.get().map_or(bytes, Memory::bytes))
            }
            _ => Ok(bytes),
        }
    }

    /// The unit by which a copy for numbers of `unit` is swapped: not at all, unless the stored order is the other one.
    pub(crate) fn copied_by(&self, unit: SwapUnit) -> SwapUnit {
        match &self.0.data {
            StorageData::Record { byte_order, .. } if *byte_order != ByteOrder::NATIVE => unit,
            _ => SwapUnit::One,
        }
    }

    /// The bytes that a copy in memory would be made of, if they are not there yet. What has to be unpacked, swapped or put
    /// together for that is, and stays; then, and where nothing is to do, it is `None`.
    pub(crate) fn outside_memory(&self, unit: SwapUnit) -> Result<Option<&[u8]>, Error> {
        let StorageData::Record { records, record, .. } = &self.0.data else {
            return if self.is_meta() { Ok(None) } else { self.bytes(unit).map(|_| None) };
        };
        let bytes = self.bytes(unit)?;
        let lent = self.copied_by(unit) == SwapUnit::One && !records.is_stable() && records.borrow(*record)?.is_some();
        let copied = self.0.copies.get().is_some_and(|copies| copies.stable.get().is_some());
        Ok((lent && !copied).then_some(bytes))
    }

    /// Takes the copy of what [`outside_memory`](Self::outside_memory) gave.
    pub(crate) fn keep_in_memory(&self, copy: Memory) {
        // If another thread was first, its copy has the same bytes.
        let _ = self.copies().stable.set(copy);
    }

    fn copies(&self) -> &Copies {
        self.0.copies.get_or_init(Box::default)
    }

    fn native_copy(&self, records: &dyn Records, record: RecordId, unit: SwapUnit) -> Result<Memory, Error> {
        let mut bytes = match records.borrow(record)? {
            Some(bytes) => Memory::copy_of(bytes)?,
            None => records.produce(record)?.into(),
        };
        self.check_len(bytes.bytes().len(), records, record)?;
        swap(bytes.bytes_mut(), unit);
        Ok(bytes)
    }

    fn check_len(&self, len: usize, records: &dyn Records, record: RecordId) -> Result<(), Error> {
        if u64::try_from(len).is_ok_and(|len| len == self.0.nbytes) {
            return Ok(());
        }
        Err(Error::malformed(format!(
            "storage `{}` is declared to have {} bytes, but its record has {len}",
            Shown(self.key()),
            self.0.nbytes
        ))
        .in_record(records.name(record)))
    }
}

fn borrow(made: &Result<Memory, Error>) -> Result<&[u8], Error> {
    made.as_ref().map(Memory::bytes).map_err(Clone::clone)
}

/// Reverses every unit. A rest shorter than a unit belongs to no element.
fn swap(bytes: &mut [u8], unit: SwapUnit) {
    fn by<const N: usize>(bytes: &mut [u8]) {
        bytes.as_chunks_mut::<N>().0.iter_mut().for_each(|unit| unit.reverse());
    }
    match unit {
        SwapUnit::One => {}
        SwapUnit::Two => by::<2>(bytes),
        SwapUnit::Four => by::<4>(bytes),
        SwapUnit::Eight => by::<8>(bytes),
    }
}

impl PartialEq for Storage {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Storage {}

impl Hash for Storage {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("key", &self.key())
            .field("location", &self.location())
            .field("device", self.device())
            .field("nbytes", &self.nbytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_kept() {
        for len in [0, 1, Key::SHORT - 1, Key::SHORT, Key::SHORT + 1, 300] {
            let text = "é".repeat(len / 2) + if len % 2 == 1 { "x" } else { "" };
            assert_eq!(Key::from(text.as_str()).as_str(), text);
        }
        assert_eq!(size_of::<Key>(), 24);
    }

    #[test]
    fn a_storage_stays_small() {
        assert!(size_of::<Inner>() <= 96, "{}", size_of::<Inner>());
    }
}
