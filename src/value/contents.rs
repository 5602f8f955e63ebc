//! What a value is that holds no others: numbers, texts, bytes, tensors, names.

use std::borrow::Cow;

use super::Value;
use crate::device::Device;
use crate::tensor::{DType, Storage, Tensor};
use crate::torch::Meant;

impl<'a> Value<'a> {
    /// Whether it is `None`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// assert!(checkpoint.get("args.resume").unwrap().is_none());
    /// assert!(!checkpoint.get("args.name").unwrap().is_none());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.meant(), Meant::None)
    }

    /// A `bool`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/values.pt")?;
    /// assert_eq!(checkpoint.get("false").unwrap().as_bool(), Some(false));
    /// assert_eq!(checkpoint.get("ints.0").unwrap().as_bool(), None);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.meant() {
            Meant::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` that fits; `None` for wider ones ([`as_int_bytes`](Self::as_int_bytes),
    /// [`Display`](std::fmt::Display)) and for a `bool`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/values.pt")?;
    /// assert_eq!(checkpoint.get("ints.10").unwrap().as_i64(), Some(-2147483649));
    /// assert_eq!(checkpoint.get("ints.14").unwrap().as_i64(), None); // 2**70
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.meant() {
            Meant::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An `int` of any size as two's complement, least significant byte first, without superfluous bytes.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/values.pt")?;
    /// assert_eq!(*checkpoint.get("ints.14").unwrap().as_int_bytes().unwrap(), [0, 0, 0, 0, 0, 0, 0, 0, 64]); // 2**70
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_int_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Int(value) => Some(Cow::Owned(num_bigint::BigInt::from(value).to_signed_bytes_le())),
            Meant::BigInt(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A `float`. An `int` is not one: use [`as_i64`](Self::as_i64).
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// assert_eq!(checkpoint.get("best_prec1").unwrap().as_f64(), Some(76.5));
    /// assert_eq!(checkpoint.get("epoch").unwrap().as_f64(), None);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.meant() {
            Meant::Float(value) => Some(value),
            _ => None,
        }
    }

    /// A `complex`: real and imaginary part.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_numbers.pt")?;
    /// assert_eq!(checkpoint.get("complex").unwrap().as_complex(), Some((1.0, -2.5)));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_complex(&self) -> Option<(f64, f64)> {
        match self.meant() {
            Meant::Complex(re, im) => Some((re, im)),
            _ => None,
        }
    }

    /// A `str`. Lone surrogates, which Rust text cannot hold, are U+FFFD here; [`as_str_bytes`](Self::as_str_bytes) has
    /// them. `None` for a Python 2 byte string that is not UTF-8: [`to_text`](Self::to_text) decodes that as latin1.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// assert_eq!(checkpoint.get("arch").unwrap().as_str(), Some("resnet50"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Str(text) => Some(text.text),
            Meant::PyString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Any text: [`as_str`](Self::as_str), and Python 2 byte strings that are not UTF-8 read as latin1.
    ///
    /// ```
    /// // Saved by Python 2 as the bytes `Gr\xfc\xdfe`.
    /// let file = "fixtures/legacy/torch-1.0-py2/strings_latin1.pt";
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open(file)?;
    /// let text = checkpoint.get("latin1.1").unwrap();
    /// assert_eq!((text.as_str(), text.to_text().as_deref()), (None, Some("Grüße")));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        self.program.text(self.node)
    }

    /// The bytes of a `str` as the file has them: UTF-8, in which lone surrogates may stand as three bytes; of a Python
    /// 2 byte string its bytes.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/values.pt")?;
    /// assert_eq!(checkpoint.get("lone_surrogates.0").unwrap().as_str_bytes(), Some(&b"\xed\xa0\x80"[..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_str_bytes(&self) -> Option<&'a [u8]> {
        match self.meant() {
            Meant::Str(text) => Some(text.surrogates.unwrap_or(text.text.as_bytes())),
            Meant::PyString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// `bytes`, `bytearray`, or a byte string of Python 2.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/values.pt")?;
    /// assert_eq!(checkpoint.get("bytes.2").unwrap().as_bytes().as_deref(), Some(&b"abc\xff\xfe"[..]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.meant() {
            Meant::Bytes(bytes) | Meant::ByteArray(bytes) => Some(bytes),
            Meant::PyString(bytes) => Some(Cow::Borrowed(bytes)),
            _ => None,
        }
    }

    /// A tensor.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/root_tuple.pt")?;
    /// assert_eq!(checkpoint.get("0").unwrap().as_tensor().unwrap().shape(), [2]);
    /// assert!(checkpoint.get("1").unwrap().as_tensor().is_none());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_tensor(&self) -> Option<&'a Tensor> {
        self.program.tensor(self.node)
    }

    /// A tensor, or a numeric numpy array as a tensor with memory of its own (C or Fortran order kept as strides).
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/numpy_orders.pt")?;
    /// let tensor = checkpoint.get("fortran").unwrap().to_tensor().unwrap();
    /// assert_eq!((tensor.shape(), tensor.strides()), (&[2, 3][..], &[1, 2][..]));
    /// assert_eq!(tensor.to_vec::<f64>()?, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn to_tensor(&self) -> Option<Tensor> {
        self.as_tensor().cloned().or_else(|| self.program.array_tensor(self.node))
    }

    /// A storage that was saved as such.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/storages.pt")?;
    /// assert_eq!(checkpoint.get("untyped").unwrap().as_storage().unwrap().nbytes(), 32);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_storage(&self) -> Option<&'a Storage> {
        self.program.storage(self.node)
    }

    /// The dtype of a storage that was saved as such; `uint8` if it is untyped, as torch loads it.
    pub(crate) fn storage_dtype(&self) -> Option<DType> {
        self.program.storage_dtype(self.node)
    }

    /// A `torch.dtype`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// assert_eq!(checkpoint.get("args.dtype").unwrap().as_dtype(), Some(torch_checkpoint::DType::BFloat16));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_dtype(&self) -> Option<DType> {
        match self.meant() {
            Meant::DType(dtype) => Some(dtype),
            _ => None,
        }
    }

    /// A `torch.device`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// let device = checkpoint.get("args.device").unwrap().as_device();
    /// assert_eq!(device, Some(torch_checkpoint::Device::Cuda(Some(0))));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_device(&self) -> Option<Device> {
        match self.meant() {
            Meant::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The bare name of a `torch.layout` (`sparse_coo`), `torch.qscheme` (`per_tensor_affine`), function or class.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/containers.pt")?;
    /// assert_eq!(checkpoint.get("layout.1").unwrap().as_name(), Some("sparse_coo"));
    /// assert_eq!(checkpoint.get("class").unwrap().as_name(), Some("Linear"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn as_name(&self) -> Option<&'a str> {
        match self.meant() {
            Meant::Layout(name) | Meant::QScheme(name) => Some(name),
            Meant::Global(id) => Some(self.program.graph().global(id).1),
            _ => None,
        }
    }
}
