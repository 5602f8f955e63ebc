//! Time, and what was seen.

use std::time::{Duration, Instant};

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
    pub fn restart(&mut self) {
        *self = Self::start();
    }

    pub fn stop(&mut self) {
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

/// A number of what was read, the same for all readers of the same weights, in whatever order they read tensors.
pub struct Seen {
    deep: bool,
    check: u64,
}

impl Seen {
    /// `deep`: of every byte. Otherwise only of names and lengths, which costs nothing.
    pub fn new(deep: bool) -> Self {
        Self { deep, check: 0 }
    }

    /// A tensor's bytes in row-major order.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let check = if self.deep { crc32fast::hash(bytes).into() } else { bytes.len() as u64 };
        self.check = self.check.wrapping_add(check);
    }

    /// A tensor in a list.
    pub fn listed(&mut self, name: &str, itemsize: usize, shape: &[usize]) {
        let numel: usize = shape.iter().product();
        let check = (name.len() + shape.len() + numel * itemsize) as u64;
        self.check = self.check.wrapping_add(check);
    }

    /// Adds up bytes by eights, whether deep or not; the tensors' lengths are multiples of that.
    pub fn sum(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        self.check = words.iter().fold(self.check, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
    }

    pub fn check(&self) -> u64 {
        self.check
    }
}
