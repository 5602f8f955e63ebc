//! What each reader does for each job. All give a number of what they read, which has to be the same for all.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use memmap2::Mmap;
use pytorch_reader::PytorchReader;
use safetensors::SafeTensors;
use torch_checkpoint::load_state_dict;

use crate::Result;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Open it; visit every tensor's name, dtype and shape.
    List,
    /// Open it and add up every byte where it lies.
    Sum,
    /// Open it and copy every tensor to memory of its own, row-major, all kept.
    Own,
    /// Open it and convert every tensor to f32, all kept.
    ToF32,
    /// The same into one buffer that has been written before.
    IntoF32,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Ours,
    Safetensors,
    Candle,
    Pytorch,
    /// No reader: the file is mapped and its bytes taken as they come.
    Plain,
}

const JOBS: [(&str, Job); 5] =
    [("list", Job::List), ("sum", Job::Sum), ("own", Job::Own), ("to-f32", Job::ToF32), ("into-f32", Job::IntoF32)];

const READERS: [(&str, Reader); 5] = [
    ("torch-checkpoint", Reader::Ours),
    ("safetensors", Reader::Safetensors),
    ("candle", Reader::Candle),
    ("pytorch-reader", Reader::Pytorch),
    ("plain", Reader::Plain),
];

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> Result<T, String> {
    all.iter().find(|(known, _)| *known == name).map(|&(_, found)| found).ok_or_else(|| format!("no `{name}`"))
}

fn name_of<T: Copy + PartialEq>(all: &[(&'static str, T)], wanted: T) -> &'static str {
    all.iter().find(|(_, known)| *known == wanted).map_or("", |(name, _)| name)
}

impl FromStr for Job {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named(&JOBS, name)
    }
}

impl FromStr for Reader {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named(&READERS, name)
    }
}

impl Job {
    pub fn name(self) -> &'static str {
        name_of(&JOBS, self)
    }
}

impl Reader {
    pub fn name(self) -> &'static str {
        name_of(&READERS, self)
    }
}

/// Measures a job: stopped when the result is there and nothing has been freed.
pub struct Watch {
    start: Instant,
    cpu_start: Duration,
    stopped: Duration,
    cpu_stopped: Duration,
}

impl Watch {
    pub fn start() -> Self {
        Self { start: Instant::now(), cpu_start: cpu(), stopped: Duration::ZERO, cpu_stopped: Duration::ZERO }
    }

    /// Leaves out what was done so far: the caller's preparations.
    fn restart(&mut self) {
        *self = Self::start();
    }

    fn stop(&mut self) {
        self.stopped = self.start.elapsed();
        self.cpu_stopped = cpu();
    }

    pub fn nanos(&self) -> u128 {
        self.stopped.as_nanos()
    }

    /// What the processors did for it, all threads and the kernel included: the steadier figure on a busy machine.
    pub fn cpu_nanos(&self) -> u128 {
        self.cpu_stopped.saturating_sub(self.cpu_start).as_nanos()
    }
}

fn cpu() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

pub fn run(job: Job, reader: Reader, file: &Path, watch: &mut Watch) -> Result<u64> {
    match reader {
        Reader::Ours => ours(job, file, watch),
        Reader::Safetensors => safetensors(job, file, watch),
        #[cfg(feature = "candle")]
        Reader::Candle => candle(job, file, watch),
        #[cfg(not(feature = "candle"))]
        Reader::Candle => Err("left out: built without the feature `candle`".into()),
        Reader::Pytorch => pytorch_reader(job, file, watch),
        Reader::Plain => plain(job, file, watch),
    }
}

fn ours(job: Job, file: &Path, watch: &mut Watch) -> Result<u64> {
    let weights = load_state_dict(file, "cpu")?;
    let mut check = 0;
    match job {
        Job::List => {
            for (name, tensor) in &weights {
                black_box(tensor.dtype());
                check += listed(name, tensor.shape());
            }
            watch.stop();
        }
        Job::Sum => {
            for tensor in weights.values() {
                check = sum(check, &tensor.bytes()?);
            }
            watch.stop();
        }
        Job::Own => {
            let mut owned = Vec::with_capacity(weights.len());
            for tensor in weights.values() {
                owned.push(match tensor.dtype().itemsize() {
                    2 => Owned::F16(tensor.to_vec()?),
                    _ => Owned::F32(tensor.to_vec()?),
                });
            }
            watch.stop();
            check = total(owned.iter().map(Owned::nbytes));
        }
        Job::ToF32 => {
            let mut floats: Vec<Vec<f32>> = Vec::with_capacity(weights.len());
            for tensor in weights.values() {
                floats.push(tensor.cast()?);
            }
            watch.stop();
            check = total(floats.iter().map(Vec::len));
        }
        Job::IntoF32 => {
            let mut buffer = buffer(weights.values().map(|tensor| tensor.numel()));
            watch.restart();
            for tensor in weights.values() {
                let into = &mut buffer[..tensor.numel()];
                tensor.cast_into(into)?;
                black_box(&into);
                check += tensor.numel() as u64;
            }
            watch.stop();
        }
    }
    Ok(check)
}

enum Owned {
    F16(Vec<f16>),
    F32(Vec<f32>),
}

impl Owned {
    fn nbytes(&self) -> usize {
        match self {
            Self::F16(numbers) => size_of_val(numbers.as_slice()),
            Self::F32(numbers) => size_of_val(numbers.as_slice()),
        }
    }
}

fn safetensors(job: Job, file: &Path, watch: &mut Watch) -> Result<u64> {
    let mapped = map(file)?;
    let weights = SafeTensors::deserialize(&mapped)?;
    let mut check = 0;
    match job {
        Job::List => {
            for (name, tensor) in weights.iter() {
                black_box(tensor.dtype());
                check += listed(name, tensor.shape());
            }
            watch.stop();
        }
        Job::Sum => {
            for (_, tensor) in weights.iter() {
                check = sum(check, tensor.data());
            }
            watch.stop();
        }
        Job::Own => {
            let owned: Vec<Vec<u8>> = weights.iter().map(|(_, tensor)| tensor.data().to_vec()).collect();
            watch.stop();
            check = total(owned.iter().map(Vec::len));
        }
        Job::ToF32 => {
            let mut floats: Vec<Vec<f32>> = Vec::with_capacity(weights.len());
            for (_, tensor) in weights.iter() {
                floats.push(halves(tensor.data())?.to_f32_vec());
            }
            watch.stop();
            check = total(floats.iter().map(Vec::len));
        }
        Job::IntoF32 => {
            let mut buffer = buffer(weights.iter().map(|(_, tensor)| tensor.data().len() / 2));
            watch.restart();
            for (_, tensor) in weights.iter() {
                let halves = halves(tensor.data())?;
                let into = &mut buffer[..halves.len()];
                halves.convert_to_f32_slice(into);
                black_box(&into);
                check += halves.len() as u64;
            }
            watch.stop();
        }
    }
    Ok(check)
}

#[cfg(feature = "candle")]
fn candle(job: Job, file: &Path, watch: &mut Watch) -> Result<u64> {
    let weights = candle_core::pickle::PthTensors::new(file, None)?;
    let mut check = 0;
    match job {
        Job::List => {
            for (name, tensor) in weights.tensor_infos() {
                black_box(tensor.dtype);
                check += listed(name, tensor.layout.dims());
            }
            watch.stop();
        }
        Job::Own => {
            let mut owned = Vec::with_capacity(weights.tensor_infos().len());
            for name in weights.tensor_infos().keys() {
                owned.push(weights.get(name)?.ok_or("a tensor is gone")?.contiguous()?);
            }
            watch.stop();
            check = total(owned.iter().map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()));
        }
        Job::Sum | Job::ToF32 | Job::IntoF32 => return Err("cannot".into()),
    }
    Ok(check)
}

fn pytorch_reader(job: Job, file: &Path, watch: &mut Watch) -> Result<u64> {
    let weights = PytorchReader::new(file)?;
    let mut check = 0;
    match job {
        Job::List => {
            for (name, tensor) in weights.tensors() {
                black_box(tensor.dtype());
                check += listed(name, tensor.shape());
            }
            watch.stop();
        }
        Job::Own => {
            let mut owned = Vec::with_capacity(weights.len());
            for tensor in weights.tensors().values() {
                owned.push(tensor.read()?);
            }
            watch.stop();
            check = total(owned.iter().map(Vec::len));
        }
        Job::Sum | Job::ToF32 | Job::IntoF32 => return Err("cannot".into()),
    }
    Ok(check)
}

/// The bound: what the bytes cost whoever reads them. Of a checkpoint it takes the whole file.
fn plain(job: Job, file: &Path, watch: &mut Watch) -> Result<u64> {
    /// As large as a large tensor.
    const CHUNK: usize = 16 << 20;
    let mapped = map(file)?;
    let mut check = 0;
    match job {
        Job::List => return Err("nothing to list".into()),
        Job::Sum => {
            check = sum(check, &mapped);
            watch.stop();
        }
        Job::Own => {
            let owned: Vec<Vec<u8>> = mapped.chunks(CHUNK).map(<[u8]>::to_vec).collect();
            watch.stop();
            black_box(owned);
        }
        // Copies as many bytes as the floats have: twice the file.
        Job::ToF32 => {
            let owned: Vec<Vec<u8>> = mapped.chunks(CHUNK).map(|bytes| [bytes, bytes].concat()).collect();
            watch.stop();
            black_box(owned);
        }
        Job::IntoF32 => {
            let (from, mut into) = (buffer([4 * CHUNK].into_iter()), buffer([4 * CHUNK].into_iter()));
            watch.restart();
            let mut left = mapped.len() / 2;
            while left > 0 {
                let len = left.min(from.len());
                into[..len].copy_from_slice(&from[..len]);
                black_box(&into);
                left -= len;
            }
            watch.stop();
        }
    }
    Ok(check)
}

fn map(file: &Path) -> Result<Mmap> {
    // SAFETY: nobody changes the files while they are compared.
    Ok(unsafe { Mmap::map(&File::open(file)?)? })
}

/// What stands for a listed tensor: the same whatever the order.
fn listed(name: &str, shape: &[usize]) -> u64 {
    let numel: usize = shape.iter().product();
    (name.len() + shape.len() + numel) as u64
}

/// Adds the bytes up by eights; the tensors' lengths are multiples of that.
fn sum(before: u64, bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(before, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

fn total(lens: impl Iterator<Item = usize>) -> u64 {
    lens.sum::<usize>() as u64
}

/// Room for the longest, every page of it touched.
fn buffer(lens: impl Iterator<Item = usize>) -> Vec<f32> {
    vec![1.0; lens.max().unwrap_or(0)]
}

fn halves(bytes: &[u8]) -> Result<&[f16]> {
    // SAFETY: any bits are a `u16`. (safetensors aligns its data to 8 bytes.)
    let (before, halves, after) = unsafe { bytes.align_to::<u16>() };
    if before.is_empty() && after.is_empty() { Ok(halves.reinterpret_cast()) } else { Err("unaligned".into()) }
}
