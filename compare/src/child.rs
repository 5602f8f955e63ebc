//! One run: a fresh process does one work with one reader on one file, and says what it took.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::files::{File, Form, Weights};
use crate::readers::{self, Job, Reader, Seen, Watch};

/// What a process of its own is to do.
#[derive(clap::Args)]
pub struct Task {
    pub job: Job,
    pub reader: Reader,
    weights: Weights,
    form: Form,
    pub dir: PathBuf,
    /// Look at every byte of the results, after the time has been taken.
    #[arg(long)]
    pub deep: bool,
}

impl Task {
    pub const fn file(&self) -> File {
        File::new(self.weights, self.form)
    }
}

/// What a run says in its only line.
pub struct Report {
    /// Of the work, from before the file is opened until the result is there.
    pub nanos: u64,
    /// What the processors did for it.
    pub cpu_nanos: u64,
    pub peak_kib: u64,
    /// What came from the disk, not from the page cache.
    pub disk_bytes: u64,
    /// Of what was read, for comparison.
    pub check: u64,
}

pub fn run(task: &Task) -> Result {
    let mut seen = Seen::new(task.deep);
    let disk_before = disk_bytes();
    let mut watch = Watch::start();
    match readers::run(task, &mut watch, &mut seen) {
        Ok(()) => {
            let disk = disk_bytes() - disk_before;
            println!("{} {} {} {disk} {}", watch.nanos(), watch.cpu_nanos(), peak_kib()?, seen.check());
        }
        Err(error) => println!("{}", error.to_string().replace('\n', " ")),
    }
    Ok(())
}

impl Report {
    /// The report in a run's line; `Err` is why the reader refused.
    pub fn parse(line: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u64>> = line.split_whitespace().map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[nanos, cpu_nanos, peak_kib, disk_bytes, check]) => {
                Ok(Self { nanos, cpu_nanos, peak_kib, disk_bytes, check })
            }
            _ => Err(line.lines().last().unwrap_or("it ended without a word").trim().to_owned()),
        }
    }
}

/// The most memory that this process has had, mapped files included, in KiB.
///
/// `getrusage` would count what the parent had when it forked.
pub fn peak_kib() -> Result<u64> {
    number_after("/proc/self/status", "VmHWM:").ok_or_else(|| "no VmHWM in /proc/self/status".into())
}

/// What this process has had fetched from disks, page faults included; 0 where the system does not count.
fn disk_bytes() -> u64 {
    number_after("/proc/self/io", "read_bytes:").unwrap_or(0)
}

fn number_after(file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word))?.split_whitespace().next()?.parse().ok()
}
