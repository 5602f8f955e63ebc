//! The tensors of any checkpoint that [`torch_checkpoint`] reads, as [`ndarray`]'s views and arrays.
//!
//! ```
//! use torch_checkpoint_ndarray::TensorExt;
//!
//! # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
//! let weights = torch_checkpoint::load_state_dict(path, "cpu")?; // saved on cuda:0 and cuda:1
//! let kernel = weights["conv1.weight"].view::<f32>()?; // no copy: a view of the mapped file
//! println!("{:?}, mean {:?}", kernel.shape(), kernel.mean());
//!
//! let head = weights["head.3.weight"].transpose(0, 1)?; // of any strides
//! let logits = weights["head.3.bias"].array::<f32>()? + head.view::<f32>()?.sum_axis(ndarray::Axis(0));
//! # assert_eq!(logits.ndim(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to get | use | copies |
//! | --- | --- | --- |
//! | `ArrayViewD<T>` | [`view`](TensorExt::view) | never; an error says why it cannot |
//! | `CowArray<T>` | [`view_or_array`](TensorExt::view_or_array) | only where a view cannot be |
//! | `ArrayD<T>` | [`array`](TensorExt::array) | always |
//! | `ArrayD` of floats of another width | [`cast_array`](TensorExt::cast_array) | always |
//!
//! A view has the strides of the tensor: transposed, sliced, expanded (a stride of 0) and overlapping ones are as in torch.
//! `into_dimensionality::<Ix2>()` fixes the number of dimensions, where a type has it. `T` is the
//! [dtype's own type](torch_checkpoint::Element); complex numbers are [`torch_checkpoint::Complex`], of the layout of
//! `num_complex`'s, to which [`complex_array`](TensorExt::complex_array) converts.

use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn, ShapeBuilder, ShapeError};
use torch_checkpoint::{Complex, DType, Element, Float, Tensor};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

/// Why a tensor is not an array.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tensor cannot be read, or not so: the sentence says what to do.
    #[error(transparent)]
    Read(#[from] torch_checkpoint::Error),
    /// A byte has several of the values that the shape counts (`quint4x2`, `quint2x4`).
    #[error("{dtype} has several values in a byte, which are no elements of an array: take its `dequantize()`")]
    Packed {
        /// The dtype.
        dtype: DType,
    },
    /// ndarray has no array of that shape and those strides.
    #[error("a tensor of shape {shape:?} with strides {strides:?} is no array: {error}")]
    Shape {
        /// The tensor's shape.
        shape: Vec<usize>,
        /// Its strides.
        strides: Vec<usize>,
        /// What ndarray says.
        #[source]
        error: ShapeError,
    },
}

/// What ndarray makes of a tensor.
pub trait TensorExt {
    /// The tensor as a view, with its own strides. Never copies; where it has to be
    /// [put together](Tensor::as_strided_slice) first it is, once.
    ///
    /// ```
    /// # use torch_checkpoint_ndarray::TensorExt;
    /// # let path = "../../fixtures/zip/torch-2.15/views.pt";
    /// let weights = torch_checkpoint::load_state_dict(path, "cpu")?;
    /// let (matrix, transposed) = (weights["matrix"].view::<f32>()?, weights["transposed"].view::<f32>()?);
    /// assert_eq!(transposed, matrix.t());
    /// assert_eq!(transposed.as_ptr(), matrix.as_ptr()); // the same bytes of the file
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `T` is not the dtype's type, or the elements cannot be borrowed: they have to be conjugated or negated, are not
    /// aligned, or the tensor is sparse, nested or on `meta`.
    fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, Error>;

    /// The tensor as an array of its own, in row-major order.
    ///
    /// # Errors
    /// `T` is not the dtype's type, or the tensor is sparse, nested or on `meta`.
    fn array<T: Element>(&self) -> Result<ArrayD<T>, Error>;

    /// The tensor as a view where it can be, else (conjugated, negated, not aligned) as an array.
    ///
    /// ```
    /// # use torch_checkpoint_ndarray::TensorExt;
    /// # let path = "../../fixtures/zip/torch-2.15/conj_neg.pt";
    /// let weights = torch_checkpoint::load_state_dict(path, "cpu")?;
    /// for (name, tensor) in &weights {
    ///     if tensor.dtype() == torch_checkpoint::DType::Float32 {
    ///         let values = tensor.view_or_array::<f32>()?;
    ///         println!("{name}: {:?}, {}", values.shape(), if values.is_view() { "borrowed" } else { "copied" });
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`array`](Self::array).
    fn view_or_array<T: Element>(&self) -> Result<CowArray<'_, T, IxDyn>, Error>;

    /// The elements converted to floats, rounded as torch rounds: from `bool`, integers and floats of every width.
    ///
    /// ```
    /// # use torch_checkpoint_ndarray::TensorExt;
    /// # let path = "../../fixtures/zip/torch-2.15/all_dtypes.pt";
    /// let weights = torch_checkpoint::LoadOptions::new().flatten().load_state_dict(path)?;
    /// let halves = weights.values().find(|w| w.dtype() == torch_checkpoint::DType::BFloat16).ok_or("no bfloat16")?;
    /// let values = halves.cast_array::<f32>()?;
    /// # assert_eq!(values.shape(), halves.shape());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The elements are no real numbers (complex, quantised, bits), or the tensor is sparse, nested or on `meta`.
    fn cast_array<T: Float>(&self) -> Result<ArrayD<T>, Error>;

    /// A complex tensor with the numbers of the crate `num_complex`, with which ndarray computes.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    fn complex_array<T>(&self) -> Result<ArrayD<num_complex::Complex<T>>, Error>
    where
        Complex<T>: Element;
}

impl TensorExt for Tensor {
    fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, Error> {
        let stored = self.as_strided_slice::<T>()?;
        let shape = IxDyn(self.shape());
        // Where there is no element, torch allows any strides.
        let view = match self.numel() {
            0 => ArrayViewD::from_shape(shape, stored),
            _ => ArrayViewD::from_shape(shape.strides(IxDyn(self.strides())), stored),
        };
        view.map_err(|error| no_array(self, error))
    }

    fn array<T: Element>(&self) -> Result<ArrayD<T>, Error> {
        shaped(self, self.to_vec::<T>()?)
    }

    fn view_or_array<T: Element>(&self) -> Result<CowArray<'_, T, IxDyn>, Error> {
        match self.view() {
            Ok(view) => Ok(view.into()),
            Err(_) => Ok(self.array()?.into()),
        }
    }

    fn cast_array<T: Float>(&self) -> Result<ArrayD<T>, Error> {
        shaped(self, self.cast::<T>()?)
    }

    fn complex_array<T>(&self) -> Result<ArrayD<num_complex::Complex<T>>, Error>
    where
        Complex<T>: Element,
    {
        let numbers = self.to_vec::<Complex<T>>()?.into_iter();
        shaped(self, numbers.map(|number| num_complex::Complex::new(number.re, number.im)).collect())
    }
}

/// Elements in row-major order.
fn shaped<T>(tensor: &Tensor, elements: Vec<T>) -> Result<ArrayD<T>, Error> {
    if matches!(tensor.dtype(), DType::QUInt4x2 | DType::QUInt2x4) {
        return Err(Error::Packed { dtype: tensor.dtype() });
    }
    let mut shape = tensor.shape().to_vec();
    if tensor.dtype() == DType::Float4E2M1FnX2 && elements.len() > tensor.numel() {
        // A cast gives two numbers for each byte, which torch's shapes count.
        match shape.last_mut() {
            Some(last) => *last = last.saturating_mul(2),
            None => shape.push(2),
        }
    }
    ArrayD::from_shape_vec(IxDyn(&shape), elements).map_err(|error| no_array(tensor, error))
}

fn no_array(tensor: &Tensor, error: ShapeError) -> Error {
    Error::Shape { shape: tensor.shape().to_vec(), strides: tensor.strides().to_vec(), error }
}
