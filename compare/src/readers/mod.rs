//! What each reader does for each job.

#[cfg(feature = "candle")]
mod candle;
mod ours;
mod plain;
mod pytorch_reader;
mod safetensors;
pub mod torch;
mod watch;

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::thread;

use clap::ValueEnum;
use memmap2::Mmap;

pub use self::watch::{Seen, Watch};
use crate::Result;
use crate::child::Task;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Open it; visit every tensor's name, dtype and shape.
    List,
    /// The same for the tenth time in one process: what it costs without the page faults and cache misses of code that runs for
    /// the first time.
    Again,
    /// Open it and add up every byte where it lies.
    Sum,
    /// Open it and copy every tensor to memory of its own, row-major, all kept.
    Own,
    /// The same into a vector for each.
    Vec,
    /// Open it and bring every tensor into memory of its own as the reader does that best: strides, ties and views may stay.
    Load,
    /// As `Own`, with a thread for each processor.
    OwnThreads,
    /// Open it and convert every tensor to f32, all kept.
    ToF32,
    /// The same into one buffer that has been written before.
    IntoF32,
    /// Open it and copy the fourth tenth of every tensor's rows, all kept.
    Rows,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reader {
    TorchCheckpoint,
    Safetensors,
    Candle,
    #[value(name = "pytorch-reader")]
    Pytorch,
    /// A Python process.
    Torch,
    /// No reader: the file is mapped and its bytes taken as they come. The bound.
    Plain,
}

pub fn run(task: &Task, watch: &mut Watch, seen: &mut Seen) -> Result {
    let path = task.file().path(&task.dir);
    if task.job == Job::Again {
        for _ in 1..10 {
            once(task, &path, &mut Watch::start(), &mut Seen::new(false))?;
        }
        watch.restart();
    }
    once(task, &path, watch, seen)
}

fn once(task: &Task, path: &Path, watch: &mut Watch, seen: &mut Seen) -> Result {
    match task.reader {
        Reader::TorchCheckpoint => ours::run(task.job, task.file(), path, watch, seen),
        Reader::Safetensors => safetensors::run(task.job, path, watch, seen),
        #[cfg(feature = "candle")]
        Reader::Candle => candle::run(task.job, path, watch, seen),
        #[cfg(not(feature = "candle"))]
        Reader::Candle => Err("left out: built without the feature `candle`".into()),
        Reader::Pytorch => pytorch_reader::run(task.job, path, watch, seen),
        Reader::Torch => Err("torch runs in Python".into()),
        Reader::Plain => plain::run(task.job, task.file(), path, watch),
    }
}

fn cannot() -> Result {
    Err("cannot".into())
}

fn map(file: &Path) -> Result<Mmap> {
    // SAFETY: nobody changes the files while they are compared.
    Ok(unsafe { Mmap::map(&File::open(file)?)? })
}

/// The rows that [`Job::Rows`] wants.
fn tenth(rows: usize) -> Range<usize> {
    3 * rows / 10..4 * rows / 10
}

/// Room for the longest, every page of it touched.
fn touched(lens: impl Iterator<Item = usize>) -> Vec<f32> {
    vec![1.0; lens.max().unwrap_or(0)]
}

/// Copies every tensor on as many threads as there are processors. Each takes the next one when it is done with one.
fn on_threads<T: Sync, O: Send>(tensors: &[T], copy: impl Fn(&T) -> Result<O, String> + Sync) -> Result<Vec<O>> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || -> Result<Vec<O>, String> {
        let mut done = Vec::new();
        while let Some(tensor) = tensors.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            done.push(copy(tensor)?);
        }
        Ok(done)
    };
    let threads = thread::available_parallelism()?.get();
    let parts: Vec<Result<Vec<O>, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let mut all = Vec::with_capacity(tensors.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}
