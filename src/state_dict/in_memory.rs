//! All tensors of a dict read into memory at once.

use std::convert::Infallible;
use std::iter;
use std::sync::Mutex;

use hashbrown::HashSet;

use super::StateDict;
use crate::checkpoint::Progress;
use crate::error::Error;
use crate::parallel::{self, PIECE, lock};
use crate::source::Memory;
use crate::tensor::{Storage, SwapUnit};

/// Storages from so many bytes on are copied by all cores together, others each by one.
const LARGE: usize = 8 * PIECE;

/// A storage, and the name of the first tensor that is read from it.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    storage: &'a Storage,
    unit: SwapUnit,
    name: &'a str,
}

impl StateDict {
    /// Reads the storages of all its tensors into memory now, with the machine's cores (16 at most): every later read, by this
    /// dict or any other handle on the same storages, finds them there. Ties, views and strides stay, and [`Tensor::as_slice`](crate::Tensor::as_slice) then borrows from that memory.
    ///
    /// Each storage is read once and whole, as torch reads it. What is in memory already (a checkpoint opened with
    /// [`Backing::Owned`](crate::Backing::Owned) or from bytes) is not copied again. Storages that only other parts of the
    /// checkpoint use (an optimizer's) stay in the file, which stays open as long as a handle on it is alive.
    ///
    /// While a mapped file is read, it may still be truncated ([`Backing::Mapped`](crate::Backing::Mapped)); no limit but the
    /// sizes of the storages bounds what this takes.
    ///
    /// `progress` is called by one thread at a time: before, after every few megabytes that were copied, after each large
    /// storage that had to be unpacked or put together, and at last when all is done.
    ///
    /// ```
    /// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
    /// weights.load_into_memory(|progress| eprint!("\r{} of {} bytes", progress.done, progress.total))?;
    /// let bias: &[f32] = weights["bn1.bias"].as_slice()?; // of memory that no other process can change
    /// # assert_eq!(bias.len(), 4);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::bytes`](crate::Tensor::bytes), with the name of the first tensor that cannot be read. Storages that were
    /// unpacked until then stay in memory. Tensors on `meta` have nothing to read.
    pub fn load_into_memory(&self, progress: impl FnMut(Progress) + Send) -> Result<(), Error> {
        let read = self.read_storages(&Meter::new(progress));
        read.map_err(|e| self.checkpoint.in_path(e))
    }

    fn read_storages(&self, meter: &Meter<impl FnMut(Progress) + Send>) -> Result<(), Error> {
        let wanted = self.wanted();
        let total = wanted.iter().fold(0, |sum: u64, wanted| sum.saturating_add(wanted.storage.nbytes()));
        meter.begin(total);
        // What has to be unpacked, swapped or put together is; the rest comes back as the bytes to copy.
        let mut found: Vec<Option<&[u8]>> = vec![None; wanted.len()];
        parallel::each(wanted.iter().zip(&mut found), total, |(wanted, found)| {
            *found = wanted.storage.outside_memory(wanted.unit).map_err(|e| e.in_tensor(wanted.name))?;
            if found.is_none() {
                meter.add(wanted.storage.nbytes());
            }
            Ok::<(), Error>(())
        })?;
        let lent = wanted.iter().zip(found).filter_map(|(wanted, from)| from.map(|from| (wanted, from)));
        let (large, others): (Vec<_>, Vec<_>) = lent.partition(|(_, from)| from.len() >= LARGE);
        parallel::each(others, total, |(wanted, from)| {
            wanted.storage.keep_in_memory(Memory::copy_of(from).map_err(|e| e.in_tensor(wanted.name))?);
            meter.add(wanted.storage.nbytes());
            Ok::<(), Error>(())
        })?;
        for (wanted, from) in large {
            let copy = copy_in_pieces(from, meter).map_err(|e| e.in_tensor(wanted.name))?;
            wanted.storage.keep_in_memory(copy);
        }
        meter.end();
        Ok(())
    }

    /// Every storage once, by each unit that its tensors need.
    fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut met = HashSet::new();
        let storages = self.iter().flat_map(|(name, tensor)| iter::repeat(name).zip(tensor.storages()));
        let there = storages.filter(|(_, (storage, _))| !storage.is_meta());
        let wanted = there.map(|(name, (storage, unit))| Wanted { storage, unit, name });
        wanted.filter(|wanted| met.insert((wanted.storage, wanted.storage.copied_by(wanted.unit)))).collect()
    }
}

/// A copy made by all cores: first the pages, then the bytes.
fn copy_in_pieces(from: &[u8], meter: &Meter<impl FnMut(Progress) + Send>) -> Result<Memory, Error> {
    let bytes = u64::try_from(from.len()).unwrap_or(u64::MAX);
    let mut copy = Memory::to_fill(from.len())?;
    copy.populate_on_all_cores();
    let pieces = copy.bytes_mut().chunks_mut(PIECE).zip(from.chunks(PIECE));
    let Ok(()) = parallel::each(pieces, bytes, |(into, from)| {
        into.copy_from_slice(from);
        meter.add(u64::try_from(from.len()).unwrap_or(u64::MAX));
        Ok::<(), Infallible>(())
    });
    Ok(copy)
}

/// Counts bytes that several threads have read.
struct Meter<F>(Mutex<Count<F>>);

struct Count<F> {
    progress: F,
    done: u64,
    told: u64,
    total: u64,
}

impl<F: FnMut(Progress)> Meter<F> {
    fn new(progress: F) -> Self {
        Self(Mutex::new(Count { progress, done: 0, told: 0, total: 0 }))
    }

    fn begin(&self, total: u64) {
        let count = &mut *lock(&self.0);
        count.total = total;
        count.tell();
    }

    /// Small storages are told together.
    fn add(&self, bytes: u64) {
        let count = &mut *lock(&self.0);
        count.done = count.done.saturating_add(bytes);
        if count.done < count.total && count.done.saturating_sub(count.told) >= PIECE as u64 {
            count.tell();
        }
    }

    fn end(&self) {
        lock(&self.0).tell();
    }
}

impl<F: FnMut(Progress)> Count<F> {
    fn tell(&mut self) {
        self.told = self.done;
        (self.progress)(Progress { done: self.done, total: self.total });
    }
}
