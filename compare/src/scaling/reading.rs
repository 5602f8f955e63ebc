//! What a run does: opens a file and lists its tensors, or reads every byte of them where it lies.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use memmap2::Mmap;
use rustix::time::{ClockId, clock_gettime};
use safetensors::SafeTensors;
use torch_checkpoint::load_state_dict;

use crate::Result;
use crate::child::peak_kib;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reader {
    TorchCheckpoint,
    Safetensors,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Open; visit every name, dtype and shape.
    List,
    /// Open; add up every byte.
    Sum,
}

impl Reader {
    pub const fn name(self) -> &'static str {
        match self {
            Self::TorchCheckpoint => "torch-checkpoint",
            Self::Safetensors => "safetensors",
        }
    }
}

impl Job {
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Sum => "sum",
        }
    }
}

/// Prints nanoseconds until the result is there, nanoseconds of the processors for it, and peak memory in KiB.
pub fn run(reader: Reader, job: Job, file: &Path) -> Result {
    let (start, cpu_start) = (Instant::now(), cpu());
    let done = || (start.elapsed().as_nanos(), cpu().saturating_sub(cpu_start).as_nanos());
    let (nanos, cpu_nanos) = match reader {
        Reader::TorchCheckpoint => {
            let weights = load_state_dict(file, "cpu")?;
            for (name, tensor) in &weights {
                match job {
                    Job::List => _ = black_box((name, tensor.dtype(), tensor.shape())),
                    Job::Sum => _ = black_box(sum(&tensor.bytes()?)),
                }
            }
            done()
        }
        Reader::Safetensors => {
            // SAFETY: nobody changes the file while it is measured.
            let mapped = unsafe { Mmap::map(&File::open(file)?)? };
            let weights = SafeTensors::deserialize(&mapped)?;
            for (name, tensor) in weights.iter() {
                match job {
                    Job::List => _ = black_box((name, tensor.dtype(), tensor.shape())),
                    Job::Sum => _ = black_box(sum(tensor.data())),
                }
            }
            done()
        }
    };
    println!("{nanos} {cpu_nanos} {}", peak_kib()?);
    Ok(())
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}
