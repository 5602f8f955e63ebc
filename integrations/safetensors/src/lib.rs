//! Writes the tensors of any checkpoint that [`torch_checkpoint`] reads as a safetensors file.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! # let (from, to) = ("../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt", folder.path().join("model.safetensors"));
//! use torch_checkpoint_safetensors::{Ties, Writer};
//!
//! let weights = torch_checkpoint::load_state_dict(from, "cpu")?; // any container, sharded and distributed ones too
//! Writer::new().ties(Ties::First).save(weights, &to)?;
//!
//! let file = std::fs::read(&to)?;
//! let written = safetensors::SafeTensors::deserialize(&file)?;
//! assert_eq!(written.tensor("bn1.bias")?.shape(), [4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The elements are written in row-major order, whatever the strides in the checkpoint; conjugated and negated ones as the
//! numbers that torch shows. One tensor after the other is read, written and dropped: with a [`StateDict`] that is passed by
//! value, and no other handle on the checkpoint, memory holds one tensor at a time, chunked and compressed ones included.
//!
//! # Tied weights
//!
//! In a checkpoint two names may be one tensor (`embed.weight` and `lm_head.weight`). A safetensors file cannot say so, and
//! its readers refuse tensors that overlap: [`Ties`] says what to do, and without a word from the caller it is an error.
//!
//! # What is refused
//!
//! By name, before anything is written: dtypes that safetensors does not have (quantised, `complex32`, `complex128`, bits),
//! and sparse or nested tensors. What is written is an iterator of names and tensors, so they can be changed on the way:
//!
//! ```
//! # let from = "../../fixtures/zip/torch-2.15/quantised_per_tensor.pt";
//! # use torch_checkpoint::LoadOptions;
//! # use torch_checkpoint_safetensors::Writer;
//! let weights = LoadOptions::new().flatten().load_state_dict(from)?;
//! let tensors = weights.into_iter().map(|(name, tensor)| match tensor.quantization() {
//!     Some(_) => Ok((name, tensor.dequantize()?)),
//!     None => Ok((name, tensor)),
//! });
//! let tensors: Vec<_> = tensors.collect::<Result<_, torch_checkpoint::Error>>()?;
//! let mut file = Vec::new();
//! Writer::new().ties(torch_checkpoint_safetensors::Ties::Clone).write(tensors, &mut file)?;
//! # assert!(!safetensors::SafeTensors::deserialize(&file)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`StateDict`]: torch_checkpoint::StateDict

mod dtype;
mod error;
mod header;
mod ties;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use torch_checkpoint::Tensor;

pub use error::Error;
pub use ties::Ties;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

#[cfg(target_endian = "big")]
compile_error!(
    "safetensors files are little-endian, and tensors are read in native order: swapping is not written yet"
);

/// What to write besides the tensors, and how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Writer {
    ties: Ties,
    metadata: BTreeMap<String, String>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// Refuses tied weights; the metadata are `{"format": "pt"}`, without which the Python library `transformers` refuses a
    /// file.
    pub fn new() -> Self {
        Self { ties: Ties::Error, metadata: BTreeMap::from([("format".to_owned(), "pt".to_owned())]) }
    }

    /// What becomes of tensors that share memory.
    pub fn ties(mut self, ties: Ties) -> Self {
        self.ties = ties;
        self
    }

    /// Adds a text to the file's metadata, or replaces it.
    ///
    /// ```
    /// # let from = "../../fixtures/zip/torch-2.15/training_checkpoint.pt";
    /// # use torch_checkpoint_safetensors::Writer;
    /// let weights = torch_checkpoint::LoadOptions::new().key("model").load_state_dict(from)?;
    /// let epoch: u32 = weights.checkpoint().deserialize("epoch")?; // what stands beside the weights
    /// let mut file = Vec::new();
    /// Writer::new().metadata("epoch", epoch.to_string()).write(weights, &mut file)?;
    /// # let (_, header) = safetensors::SafeTensors::read_metadata(&file)?;
    /// # assert_eq!(header.metadata().as_ref().map(|texts| texts["epoch"].as_str()), Some("12"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metadata(mut self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), text.into());
        self
    }

    /// Writes a file, which takes its place when it is complete: after an error what was there is there still.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn save<N: Into<String>>(
        &self,
        tensors: impl IntoIterator<Item = (N, Tensor)>,
        path: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made as any new file is, with the permissions of one.
        let mut file = tempfile::Builder::new().make_in(folder, |path| File::create_new(path))?;
        self.write(tensors, BufWriter::with_capacity(1 << 20, file.as_file_mut()))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Writes what a file would be: names and tensors, as a [`StateDict`](torch_checkpoint::StateDict) gives them when it is
    /// passed by value. They are sorted by the alignment that their dtypes ask for, and are else in the order given.
    ///
    /// # Errors
    /// A tensor cannot be read or has no place in a safetensors file, two have one name or share memory, or writing failed.
    pub fn write<N: Into<String>>(
        &self,
        tensors: impl IntoIterator<Item = (N, Tensor)>,
        mut out: impl Write,
    ) -> Result<(), Error> {
        let mut tensors: Vec<(String, Tensor)> =
            tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        let mut metadata = self.metadata.clone();
        ties::settle(self.ties, &mut tensors, &mut metadata)?;
        header::write(&mut tensors, &metadata, &mut out)?;
        for (name, tensor) in tensors {
            out.write_all(&tensor.bytes().map_err(|error| Error::Read { name, error })?)?;
        }
        Ok(out.flush()?)
    }
}
