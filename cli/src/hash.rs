//! SHA-256 of tensors, without materialising large views.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};
use torch_checkpoint::{DType, Device, Error, Layout, Tensor};

/// Bytes of a view that are gathered at once.
const CHUNK: usize = 1 << 20;

/// Bytes that a view may have to be hashed: four bytes may present themselves as an exabyte, which would keep a processor
/// busy for years. Nothing is materialised, so this is a bound on time.
pub(crate) const MOST: usize = 64 << 30;

/// Below so many bytes a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 4 << 20;

/// A hash, printed in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sha(pub(crate) [u8; 32]);

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The hashes of all tensors, in their order and on all cores; `None` for those without data. An error comes with the
/// place of its tensor.
pub(crate) fn all(tensors: &[&Tensor]) -> Result<Vec<Option<Sha>>, (usize, Error)> {
    let work = tensors.iter().fold(0_usize, |sum, tensor| sum.saturating_add(tensor.nbytes()));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(work.div_ceil(WORTH_A_THREAD));
    if threads < 2 {
        return tensors.iter().enumerate().map(|(n, tensor)| one(tensor).map_err(|error| (n, error))).collect();
    }
    let hashes: Vec<OnceLock<Result<Option<Sha>, Error>>> = tensors.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let (Some(tensor), Some(hash)) = (tensors.get(index), hashes.get(index))
                {
                    hash.get_or_init(|| one(tensor));
                }
            });
        }
    });
    let done = |(n, (hash, tensor)): (usize, (OnceLock<_>, &&Tensor))| {
        hash.into_inner().unwrap_or_else(|| one(tensor)).map_err(|error| (n, error))
    };
    hashes.into_iter().zip(tensors).enumerate().map(done).collect()
}

/// The hash of one tensor's bytes, row-major and little-endian, of a sparse one those of the dense tensor; `None` if it has
/// no data, or is nested: the components have hashes.
pub(crate) fn one(tensor: &Tensor) -> Result<Option<Sha>, Error> {
    if *tensor.device() == Device::Meta || tensor.layout() == Layout::Nested {
        return Ok(None);
    }
    if tensor.layout() != Layout::Strided {
        let dense = tensor.to_dense()?;
        return Ok(Some(Sha(Sha256::digest(little_endian(dense.bytes()?, dense.dtype())).into())));
    }
    let mut hash = Sha256::new();
    // A view is halved until its parts are small. Each dimension can be halved only as often as its size has bits, so
    // the list stays short.
    let mut parts = vec![tensor.clone()];
    while let Some(part) = parts.pop() {
        match part.shape().first() {
            // What is beyond the limit as a whole is read as a whole: the library then says so.
            Some(&size) if divisible(&part) && part.nbytes() <= MOST => {
                if size == 1 {
                    parts.push(part.select(0, 0)?);
                } else {
                    let half = size / 2;
                    parts.push(part.narrow(0, half, size.saturating_sub(half))?);
                    parts.push(part.narrow(0, 0, half)?);
                }
            }
            _ => hash.update(little_endian(part.bytes()?, part.dtype())),
        }
    }
    Ok(Some(Sha(hash.finalize().into())))
}

/// Whether reading the tensor would copy much, and it can be read in parts.
fn divisible(tensor: &Tensor) -> bool {
    let nbytes = tensor.nbytes();
    let borrowed = tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
    let packed = nbytes != tensor.numel().saturating_mul(tensor.dtype().itemsize());
    nbytes > CHUNK && !borrowed && !packed && tensor.layout() == Layout::Strided
}

/// Bytes of numbers in native order as little-endian ones.
pub(crate) fn little_endian(bytes: Cow<'_, [u8]>, dtype: DType) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return bytes;
    }
    let unit = if dtype.is_complex() { dtype.itemsize() / 2 } else { dtype.itemsize() };
    let mut bytes = bytes.into_owned();
    bytes.chunks_exact_mut(unit.max(1)).for_each(<[u8]>::reverse);
    Cow::Owned(bytes)
}
