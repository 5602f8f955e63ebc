//! torch's `map_location`: where a storage goes that was saved from elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::Device;
use crate::error::{Error, Shown};

/// Where the storages go, as `torch.load`'s `map_location` says it.
///
/// | Python | Rust |
/// | --- | --- |
/// | `map_location="cpu"` | `"cpu"`, or [`Device::Cpu`] |
/// | `map_location={"cuda:1": "cuda:0"}` | `[("cuda:1", "cuda:0")]`, a `Vec` of pairs, a `HashMap` or a `BTreeMap` |
/// | `map_location=None` | `None`, or [`MapLocation::Keep`] |
/// | `map_location=lambda storage, tag: …` | [`MapLocation::with`] |
///
/// A map matches whole tags: `cuda` does not match `cuda:5`. What it does not name keeps its tag. Only
/// [`Tensor::device`](crate::Tensor::device) changes; no byte is moved, and [`Tensor::location`](crate::Tensor::location)
/// still gives the file's tag. A storage that the file tags as `meta` has no data to place and stays `meta` under one
/// device for all; a storage mapped to `meta` is not read.
///
/// ```
/// use torch_checkpoint::{Device, LoadOptions, MapLocation, load_state_dict};
/// # let path = "fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
/// load_state_dict(path, "cpu")?;
/// load_state_dict(path, [("cuda:1", "cuda:0")])?;
/// load_state_dict(path, None)?;
/// let mut bytes = 0; // a closure sees each storage once and may borrow
/// load_state_dict(path, MapLocation::with(|storage| {
///     bytes += storage.nbytes();
///     storage.location().starts_with("cuda").then_some(Device::Cpu)
/// }))?;
/// assert!(bytes > 0);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Default)]
#[non_exhaustive]
pub enum MapLocation<'a> {
    /// Every storage keeps the device that its tag names.
    #[default]
    Keep,
    /// Every storage goes to one device.
    All(MapTarget),
    /// Tags and what they become; others are kept.
    Tags(Vec<(String, MapTarget)>),
    /// A function of the storage; `None` keeps the tag. Made by [`MapLocation::with`].
    #[doc(hidden)]
    With(MapFn<'a>),
}

type MapFn<'a> = Box<dyn FnMut(&StorageInfo<'_>) -> Option<Device> + 'a>;

/// A device, or the text of one that is read when loading.
///
/// ```
/// use torch_checkpoint::{Device, MapLocation, MapTarget, load_state_dict};
/// let map = MapLocation::Tags(vec![("cuda:1".to_owned(), MapTarget::Device(Device::Cpu))]);
/// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
/// assert_eq!(weights["head.1.bias"].device(), &Device::Cpu);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapTarget {
    /// A device.
    Device(Device),
    /// Its text; a malformed one is an error when loading.
    Text(String),
}

/// What a [`MapLocation::with`] closure may know of a storage.
///
/// ```
/// use torch_checkpoint::{MapLocation, load_state_dict};
/// let mut seen = Vec::new();
/// let map = MapLocation::with(|storage| {
///     seen.push(format!("{} on {}, {} bytes", storage.key(), storage.location(), storage.nbytes()));
///     None
/// });
/// load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
/// assert_eq!(seen[0], "0 on cuda:0, 144 bytes");
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StorageInfo<'s> {
    pub(crate) key: &'s str,
    pub(crate) location: &'s str,
    pub(crate) nbytes: u64,
}

impl StorageInfo<'_> {
    /// The storage's key in the file, as `"0"`.
    ///
    /// ```
    /// use torch_checkpoint::{Device, MapLocation, load_state_dict};
    /// let map = MapLocation::with(|storage| (storage.key() == "1").then_some(Device::Mps));
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
    /// assert_eq!(weights["bn1.weight"].device(), &Device::Mps); // its storage is the record `data/1`
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        self.key
    }

    /// The tag that the file records, as `"cuda:1"`.
    ///
    /// ```
    /// use torch_checkpoint::{Device, MapLocation, load_state_dict};
    /// let map = MapLocation::with(|storage| (storage.location() == "cuda:1").then_some(Device::Cpu));
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
    /// assert_eq!(weights["head.1.bias"].device(), &Device::Cpu);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn location(&self) -> &str {
        self.location
    }

    /// The storage's length in bytes.
    ///
    /// ```
    /// use torch_checkpoint::{Device, MapLocation, load_state_dict};
    /// let map = MapLocation::with(|storage| Some(if storage.nbytes() > 1000 { Device::Mps } else { Device::Cpu }));
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
    /// assert_eq!(weights.values().filter(|tensor| tensor.device() == &Device::Mps).count(), 1); // of 1.7 KiB
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn nbytes(&self) -> u64 {
        self.nbytes
    }
}

impl<'a> MapLocation<'a> {
    /// Asks a function for each storage, once per storage while loading; `None` keeps the tag.
    ///
    /// ```
    /// use torch_checkpoint::{Device, MapLocation, load_state_dict};
    /// // The GPU of number 1 is number 5 here; what was elsewhere stays.
    /// let map = MapLocation::with(|storage| (storage.location() == "cuda:1").then_some(Device::Cuda(Some(5))));
    /// let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", map)?;
    /// assert_eq!(weights["head.1.bias"].device().to_string(), "cuda:5");
    /// assert_eq!(weights["bn1.bias"].device().to_string(), "cuda:0");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn with(map: impl FnMut(&StorageInfo<'_>) -> Option<Device> + 'a) -> Self {
        Self::With(Box::new(map))
    }

    /// Reads every text, so that malformed ones are found before anything is loaded.
    pub(crate) fn resolve(&mut self) -> Result<(), Error> {
        match self {
            Self::All(target) => target.resolve(),
            Self::Tags(pairs) => pairs.iter_mut().try_for_each(|(_, target)| target.resolve()),
            Self::Keep | Self::With(_) => Ok(()),
        }
    }

    /// The device for one storage. `tagged` is the device that its tag names.
    pub(crate) fn device(&mut self, storage: &StorageInfo<'_>, tagged: &Device) -> Device {
        let mapped = match self {
            Self::Keep => None,
            Self::All(_) if *tagged == Device::Meta => None,
            Self::All(target) => target.device(),
            // The last pair of a tag counts, as in a dict.
            Self::Tags(pairs) => {
                pairs.iter().rev().find(|(tag, _)| tag == storage.location).and_then(|(_, target)| target.device())
            }
            Self::With(map) => map(storage),
        };
        mapped.unwrap_or_else(|| tagged.clone())
    }
}

impl MapTarget {
    fn resolve(&mut self) -> Result<(), Error> {
        if let Self::Text(text) = self {
            let device = text
                .parse()
                .map_err(|e: Error| Error::caller(format!("map_location `{}`: {}", Shown(text), e.message())))?;
            *self = Self::Device(device);
        }
        Ok(())
    }

    fn device(&self) -> Option<Device> {
        match self {
            Self::Device(device) => Some(device.clone()),
            Self::Text(text) => Some(Device::from_tag(text)),
        }
    }
}

impl From<&str> for MapTarget {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for MapTarget {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Device> for MapTarget {
    fn from(device: Device) -> Self {
        Self::Device(device)
    }
}

impl From<&str> for MapLocation<'_> {
    fn from(text: &str) -> Self {
        Self::All(text.into())
    }
}

impl From<&String> for MapLocation<'_> {
    fn from(text: &String) -> Self {
        Self::All(text.as_str().into())
    }
}

impl From<String> for MapLocation<'_> {
    fn from(text: String) -> Self {
        Self::All(text.into())
    }
}

impl From<Device> for MapLocation<'_> {
    fn from(device: Device) -> Self {
        Self::All(device.into())
    }
}

/// `None` keeps every tag.
impl From<Option<Device>> for MapLocation<'_> {
    fn from(device: Option<Device>) -> Self {
        device.map_or(Self::Keep, Self::from)
    }
}

fn pairs<K: Into<String>, V: Into<MapTarget>>(pairs: impl IntoIterator<Item = (K, V)>) -> MapLocation<'static> {
    MapLocation::Tags(pairs.into_iter().map(|(tag, target)| (tag.into(), target.into())).collect())
}

impl<K: Into<String>, V: Into<MapTarget>> From<Vec<(K, V)>> for MapLocation<'_> {
    fn from(tags: Vec<(K, V)>) -> Self {
        pairs(tags)
    }
}

impl<K: Into<String>, V: Into<MapTarget>, const N: usize> From<[(K, V); N]> for MapLocation<'_> {
    fn from(tags: [(K, V); N]) -> Self {
        pairs(tags)
    }
}

impl<K: Into<String>, V: Into<MapTarget>, S> From<HashMap<K, V, S>> for MapLocation<'_> {
    fn from(tags: HashMap<K, V, S>) -> Self {
        pairs(tags)
    }
}

impl<K: Into<String>, V: Into<MapTarget>> From<BTreeMap<K, V>> for MapLocation<'_> {
    fn from(tags: BTreeMap<K, V>) -> Self {
        pairs(tags)
    }
}

impl fmt::Debug for MapLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::All(target) => f.debug_tuple("All").field(target).finish(),
            Self::Tags(pairs) => f.debug_tuple("Tags").field(pairs).finish(),
            Self::With(_) => f.write_str("With(..)"),
        }
    }
}
