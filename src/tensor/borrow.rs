//! Borrowing: elements where they lie, or the exact reason why not.

use std::borrow::Cow;

use super::element::Element;
use super::element::sealed::Unfit;
use super::elements::Elements;
use super::handle::Tensor;
use super::read::beyond;
use crate::error::Error;

impl Tensor {
    /// The elements as they lie in the file (or in the memory that a compressed storage was unpacked to). Never copies. A
    /// tensor of which a distributed checkpoint holds several chunks is put together for it, once, unless the elements lie
    /// in a row in one chunk.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let bias: &[f32] = weights["fc.bias"].as_slice()?;
    /// # let _ = bias;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ErrorKind::Caller`](crate::ErrorKind::Caller), with the reason and the remedy:
    /// `T` is not the [dtype's type](Element), the strides are not row-major, the elements have to be conjugated or
    /// negated, they are not aligned (an archive that another tool has packed again; of a mapped one they are once
    /// [`load_into_memory`](crate::StateDict::load_into_memory) has copied their storage), or a `bool` is neither 0 nor 1.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], Error> {
        self.require_borrowable::<T>()?;
        // A value that was validated must not change under the one who relies on it, as mapped bytes may.
        let elements = if T::VALIDATED { self.elements_stable()? } else { self.elements_together()? };
        let mut viewed = self.viewed_as::<T>(&elements)?;
        // In the one chunk that has them they may lie in another order, or unaligned, and not so once all are together.
        if !matches!(viewed, Some(Ok(_) | Err(Unfit::Value))) && self.storage.chunks().is_some() {
            let stored = self.storage.bytes(self.dtype.swap_unit())?;
            viewed = self.viewed_as(&Elements::In(stored, Cow::Borrowed(&self.geometry)))?;
        }
        let Some(viewed) = viewed else {
            return Err(Error::caller(format!(
                "shape {:?} with strides {:?} is not row-major and cannot be borrowed: use `to_vec`",
                self.shape(),
                self.strides()
            )));
        };
        viewed.map_err(unfit::<T>)
    }

    /// The elements from the first to the last as they lie in the storage, with what lies between them: element `(i, j, …)`
    /// is at `i * strides()[0] + j * strides()[1] + …`. So a library that has strides itself can borrow a tensor of any
    /// strides, transposed, sliced or expanded. Never copies; the chunks of a distributed checkpoint are put together for it.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/wrapped_state_dict.pt", "cpu")?;
    /// let columns = weights["fc.weight"].transpose(0, 1)?; // `as_slice` would be an error
    /// let (stored, strides) = (columns.as_strided_slice::<f32>()?, columns.strides());
    /// let value = stored[2 * strides[0] + 1 * strides[1]];
    /// assert_eq!(value, columns.select(0, 2)?.to_vec::<f32>()?[1]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`as_slice`](Self::as_slice), but for the order of the strides; and
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if a byte has several of the values that strides count.
    pub fn as_strided_slice<T: Element>(&self) -> Result<&[T], Error> {
        self.require_borrowable::<T>()?;
        if self.dtype.values_per_byte() > 1 {
            return Err(Error::unsupported(format!("{} has several values in a byte: use `bytes`", self.dtype)));
        }
        if self.numel() == 0 {
            return self.elements().map(|_| &[][..]);
        }
        let stored =
            if T::VALIDATED { self.storage.stable_bytes() } else { self.storage.bytes(self.dtype.swap_unit()) }?;
        // The view check has made sure that this is within the storage.
        let at = |element: usize| element.saturating_mul(self.dtype.itemsize());
        let end = self.geometry.last().map_or(usize::MAX, |last| last.saturating_add(1));
        T::view(stored.get(at(self.geometry.offset())..at(end)).ok_or_else(beyond)?).map_err(unfit::<T>)
    }

    /// The bytes that are this tensor's in row-major order as elements, if there are any.
    fn viewed_as<'a, T: Element>(&self, elements: &Elements<'a>) -> Result<Option<Result<&'a [T], Unfit>>, Error> {
        let bytes = self.plain(elements)?;
        Ok(bytes.map(|bytes| if bytes.is_empty() { Ok(&[][..]) } else { T::view(bytes) }))
    }

    /// The guard of what borrows elements.
    fn require_borrowable<T: Element>(&self) -> Result<(), Error> {
        self.require_strided()?;
        self.require_type::<T>()?;
        if self.resolve()?.is_none() {
            return Ok(());
        }
        let how = if self.marks.neg { "negated" } else { "conjugated" };
        Err(Error::caller(format!("the stored elements have to be {how} first and cannot be borrowed: use `to_vec`")))
    }
}

fn unfit<T: Element>(unfit: Unfit) -> Error {
    Error::caller(match unfit {
        Unfit::Alignment => format!(
            "the elements do not lie at multiples of {} bytes, as `&[{}]` requires: use `to_vec`",
            align_of::<T>(),
            T::NAME
        ),
        Unfit::Value => format!("a byte is no valid `{}`: use `to_vec`, for which any but zero is true", T::NAME),
    })
}
