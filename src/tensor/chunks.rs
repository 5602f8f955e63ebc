//! A tensor of which a checkpoint holds several parts: which chunk has which elements, and how they are put together.
//! A view of it is read from the chunks that it meets; the others are not touched.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::collections::HashSet;
use std::sync::Arc;

use super::dtype::DType;
use super::elements::Elements;
use super::extra::Extra;
use super::gather;
use super::geometry::{Geometry, checked_numel, contiguous_strides};
use super::handle::{Marks, Tensor, TensorParts};
use super::layout::Layout;
use super::read::{PIECE, beyond};
use super::storage::{Place, Storage, StorageData};
use super::tiling::{self, Extent};
use crate::device::Device;
use crate::error::Error;
use crate::limits::Limits;
use crate::source::{Memory, RecordId};

impl Tensor {
    /// The tensor of a shape of which these are the chunks, each with the place where it begins. Of one chunk that is the
    /// chunk itself, of several it has a storage of its own, of that number.
    ///
    /// # Errors
    /// As [`Chunks::new`].
    pub(crate) fn assembled(
        shape: &[usize],
        dtype: DType,
        chunks: Vec<(Vec<usize>, Self)>,
        number: u32,
        limits: &Limits,
    ) -> Result<Self, Error> {
        if let [(offsets, only)] = &*chunks
            && only.dtype() == dtype
            && only.shape() == shape
            && offsets.iter().all(|&offset| offset == 0)
        {
            return Ok(only.clone());
        }
        let place = chunks.first().map(|(_, first)| first.storage().place());
        let chunks = Chunks::new(shape, dtype, chunks)?;
        let place = place.unwrap_or_else(|| Arc::new(Place { location: Arc::from("cpu"), device: Device::Cpu }));
        let nbytes = chunks.nbytes;
        let data = if place.device == Device::Meta { StorageData::Meta } else { StorageData::Chunks(Arc::new(chunks)) };
        Ok(Self::new(TensorParts {
            storage: Storage::at(place, number, "".into(), nbytes, data),
            geometry: Geometry::contiguous(shape),
            dtype,
            marks: Marks::default(),
            materialised_bytes: limits.materialised_bytes,
            extra: Extra::default(),
        }))
    }
}

/// The chunks of one tensor, each element in exactly one of them.
#[derive(Debug)]
pub(crate) struct Chunks {
    shape: Box<[usize]>,
    dtype: DType,
    nbytes: u64,
    chunks: Box<[Chunk]>,
}

#[derive(Debug)]
struct Chunk {
    offsets: Box<[usize]>,
    tensor: Tensor,
}

impl Chunks {
    /// Checks that the tensors are of that dtype and tile the shape.
    ///
    /// # Errors
    /// Malformed: they do not; the whole is larger than the bytes that they have. Unsupported: they are not plain numbers
    /// in strides.
    fn new(shape: &[usize], dtype: DType, chunks: Vec<(Vec<usize>, Tensor)>) -> Result<Self, Error> {
        let mut available = 0_u64;
        #[expect(clippy::mutable_key_type, reason = "storages are hashed by their identity, which does not change")]
        let mut storages = HashSet::with_capacity(chunks.len());
        for (offsets, tensor) in &chunks {
            check_chunk(offsets, tensor, dtype)?;
            if storages.insert(tensor.storage()) {
                available = available.saturating_add(tensor.storage().nbytes());
            }
        }
        let extents = chunks.iter().map(|(offsets, tensor)| Extent { offsets, sizes: tensor.shape() });
        tiling::check(shape, extents)?;
        let numel = checked_numel(shape).and_then(|numel| u64::try_from(numel.checked_mul(dtype.itemsize())?).ok());
        let nbytes =
            numel.ok_or_else(|| Error::malformed(format!("a tensor of shape {shape:?} cannot be addressed")))?;
        // Chunks may repeat their elements (strides of 0); then this is more than the file has.
        if nbytes > available {
            return Err(Error::malformed(format!(
                "the tensor would have {nbytes} bytes, but the storages of its chunks have {available}"
            )));
        }
        let chunks = chunks.into_iter().map(|(offsets, tensor)| Chunk { offsets: offsets.into(), tensor });
        Ok(Self { shape: shape.into(), dtype, nbytes, chunks: chunks.collect() })
    }

    /// Where the storages of the chunks are.
    pub(super) fn homes(&self) -> impl Iterator<Item = (*const (), RecordId)> {
        self.chunks.iter().filter_map(|chunk| chunk.tensor.storage().home())
    }

    /// All elements in row-major order.
    pub(super) fn assemble(&self) -> Result<Memory, Error> {
        let Some(first) = self.chunks.first() else { return Ok(Memory::from(Vec::new())) };
        let numel = checked_numel(&self.shape).unwrap_or(usize::MAX);
        let len = numel.saturating_mul(self.dtype.itemsize());
        first.tensor.afford(len, 1)?;
        let mut memory = Memory::to_fill(len)?;
        memory.populate(0..len);
        let whole = View {
            chunks: self,
            starts: vec![0; self.shape.len()],
            order: (0..self.shape.len()).collect(),
            sizes: self.shape.to_vec(),
        };
        Elements::Spread(whole).copy(self.dtype.itemsize(), memory.bytes_mut())?;
        Ok(memory)
    }

    /// A view of the whole tensor in row-major order as a box in it, if it is one: narrowed, selected, permuted, or a range
    /// of whole rows in any shape. `None` for those that repeat, skip or cut rows apart.
    pub(super) fn view(&self, dtype: DType, geometry: &Geometry) -> Option<View<'_>> {
        if dtype != self.dtype || geometry.numel() == 0 {
            return None;
        }
        self.permuted(geometry).or_else(|| self.rows(geometry))
    }

    /// Each dimension of the view is a different one of the tensor.
    fn permuted(&self, geometry: &Geometry) -> Option<View<'_>> {
        let strides = contiguous_strides(&self.shape);
        let starts = self.place(geometry.offset(), &strides)?;
        let mut sizes = vec![1; self.shape.len()];
        let mut order = Vec::with_capacity(self.shape.len());
        for (size, stride) in geometry.dims().filter(|&(size, _)| size != 1) {
            let is_it = |&(&of, &whole): &(&usize, &usize)| of == stride && whole != 1;
            let dim = strides.iter().zip(&*self.shape).position(|pair| is_it(&pair))?;
            let taken = sizes.get_mut(dim).filter(|taken| **taken == 1)?;
            *taken = size;
            order.push(dim);
        }
        let fits = starts
            .iter()
            .zip(&sizes)
            .zip(&*self.shape)
            .all(|((&start, &size), &whole)| start.checked_add(size).is_some_and(|end| end <= whole));
        // Dimensions of size 1 may stand anywhere.
        let rest = (0..self.shape.len()).filter(|dim| !order.contains(dim));
        let order = rest.chain(order.iter().copied()).collect();
        fits.then_some(View { chunks: self, starts, sizes, order })
    }

    /// Elements that follow one another, and are a range along one dimension of all that lies within it.
    fn rows(&self, geometry: &Geometry) -> Option<View<'_>> {
        if !geometry.is_contiguous() {
            return None;
        }
        let (offset, numel) = (geometry.offset(), geometry.numel());
        let strides = contiguous_strides(&self.shape);
        let starts = self.place(offset, &strides)?;
        let (dim, len) = strides.iter().enumerate().find_map(|(dim, &stride)| {
            let len = numel.checked_div(stride)?;
            let within = starts.get(dim)?.checked_add(len)? <= *self.shape.get(dim)?;
            (within && offset.checked_rem(stride)? == 0 && numel.checked_rem(stride)? == 0).then_some((dim, len))
        })?;
        let size = |n: usize, whole: usize| match n.cmp(&dim) {
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Equal => len,
            std::cmp::Ordering::Greater => whole,
        };
        let sizes = self.shape.iter().enumerate().map(|(n, &whole)| size(n, whole)).collect();
        Some(View { chunks: self, starts, sizes, order: (0..self.shape.len()).collect() })
    }

    /// The indices of an element by its number.
    fn place(&self, element: usize, strides: &[usize]) -> Option<Vec<usize>> {
        let index = |(&stride, &size): (&usize, &usize)| element.checked_div(stride)?.checked_rem(size);
        strides.iter().zip(&*self.shape).map(index).collect()
    }
}

fn check_chunk(offsets: &[usize], tensor: &Tensor, dtype: DType) -> Result<(), Error> {
    if tensor.dtype() != dtype {
        return Err(Error::malformed(format!(
            "the chunk at {offsets:?} is {}, but the tensor is {dtype}",
            tensor.dtype()
        )));
    }
    let plain = tensor.layout() == Layout::Strided && tensor.quantization().is_none() && dtype.values_per_byte() == 1;
    if plain && !tensor.storage().is_chunked() {
        return Ok(());
    }
    let what = if tensor.layout() == Layout::Strided { "quantised" } else { tensor.layout().name() };
    Err(Error::unsupported(format!("a {what} tensor that is cut into chunks")))
}

/// A box in a tensor of chunks, with its dimensions in some order.
pub(super) struct View<'a> {
    chunks: &'a Chunks,
    /// By dimension of the tensor.
    starts: Vec<usize>,
    sizes: Vec<usize>,
    /// The tensor's dimensions in the order of the view's; those of size 1 are first.
    order: Vec<usize>,
}

impl<'a> View<'a> {
    /// The chunk that has all of it, and where it lies there.
    pub(super) fn only_chunk(&self) -> Option<(&'a Tensor, Geometry)> {
        let mut parts = self.chunks.chunks.iter().filter_map(|chunk| Some((chunk, self.part(chunk)?)));
        let (chunk, part) = parts.next()?;
        let all = part.iter().zip(&self.sizes).all(|(&(_, len), &size)| len == size);
        if all { Some((&chunk.tensor, self.geometry(chunk, &part)?)) } else { None }
    }

    /// Calls `sink` with the bytes of elements that follow one another in the view's row-major order, and the place there
    /// of the first of them, until all were given.
    pub(super) fn runs(&self, sink: &mut dyn FnMut(usize, &[u8])) -> Result<(), Error> {
        let sizes: Vec<usize> = self.ordered(&self.sizes).collect();
        let strides = contiguous_strides(&sizes);
        let itemsize = self.chunks.dtype.itemsize();
        for chunk in &self.chunks.chunks {
            let Some(part) = self.part(chunk) else { continue };
            let geometry = self.geometry(chunk, &part).ok_or_else(beyond)?;
            let begins = part.iter().zip(&self.starts).map(|(&(start, _), &view)| start.saturating_sub(view));
            let begins: Vec<usize> = begins.collect();
            let first = self.ordered(&begins).zip(&strides);
            let first = first.fold(0_usize, |sum, (at, &stride)| sum.saturating_add(at.saturating_mul(stride)));
            let target = Target::new(geometry.shape(), &sizes, &strides, first);
            let stored = chunk.tensor.storage().bytes(self.chunks.dtype.swap_unit())?;
            let resolve = chunk.tensor.resolve()?;
            let mut resolved = [0; PIECE];
            let mut place = |start: usize, run: &[u8]| target.place(start, run, itemsize, sink);
            gather::runs(stored, itemsize, &geometry, &mut |start, run| match resolve {
                None => place(start, run),
                Some(resolve) => {
                    let mut start = start;
                    for piece in run.chunks(PIECE) {
                        let Some(resolved) = resolved.get_mut(..piece.len()) else { continue };
                        resolved.copy_from_slice(piece);
                        resolve.apply(resolved);
                        place(start, resolved);
                        start = start.saturating_add(piece.len().checked_div(itemsize).unwrap_or(0));
                    }
                }
            })
            .ok_or_else(beyond)?;
        }
        Ok(())
    }

    /// Where the box and a chunk meet: for each dimension from where in the tensor on, and how far.
    fn part(&self, chunk: &Chunk) -> Option<Vec<(usize, usize)>> {
        let box_dims = self.starts.iter().zip(&self.sizes);
        let dims = box_dims.zip(chunk.offsets.iter().zip(chunk.tensor.shape()));
        dims.map(|((&a, &a_size), (&b, &b_size))| {
            let start = a.max(b);
            let end = a.saturating_add(a_size).min(b.saturating_add(b_size));
            Some((start, end.checked_sub(start).filter(|&len| len > 0)?))
        })
        .collect()
    }

    /// Such a part as it lies in its chunk, in the view's order of dimensions.
    fn geometry(&self, chunk: &Chunk, part: &[(usize, usize)]) -> Option<Geometry> {
        let mut geometry = chunk.tensor.geometry.clone();
        for (dim, (&(start, len), &offset)) in part.iter().zip(&*chunk.offsets).enumerate() {
            geometry = geometry.narrow(dim, start.saturating_sub(offset), len).ok()?;
        }
        geometry.permute(&self.order).ok()
    }

    fn ordered(&self, by_dim: &[usize]) -> impl Iterator<Item = usize> {
        self.order.iter().map(|&dim| by_dim.get(dim).copied().unwrap_or(0))
    }
}

/// Where in a row-major result the elements of a part of it belong.
struct Target {
    /// Elements that follow one another in the part and in the result.
    row: usize,
    /// The dimensions around those rows, innermost first: size in the part, and what a step is in the result.
    outer: Vec<(usize, usize)>,
    /// Where the part's first element belongs.
    first: usize,
}

impl Target {
    fn new(part: &[usize], whole: &[usize], strides: &[usize], first: usize) -> Self {
        let mut row = 1_usize;
        let mut outer = Vec::new();
        let mut joined = true;
        for ((&size, &whole), &stride) in part.iter().zip(whole).zip(strides).rev() {
            if joined {
                row = row.saturating_mul(size);
                joined = size == whole;
            } else {
                outer.push((size, stride));
            }
        }
        Self { row, outer, first }
    }

    /// Hands on elements that follow one another in the part from `start` on, in pieces that do so in the result.
    fn place(&self, start: usize, run: &[u8], itemsize: usize, sink: &mut dyn FnMut(usize, &[u8])) {
        let (mut start, mut rest) = (start, run);
        while !rest.is_empty() {
            let (Some(mut row), Some(column)) = (start.checked_div(self.row), start.checked_rem(self.row)) else {
                return;
            };
            let mut at = self.first.saturating_add(column);
            for &(size, stride) in &self.outer {
                at = at.saturating_add(row.checked_rem(size).unwrap_or(0).saturating_mul(stride));
                row = row.checked_div(size).unwrap_or(0);
            }
            let len = self.row.saturating_sub(column).saturating_mul(itemsize).min(rest.len());
            let (piece, others) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            sink(at, piece);
            start = start.saturating_add(piece.len().checked_div(itemsize).unwrap_or(1));
            rest = others;
        }
    }
}
