//! What the test modules share.

use std::path::{Path, PathBuf};

use crate::pickle_builder::is_on_the_legacy_stream;
use torch_checkpoint::{Checkpoint, Error, LoadOptions, Tensor};

/// Little-endian bytes of a tensor on any host: what answer files hash.
pub(crate) fn little_endian(tensor: &Tensor) -> Result<Vec<u8>, Error> {
    let dense = if tensor.layout().is_sparse() { tensor.to_dense()? } else { tensor.clone() };
    let mut bytes = dense.bytes()?.into_owned();
    if cfg!(target_endian = "big") {
        let unit = tensor.dtype().itemsize() / if tensor.dtype().is_complex() { 2 } else { 1 };
        bytes.chunks_mut(unit).for_each(<[u8]>::reverse);
    }
    Ok(bytes)
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    fixtures().join(path)
}

pub(crate) fn open(bytes: Vec<u8>) -> Checkpoint {
    LoadOptions::new().open_bytes(bytes).unwrap_or_else(|error| panic!("refused: {error}"))
}

/// The error of a file that must not open.
pub(crate) fn refusal(bytes: Vec<u8>) -> Error {
    match LoadOptions::new().open_bytes(bytes) {
        Ok(checkpoint) => panic!("{checkpoint:?} was accepted"),
        Err(error) => error,
    }
}

/// The tensor of a name, from wherever in the file it is.
pub(crate) fn tensor(checkpoint: &Checkpoint, name: &str) -> Tensor {
    let entries = checkpoint.tensors().unwrap();
    let found = entries.into_iter().find(|entry| entry.name() == name);
    found.unwrap_or_else(|| panic!("no tensor `{name}`")).into_tensor()
}

/// Asserts that an error's sentence has all of these words.
#[track_caller]
pub(crate) fn says(error: &Error, words: &[&str]) {
    let sentence = error.to_string();
    for &word in words {
        // The same pickle in another container.
        let word =
            if is_on_the_legacy_stream() { word.replace("archive/data.pkl", "the object") } else { word.to_owned() };
        assert!(sentence.contains(&word), "`{word}` is not in: {sentence}");
    }
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
}

/// A file in the system's folder for such, removed with the handle.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("torch-checkpoint-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn with(name: &str, bytes: &[u8]) -> Self {
        let file = Self::new(name);
        std::fs::write(&file.0, bytes).unwrap();
        file
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder in the system's folder for such, removed with the handle.
pub(crate) struct TempFolder(pub(crate) PathBuf);

impl TempFolder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("torch-checkpoint-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn with(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self
    }

    pub(crate) fn without(self, name: &str) -> Self {
        std::fs::remove_file(self.0.join(name)).unwrap();
        self
    }

    pub(crate) fn open(&self) -> Result<Checkpoint, Error> {
        LoadOptions::new().open(&self.0)
    }

    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> Error {
        match self.open() {
            Ok(checkpoint) => panic!("{checkpoint:?} was accepted"),
            Err(error) => {
                says(&error, words);
                assert_eq!(error.path(), Some(self.0.as_path()));
                error
            }
        }
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
