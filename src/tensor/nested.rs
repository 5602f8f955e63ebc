//! Nested tensors: a batch of tensors of different shapes in one buffer.
//!
//! torch has two kinds. The older one has a buffer and, for each component, sizes, strides and an offset. The newer one,
//! "jagged", has values of one shape whose components are pieces of one dimension, given by offsets and perhaps lengths.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::Tensor;
use super::dtype::DType;
use super::geometry::Geometry;
use super::layout::Composite;
use super::sparse::Indices;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;

/// Components as views of a buffer (`torch._nested_view_from_buffer`).
#[derive(Clone, Debug)]
pub(crate) struct Views {
    buffer: Tensor,
    /// `[n, dimensions]`, like the strides.
    sizes: Tensor,
    strides: Tensor,
    /// `[n]`, in elements of the buffer.
    offsets: Tensor,
}

/// Components as pieces of a dimension (`torch/nested/_internal/nested_tensor.py`).
#[derive(Clone, Debug)]
pub(crate) struct Jagged {
    values: Tensor,
    /// `[n + 1]`, along the ragged dimension.
    offsets: Tensor,
    /// `[n]`. Without them each component ends where the next begins.
    lengths: Option<Tensor>,
    /// The dimension of the values that is divided.
    dim: usize,
}

impl Tensor {
    /// A nested tensor of views.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub(crate) fn nested_views(buffer: Self, sizes: Self, strides: Self, offsets: Self) -> Result<Self, Error> {
        for (name, part) in [("sizes", &sizes), ("strides", &strides), ("storage offsets", &offsets)] {
            if part.dtype() != DType::Int64 {
                return Err(wrong(name, part, "int64"));
            }
            packed(name, part)?;
        }
        packed("buffer", &buffer)?;
        if buffer.shape().len() != 1 || (buffer.storage_offset() != 0 && buffer.numel() > 0) {
            return Err(wrong("buffer", &buffer, "a vector from the start of its storage on"));
        }
        let &[count] = offsets.shape() else {
            return Err(wrong("storage offsets", &offsets, "a vector"));
        };
        // Without components torch writes sizes without dimensions.
        let fits = matches!(*sizes.shape(), [n, _] if n == count) && strides.shape() == sizes.shape();
        if count > 0 && !fits {
            return Err(Error::malformed(format!(
                "in a nested tensor of {count} components, the sizes have the shape {:?} and the strides {:?}",
                sizes.shape(),
                strides.shape()
            )));
        }
        Composite::Views(Box::new(Views { buffer, sizes, strides, offsets })).into_tensor(&[count])
    }

    /// A jagged nested tensor. The ragged dimension counts with that of the batch, so that of the values is one less.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub(crate) fn nested_jagged(
        values: Self,
        offsets: Self,
        lengths: Option<Self>,
        declared_ragged_dim: i64,
    ) -> Result<Self, Error> {
        for (name, part) in [("offsets", Some(&offsets)), ("lengths", lengths.as_ref())] {
            let Some(part) = part else { continue };
            if !Indices::fit(part.dtype()) || part.shape().len() != 1 {
                return Err(wrong(name, part, "a vector of int64 or int32"));
            }
            packed(name, part)?;
        }
        let Some(count) = offsets.numel().checked_sub(1) else {
            return Err(wrong("offsets", &offsets, "at least one"));
        };
        if let Some(lengths) = lengths.as_ref().filter(|lengths| lengths.numel() != count) {
            return Err(wrong("lengths", lengths, format_args!("one for each of {count} components")));
        }
        let dim = usize::try_from(declared_ragged_dim).ok().and_then(|dim| dim.checked_sub(1));
        let Some(dim) = dim.filter(|&dim| dim < values.shape().len()) else {
            return Err(Error::malformed(format!(
                "in a nested tensor, the ragged dimension {declared_ragged_dim} is none of the values of shape {:?}",
                values.shape()
            )));
        };
        Composite::Jagged(Box::new(Jagged { values, offsets, lengths, dim })).into_tensor(&[count])
    }

    /// The tensors that a nested tensor consists of, as views of its values; reading them copies nothing but what their
    /// strides ask for. The shapes are read from the file and checked here, not when it is opened.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/nested_tensor_strided.pt", None)?;
    /// let components = weights["contiguous"].unbind()?;
    /// let shapes: Vec<_> = components.iter().map(|component| component.shape()).collect();
    /// assert_eq!(shapes, [[2, 3], [4, 3], [1, 3]]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`]: a component reaches beyond the values. [`ErrorKind::Caller`]: the tensor is not nested,
    /// or on `meta`. Otherwise as [`bytes`](Self::bytes).
    pub fn unbind(&self) -> Result<Vec<Self>, Error> {
        match self.composite() {
            Some(Composite::Views(views)) => views.unbind(),
            Some(Composite::Jagged(jagged)) => jagged.unbind(),
            _ => Err(Error::caller(format!(
                "this is a {} tensor: only nested ones consist of others, parts of it give `select` and `narrow`",
                self.layout()
            ))),
        }
    }
}

impl Views {
    pub(super) fn buffer(&self) -> &Tensor {
        &self.buffer
    }

    pub(super) fn parts(&self) -> [Option<(&'static str, &Tensor)>; 4] {
        [
            Some(("buffer", &self.buffer)),
            Some(("sizes", &self.sizes)),
            Some(("strides", &self.strides)),
            Some(("storage_offsets", &self.offsets)),
        ]
    }

    /// The same over other parts of the same shapes.
    pub(super) fn map(&self, part: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        let (buffer, sizes) = (part(&self.buffer)?, part(&self.sizes)?);
        Ok(Self { buffer, sizes, strides: part(&self.strides)?, offsets: part(&self.offsets)? })
    }

    fn unbind(&self) -> Result<Vec<Tensor>, Error> {
        let (sizes, strides) = (self.sizes.to_vec::<i64>()?, self.strides.to_vec::<i64>()?);
        let offsets = self.offsets.to_vec::<i64>()?;
        let dimensions = self.sizes.shape().get(1).copied().unwrap_or(0);
        let elements = u64::try_from(self.buffer.numel()).unwrap_or(u64::MAX);
        // The dimensions were held against the caller's limit as the size of the matrix was: they lie in the file.
        let limits = Limits { dimensions, ..Limits::default() };
        let mut components = room(offsets.len())?;
        for (n, &offset) in offsets.iter().enumerate() {
            let start = n.saturating_mul(dimensions);
            let row =
                |numbers: &'_ [i64]| -> Vec<i64> { numbers.iter().skip(start).take(dimensions).copied().collect() };
            let geometry = Geometry::check(&row(&sizes), &row(&strides), offset, elements, &limits)
                .map_err(|error| in_component(n, &error))?;
            components.push(Tensor { geometry, ..self.buffer.clone() });
        }
        Ok(components)
    }
}

impl Jagged {
    pub(super) fn values(&self) -> &Tensor {
        &self.values
    }

    pub(super) fn parts(&self) -> [Option<(&'static str, &Tensor)>; 4] {
        let lengths = self.lengths.as_ref().map(|lengths| ("lengths", lengths));
        [Some(("values", &self.values)), Some(("offsets", &self.offsets)), lengths, None]
    }

    /// The same over other parts of the same shapes.
    pub(super) fn map(&self, part: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        let lengths = self.lengths.as_ref().map(&part).transpose()?;
        Ok(Self { values: part(&self.values)?, offsets: part(&self.offsets)?, lengths, dim: self.dim })
    }

    /// As `unbind_int` in `torch/nested/_internal/ops.py`: without lengths the pieces are all of the dimension, in order.
    fn unbind(&self) -> Result<Vec<Tensor>, Error> {
        let offsets = Indices::read(&self.offsets)?;
        let lengths = self.lengths.as_ref().map(Indices::read).transpose()?;
        let size = self.values.shape().get(self.dim).copied().unwrap_or(0);
        let count = offsets.len().saturating_sub(1);
        if lengths.is_none() {
            let ends = (offsets.at(0), offsets.at(count));
            if ends.0 != 0 || usize::try_from(ends.1).ok() != Some(size) {
                return Err(Error::malformed(format!(
                    "in a nested tensor, the offsets go from {} to {}, not from 0 to the {size} of the ragged dimension",
                    ends.0, ends.1
                )));
            }
        }
        let mut components = room(count)?;
        for n in 0..count {
            let start = offsets.at(n);
            let length = match &lengths {
                Some(lengths) => Some(lengths.at(n)),
                None => offsets.at(n.saturating_add(1)).checked_sub(start),
            };
            let piece = usize::try_from(start).ok().zip(length.and_then(|length| usize::try_from(length).ok()));
            let Some((start, length)) =
                piece.filter(|&(start, length)| start.checked_add(length).is_some_and(|end| end <= size))
            else {
                let length = length.unwrap_or(i64::MAX);
                let error =
                    Error::malformed(format!("{length} from {start} on are not within the {size} of the values"));
                return Err(in_component(n, &error));
            };
            components.push(Tensor {
                geometry: self.values.geometry.narrow(self.dim, start, length)?,
                ..self.values.clone()
            });
        }
        Ok(components)
    }
}

/// What is read of a part lies in the file: it cannot be few bytes that present themselves as many components. torch
/// writes no others.
fn packed(name: &str, part: &Tensor) -> Result<(), Error> {
    if part.is_contiguous() { Ok(()) } else { Err(wrong(name, part, "contiguous")) }
}

fn wrong(name: &str, part: &Tensor, should: impl std::fmt::Display) -> Error {
    Error::malformed(format!(
        "in a nested tensor, the {name} are {} of shape {:?}, not {should}",
        part.dtype(),
        part.shape()
    ))
}

fn in_component(n: usize, error: &Error) -> Error {
    let message = format!("in a nested tensor, component {n}: {}", error.message());
    if error.kind() == ErrorKind::Limit { Error::limit(message) } else { Error::malformed(message) }
}

fn room(components: usize) -> Result<Vec<Tensor>, Error> {
    let mut room = Vec::new();
    room.try_reserve_exact(components)
        .map_err(|_| Error::limit(format!("there is no memory for {components} components of a nested tensor")))?;
    Ok(room)
}
