//! Reading: from a view over stored bytes to bytes, elements and numbers.

use std::borrow::Cow;

use zerocopy::{FromZeros, IntoBytes};

use super::cast;
use super::element::{Element, Float};
use super::elements::Elements;
use super::handle::Tensor;
use super::resolve::Resolve;
use crate::error::Error;
use crate::limits::Limits;
use crate::source::Memory;

/// Bytes that are resolved at once on their way to a cast. A multiple of every item size.
pub(super) const PIECE: usize = 4096;

impl Tensor {
    /// The elements' bytes in row-major order and native byte order, conjugated and negated where the file says so;
    /// `bool` as stored. Borrowed from the file whenever the stored bytes are that already.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let bytes = weights["fc.weight"].bytes()?;
    /// assert_eq!(bytes.len(), weights["fc.weight"].nbytes());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind`](crate::ErrorKind)`::Caller`: the tensor is on `meta`. `Unsupported`: it is sparse or nested.
    /// `Limit`: what has to be copied is more than [`Limits::materialised_bytes`], or than memory. `Malformed`: the
    /// record that holds the storage is damaged.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        let resolve = self.resolve()?;
        // Chunks are kept once they are put together; of a part of them only the part is.
        let elements = if self.is_whole_storage() { self.elements_together()? } else { self.elements()? };
        if resolve.is_none()
            && let Some(bytes) = self.plain(&elements)?
        {
            return Ok(Cow::Borrowed(bytes));
        }
        self.gathered(&elements, resolve).map(Cow::Owned)
    }

    /// The elements in row-major order, copied, whatever the strides and the alignment.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let transposed: Vec<f32> = weights["fc.weight"].transpose(0, 1)?.to_vec()?;
    /// # let _ = transposed;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ErrorKind::Caller`](crate::ErrorKind::Caller) if `T` is not the
    /// [dtype's type](Element): [`cast`](Self::cast) converts.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Error> {
        self.require_strided()?;
        self.require_type::<T>()?;
        let resolve = self.resolve()?;
        let elements = self.elements()?;
        let len = self.nbytes() / size_of::<T>();
        if resolve.is_none()
            && let Some(bytes) = self.plain(&elements)?
            && let Ok(raw) = <[T::Raw] as zerocopy::FromBytes>::ref_from_bytes(bytes)
        {
            return Ok(T::from_raw(self.copied(raw)?));
        }
        let mut raw = self.zeroed::<T::Raw>(len)?;
        self.gather(&elements, resolve, raw.as_mut_bytes())?;
        Ok(T::from_raw(raw))
    }

    /// The elements converted to floats, in row-major order, rounded as torch rounds. `bool`, integers and floats of every
    /// width convert; `float4_e2m1fn_x2` gives two numbers per element.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let w: Vec<f32> = weights["fc.weight"].cast()?;
    /// # let _ = w;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ErrorKind::Caller`](crate::ErrorKind::Caller) if the elements are no real numbers:
    /// complex, quantised, bits.
    pub fn cast<T: Float>(&self) -> Result<Vec<T>, Error> {
        // Before memory is taken for a tensor that has no data.
        self.elements()?;
        let mut numbers = self.zeroed::<T>(self.numbers()?)?;
        self.cast_into(&mut numbers)?;
        Ok(numbers)
    }

    /// As [`cast`](Self::cast), into memory that there is already, which is faster than fresh memory.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let largest = weights.values().map(|w| w.numel()).max().unwrap_or(0);
    /// let mut buffer = vec![0_f32; largest];
    /// for (name, w) in &weights {
    ///     w.cast_into(&mut buffer[..w.numel()])?;
    /// }
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`cast`](Self::cast), and [`ErrorKind::Caller`](crate::ErrorKind::Caller) if `into` has another length. What is
    /// in `into` after an error is unspecified.
    pub fn cast_into<T: Float>(&self, into: &mut [T]) -> Result<(), Error> {
        self.require_strided()?;
        let per_element = cast::numbers_per_element(self.dtype)?;
        self.require_len(into.len(), self.numbers()?, "numbers")?;
        let resolve = self.resolve()?;
        let elements = self.elements()?;
        let itemsize = self.dtype.itemsize();
        if resolve.is_none()
            && let Some(bytes) = self.plain(&elements)?
        {
            T::convert(self.dtype, bytes, into);
            return Ok(());
        }
        let mut resolved = [0; PIECE];
        elements.runs(itemsize, &mut |start, run| {
            let mut start = start.saturating_mul(per_element);
            for piece in run.chunks(if resolve.is_some() { PIECE } else { run.len() }) {
                let len = piece.len() / itemsize * per_element;
                let into = into.get_mut(start..).unwrap_or_default();
                let into = into.get_mut(..len).unwrap_or_default();
                match (resolve, resolved.get_mut(..piece.len())) {
                    (Some(resolve), Some(resolved)) => {
                        resolved.copy_from_slice(piece);
                        resolve.apply(resolved);
                        T::convert(self.dtype, resolved, into);
                    }
                    _ => T::convert(self.dtype, piece, into),
                }
                start = start.saturating_add(len);
            }
        })
    }

    /// As [`bytes`](Self::bytes), into memory that there is already.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let w = &weights["fc.weight"];
    /// let mut staging = vec![0; w.nbytes()];
    /// w.copy_to(&mut staging)?;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ErrorKind::Caller`](crate::ErrorKind::Caller) if `into` is not of
    /// [`nbytes`](Self::nbytes) bytes.
    pub fn copy_to(&self, into: &mut [u8]) -> Result<(), Error> {
        self.require_strided()?;
        self.require_len(into.len(), self.nbytes(), "bytes")?;
        self.gather(&self.elements()?, self.resolve()?, into)
    }

    /// A row-major copy in a storage of its own, which keeps no file open (torch's `detach` shares the storage); of a sparse
    /// or nested tensor, one over copies of its [`components`](Self::components).
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let bias = weights["fc.bias"].detach()?;
    /// drop(weights); // the file is unmapped
    /// let values: &[f32] = bias.as_slice()?;
    /// # let _ = values;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), except that a tensor on `meta` gives one on `meta`.
    pub fn detach(&self) -> Result<Self, Error> {
        if self.storage.is_meta() {
            return Ok(self.clone());
        }
        if let Some(composite) = self.composite() {
            let copy = composite.map(Self::detach)?.into_tensor(self.shape())?;
            return Ok(Self { marks: self.marks, ..copy });
        }
        let (elements, resolve) = (self.elements()?, self.resolve()?);
        self.afford(self.nbytes(), 1)?;
        let mut memory = Memory::to_fill(self.nbytes())?;
        memory.populate(0..self.nbytes());
        self.gather(&elements, resolve, memory.bytes_mut())?;
        Ok(self.over(self.storage.with_bytes(memory)))
    }

    fn gathered(&self, elements: &Elements<'_>, resolve: Option<Resolve>) -> Result<Vec<u8>, Error> {
        let mut bytes = self.zeroed::<u8>(self.nbytes())?;
        self.gather(elements, resolve, &mut bytes)?;
        Ok(bytes)
    }

    fn gather(&self, elements: &Elements<'_>, resolve: Option<Resolve>, into: &mut [u8]) -> Result<(), Error> {
        match self.plain(elements)? {
            Some(bytes) if bytes.len() == into.len() => into.copy_from_slice(bytes),
            Some(_) => return Err(beyond()),
            None => elements.copy(self.dtype.itemsize(), into)?,
        }
        if let Some(resolve) = resolve {
            resolve.apply(into);
        }
        Ok(())
    }

    pub(super) fn resolve(&self) -> Result<Option<Resolve>, Error> {
        // Of no elements there is nothing to resolve, whatever the dtype.
        if self.numel() == 0 { Ok(None) } else { Resolve::of(self.dtype, self.marks) }
    }

    /// How many numbers a cast gives.
    fn numbers(&self) -> Result<usize, Error> {
        Ok(self.numel().saturating_mul(cast::numbers_per_element(self.dtype)?))
    }

    pub(super) fn require_type<T: Element>(&self) -> Result<(), Error> {
        if T::reads(self.dtype) {
            return Ok(());
        }
        Err(Error::caller(format!(
            "the elements are {}, which is not read as `{}`; `cast` converts numbers to `f32` and other floats",
            self.dtype,
            T::NAME
        )))
    }

    fn require_len(&self, len: usize, needed: usize, what: &str) -> Result<(), Error> {
        if len == needed {
            return Ok(());
        }
        Err(Error::caller(format!("the tensor has {needed} {what}, but there is room for {len}")))
    }

    pub(super) fn afford(&self, len: usize, size: usize) -> Result<(), Error> {
        let bytes = u64::try_from(len.saturating_mul(size)).unwrap_or(u64::MAX);
        Limits::check("materialised_bytes", bytes, self.materialised_bytes)
    }

    fn copied<T: Copy>(&self, from: &[T]) -> Result<Vec<T>, Error> {
        self.afford(from.len(), size_of::<T>())?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(from.len()).map_err(|_| Error::no_memory(size_of_val(from)))?;
        copy.extend_from_slice(from);
        Ok(copy)
    }

    /// Fresh memory. The allocator has large blocks zeroed by the system, so they are first touched when they are filled.
    pub(super) fn zeroed<T: FromZeros>(&self, len: usize) -> Result<Vec<T>, Error> {
        self.afford(len, size_of::<T>())?;
        T::new_vec_zeroed(len).map_err(|_| Error::no_memory(len.saturating_mul(size_of::<T>())))
    }
}

/// Only if a storage was exchanged for a shorter one.
pub(super) fn beyond() -> Error {
    Error::malformed("the tensor reaches beyond the end of its storage")
}
