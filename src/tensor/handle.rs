//! The public handle: what a tensor is, and views of it. Reading is in `read`.

use std::fmt;
use std::sync::Arc;

use super::dtype::{DType, SwapUnit};
use super::extra::Extra;
use super::geometry::Geometry;
use super::layout::{Composite, Layout};
use super::quantization::Quantization;
use super::shard::Shard;
use super::storage::Storage;
use crate::device::Device;
use crate::error::Error;

/// A tensor of a checkpoint: a cheap handle (`Clone + Send + Sync + 'static`) on a shared [`Storage`], with a dtype, a
/// shape and strides. Nothing is read before a reading method asks for it.
///
/// | to get | use | copies |
/// | --- | --- | --- |
/// | `&[T]` of the dtype's own type | [`as_slice`](Self::as_slice) | never; an error says why it cannot |
/// | the same for any strides, which the caller then has to follow | [`as_strided_slice`](Self::as_strided_slice) | never |
/// | `Vec<T>` of the dtype's own type | [`to_vec`](Self::to_vec) | always |
/// | floats of another width | [`cast`](Self::cast), [`cast_into`](Self::cast_into) | always |
/// | raw bytes in row-major order | [`bytes`](Self::bytes), [`copy_to`](Self::copy_to) | only if they are not stored so |
/// | a part, or another order | [`narrow`](Self::narrow), [`select`](Self::select), [`transpose`](Self::transpose), … | never |
/// | a tensor that keeps no file open | [`detach`](Self::detach) | always |
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
/// let w = &weights["fc.weight"];
/// println!("{} {:?} saved on {}, now on {}", w.dtype(), w.shape(), w.location(), w.device());
/// let values: &[f32] = w.as_slice()?;
/// # let _ = values;
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    pub(super) storage: Storage,
    pub(super) geometry: Geometry,
    /// Bytes that one call may materialise ([`Limits::materialised_bytes`](crate::Limits::materialised_bytes)).
    pub(super) materialised_bytes: u64,
    pub(super) extra: Option<Arc<Extra>>,
    pub(super) dtype: DType,
    pub(super) marks: Marks,
}

/// What a file says of a tensor besides its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) requires_grad: bool,
    pub(crate) is_parameter: bool,
    /// The stored numbers are the conjugates of the tensor's.
    pub(crate) conj: bool,
    /// The stored numbers are the negatives of the tensor's.
    pub(crate) neg: bool,
}

/// Everything that a [`Tensor`] is made from. The geometry has been checked against the storage.
pub(crate) struct TensorParts {
    pub(crate) storage: Storage,
    pub(crate) geometry: Geometry,
    pub(crate) dtype: DType,
    pub(crate) marks: Marks,
    /// Bytes that one call may materialise: [`Limits::materialised_bytes`](crate::Limits::materialised_bytes).
    pub(crate) materialised_bytes: u64,
    pub(crate) extra: Extra,
}

impl Tensor {
    #[inline]
    pub(crate) fn new(parts: TensorParts) -> Self {
        let TensorParts { storage, geometry, dtype, marks, materialised_bytes, extra } = parts;
        let extra = if extra.is_empty() { None } else { Some(Arc::new(extra)) };
        Self { storage, geometry, materialised_bytes, extra, dtype, marks }
    }

    /// The same tensor under another `requires_grad`, as a parameter or not.
    pub(crate) fn wrapped(&self, requires_grad: bool, is_parameter: bool) -> Self {
        Self { marks: Marks { requires_grad, is_parameter, ..self.marks }, ..self.clone() }
    }

    /// The same tensor as one rank's part of a larger one.
    pub(crate) fn as_shard(&self, shard: Shard) -> Self {
        let extra = self.extra.as_deref().cloned().unwrap_or_default();
        Self { extra: Some(Arc::new(Extra { shard: Some(shard), ..extra })), ..self.clone() }
    }

    /// The type of the elements.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!(weights["own_scalar"].dtype(), torch_checkpoint::DType::Float64);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The sizes of the dimensions, in elements; empty for a scalar. Of a sparse tensor those of the dense one, of a nested
    /// tensor only the number of its components, which have shapes of their own ([`unbind`](Self::unbind)).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!(weights["channels_last"].shape(), [2, 3, 2, 2]);
    /// assert!(weights["scalar"].shape().is_empty());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.geometry.shape()
    }

    /// For each dimension the distance in the storage from one element to the next, in elements. Empty for a sparse or
    /// nested tensor, whose [`components`](Self::components) have strides.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!((weights["matrix"].strides(), weights["transposed"].strides()), (&[6, 1][..], &[1, 6][..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn strides(&self) -> &[usize] {
        if self.composite().is_some() { &[] } else { self.geometry.strides() }
    }

    /// The place in the storage of the first element, in elements.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!(weights["slice"].storage_offset(), 5); // base[5:9]
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn storage_offset(&self) -> usize {
        self.geometry.offset()
    }

    /// The number of elements: the product of the sizes, zeros of a sparse tensor included (if there are more than can be
    /// addressed, the greatest number that can). Of a nested tensor, the elements of the buffer that its components share.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!((weights["matrix"].numel(), weights["scalar"].numel(), weights["zero_size"].numel()), (24, 1, 0));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn numel(&self) -> usize {
        match self.composite() {
            Some(nested @ (Composite::Views(_) | Composite::Jagged(_))) => nested.values().geometry.numel(),
            _ => self.geometry.numel(),
        }
    }

    /// The length of [`bytes`](Self::bytes): elements times [`DType::itemsize`] (for the packed `quint4x2` and
    /// `quint2x4`, whose shapes count values, as many bytes as these fill).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!((weights["slice"].nbytes(), weights["slice"].storage().nbytes()), (16, 96)); // 4 of 24 floats
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn nbytes(&self) -> usize {
        // A geometry has so few elements that this does not saturate.
        self.numel().div_ceil(self.dtype.values_per_byte()).saturating_mul(self.dtype.itemsize())
    }

    /// The device that the tensor belongs on, after `map_location`. Its bytes are read from the file in any case.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// assert_eq!(weights["head.1.bias"].device().to_string(), "cpu");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn device(&self) -> &Device {
        self.storage.device()
    }

    /// The device that it was saved from: the file's location tag, verbatim.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// assert_eq!(weights["head.1.bias"].location(), "cuda:1");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn location(&self) -> &str {
        self.storage.location()
    }

    /// Whether training would compute a gradient for it.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let weights = LoadOptions::new().key("").load_state_dict("fixtures/zip/torch-2.15/parameters.pt")?;
    /// assert!(weights["param"].requires_grad() && !weights["frozen"].requires_grad());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn requires_grad(&self) -> bool {
        self.marks.requires_grad
    }

    /// Whether it was saved as an `nn.Parameter`. A `state_dict()` holds plain tensors: false there.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let weights = LoadOptions::new().key("").load_state_dict("fixtures/zip/torch-2.15/parameters.pt")?;
    /// assert!(weights["frozen"].is_parameter() && !weights["buffer"].is_parameter());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_parameter(&self) -> bool {
        self.marks.is_parameter
    }

    /// Whether the stored complex numbers are conjugated when they are read (a lazy `conj()` was saved). Only
    /// [`as_slice`](Self::as_slice) cannot do that.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/conj_neg.pt", "cpu")?;
    /// let (z, conj) = (&weights["z"], &weights["conj"]);
    /// assert!(conj.is_conj() && z.storage() == conj.storage()); // the same numbers, read in two ways
    /// type C = torch_checkpoint::Complex<f32>;
    /// assert_eq!(conj.to_vec::<C>()?[0].im, -z.to_vec::<C>()?[0].im);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_conj(&self) -> bool {
        self.marks.conj
    }

    /// Whether the stored numbers are negated when they are read (the imaginary part of a lazy `conj()` was saved).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/conj_neg.pt", "cpu")?;
    /// let (real, neg) = (&weights["real"], &weights["neg_float"]);
    /// assert!(neg.is_neg() && !real.is_neg());
    /// assert_eq!(neg.to_vec::<f32>()?[0], -real.to_vec::<f32>()?[0]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_neg(&self) -> bool {
        self.marks.neg
    }

    /// Whether the elements lie in row-major order without gaps, as torch defines it.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert!(weights["matrix"].is_contiguous() && !weights["transposed"].is_contiguous());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.layout() == Layout::Strided && self.geometry.is_contiguous()
    }

    /// The storage that the elements lie in, shared with every other view of it; of a sparse or nested tensor, that of its
    /// values.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/views.pt", "cpu")?;
    /// assert_eq!(weights["matrix"].storage(), weights["base"].storage());
    /// assert_ne!(weights["own_scalar"].storage(), weights["base"].storage());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// How the values are laid out. All but [`Layout::Strided`] consist of [`components`](Self::components).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/sparse_coo.pt", "cpu")?;
    /// assert_eq!(weights["coalesced"].layout(), torch_checkpoint::Layout::SparseCoo);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.composite().map_or(Layout::Strided, Composite::layout)
    }

    pub(super) fn composite(&self) -> Option<&Composite> {
        self.extra.as_ref()?.composite.as_ref()
    }

    /// How the integers of a quantised tensor become numbers; `None` if it is not quantised.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/quantised_per_tensor.pt", "cpu")?;
    /// assert_eq!(weights["qint8"].quantization().unwrap().scale(), Some(0.1));
    /// assert!(weights["plain"].quantization().is_none());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn quantization(&self) -> Option<&Quantization> {
        self.extra.as_ref()?.quantization.as_ref()
    }

    /// What the file says of the whole tensor, if this is one rank's part of it.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/dtensor_rank_1_of_2.pt", "cpu")?;
    /// let rows = &weights["rows"]; // of the second of two ranks
    /// assert_eq!((rows.shape(), rows.shard().unwrap().global_shape()), (&[2, 3][..], &[5, 3][..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn shard(&self) -> Option<&Shard> {
        self.extra.as_ref()?.shard.as_ref()
    }

    /// The strided tensors that a sparse or nested tensor is stored as, with torch's names for them; nothing for a strided
    /// one.
    ///
    /// | [`layout`](Self::layout) | components |
    /// | --- | --- |
    /// | `SparseCoo` | `indices`, `values` |
    /// | `SparseCsr`, `SparseBsr` | `crow_indices`, `col_indices`, `values` |
    /// | `SparseCsc`, `SparseBsc` | `ccol_indices`, `row_indices`, `values` |
    /// | `Nested` | `buffer`, `sizes`, `strides`, `storage_offsets`; if jagged, `values`, `offsets` and perhaps `lengths` |
    ///
    /// They are as in the file, which may lie: [`to_dense`](Self::to_dense) and [`unbind`](Self::unbind) check them.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/sparse_coo.pt", None)?;
    /// let parts: Vec<_> = weights["coalesced"].components().collect();
    /// let [("indices", indices), ("values", values)] = parts[..] else { panic!() };
    /// assert_eq!(indices.to_vec::<i64>()?, [0, 1, 2, 2, 0, 1]); // rows, then columns
    /// assert_eq!(values.as_slice::<f32>()?, [0.5, 1.0, 1.5]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn components(&self) -> impl Iterator<Item = (&'static str, &Self)> {
        self.composite().into_iter().flat_map(Composite::parts)
    }

    /// Every storage that reading it takes, with the unit by which the numbers there would be swapped.
    pub(crate) fn storages(&self) -> impl Iterator<Item = (&Storage, SwapUnit)> {
        let parts = self.components().map(|(_, part)| part);
        let channels = self.quantization().into_iter().flat_map(Quantization::tensors);
        let own = self.composite().is_none().then_some(self);
        own.into_iter().chain(parts).chain(channels).map(|tensor| (&tensor.storage, tensor.dtype.swap_unit()))
    }

    /// The same view of another storage, which has to be as long.
    pub(crate) fn with_storage(&self, storage: Storage) -> Self {
        Self { storage, ..self.clone() }
    }

    /// The part of `len` elements from `start` on along a dimension.
    ///
    /// ```
    /// # let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// # let (rank, ranks) = (1, 4);
    /// // Tensor-parallel inference reads its own slice of the file only.
    /// let w = &weights["fc.weight"];
    /// let rows = w.shape()[0] / ranks;
    /// let mine: Vec<f32> = w.narrow(0, rank * rows, rows)?.cast()?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): there is no such dimension or it is not that long.
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): the tensor is sparse, nested or packed.
    pub fn narrow(&self, dim: usize, start: usize, len: usize) -> Result<Self, Error> {
        self.viewed(|geometry| geometry.narrow(dim, start, len))
    }

    /// One index of a dimension, which disappears.
    ///
    /// ```
    /// # let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let row: Vec<f32> = weights["fc.weight"].select(0, 1)?.to_vec()?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`narrow`](Self::narrow).
    pub fn select(&self, dim: usize, index: usize) -> Result<Self, Error> {
        self.viewed(|geometry| geometry.select(dim, index))
    }

    /// Two dimensions exchanged.
    ///
    /// ```
    /// # let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let columns: Vec<f32> = weights["fc.weight"].transpose(0, 1)?.to_vec()?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`narrow`](Self::narrow).
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self, Error> {
        self.viewed(|geometry| geometry.transpose(a, b))
    }

    /// The dimensions in another order: dimension `n` of the result is dimension `order[n]` of this tensor.
    ///
    /// ```
    /// # let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// let channels_last = weights["conv1.weight"].permute(&[0, 2, 3, 1])?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): `order` does not name each dimension once.
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): the tensor is sparse, nested or packed.
    pub fn permute(&self, order: &[usize]) -> Result<Self, Error> {
        self.viewed(|geometry| geometry.permute(order))
    }

    /// Another shape over the same elements in the same order, where the strides allow it without a copy (a contiguous
    /// tensor's always do).
    ///
    /// ```
    /// # let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
    /// let w = &weights["conv1.weight"];
    /// let matrix = w.reshape(&[w.shape()[0], w.numel() / w.shape()[0]])?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): another number of elements, or strides that need a copy first
    /// ([`detach`](Self::detach) makes one). [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): the tensor is
    /// sparse, nested or packed.
    pub fn reshape(&self, sizes: &[usize]) -> Result<Self, Error> {
        self.viewed(|geometry| geometry.reshape(sizes))
    }

    /// The same elements in row-major order, resolved, from the start of another storage.
    pub(super) fn over(&self, storage: Storage) -> Self {
        let marks = Marks { conj: false, neg: false, ..self.marks };
        Self { storage, geometry: Geometry::contiguous(self.shape()), marks, ..self.clone() }
    }

    fn viewed(&self, view: impl FnOnce(&Geometry) -> Result<Geometry, Error>) -> Result<Self, Error> {
        self.require_strided()?;
        if self.dtype.values_per_byte() > 1 {
            return Err(Error::unsupported(format!(
                "{} has several values in a byte: there are no views of it",
                self.dtype
            )));
        }
        if self.quantization().is_some_and(Quantization::is_per_channel) {
            return Err(Error::unsupported(
                "the scales of a per-channel quantised tensor belong to its whole shape: view its `dequantize()`",
            ));
        }
        Ok(Self { geometry: view(&self.geometry)?, ..self.clone() })
    }

    /// The guard of everything that only a strided tensor can do.
    pub(super) fn require_strided(&self) -> Result<(), Error> {
        match self.layout() {
            Layout::Strided => Ok(()),
            Layout::Nested => Err(Error::unsupported(
                "this is a nested tensor: read the tensors that `unbind()` gives, or its `components()`",
            )),
            layout => Err(Error::unsupported(format!(
                "this is a {layout} tensor: call `to_dense()`, or read its `components()`"
            ))),
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?} on {})", self.dtype, self.shape(), self.device())
    }
}
