//! Runs in fresh processes, and what is typical of them.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::child::Report;
use crate::readers::{Job, Reader};

pub struct Run {
    /// Of the job alone.
    pub nanos: u64,
    /// Of the processors, for the job alone.
    pub cpu_nanos: u64,
    /// From before the process was started until after it ended.
    pub process_nanos: u64,
    pub peak_kib: u64,
    pub check: u64,
}

/// One run in a process of its own, or why the reader refused.
pub fn run(job: Job, reader: Reader, file: &Path) -> Result<Result<Run, String>> {
    let start = Instant::now();
    let output =
        Command::new(std::env::current_exe()?).args(["child", job.name(), reader.name()]).arg(file).output()?;
    let process_nanos = u64::try_from(start.elapsed().as_nanos())?;
    let said = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
    Ok(Report::parse(&said).map(|report| Run {
        nanos: report.nanos,
        cpu_nanos: report.cpu_nanos,
        process_nanos,
        peak_kib: report.peak_kib,
        check: report.check,
    }))
}

/// What is typical of several runs of one reader.
pub struct Typical {
    pub nanos: u64,
    pub cpu_nanos: u64,
    pub process_nanos: u64,
    pub peak_kib: u64,
}

impl Typical {
    /// The medians, each by itself.
    pub fn of(runs: &[Run]) -> Option<Self> {
        Some(Self {
            nanos: median(runs.iter().map(|run| run.nanos))?,
            cpu_nanos: median(runs.iter().map(|run| run.cpu_nanos))?,
            process_nanos: median(runs.iter().map(|run| run.process_nanos))?,
            peak_kib: median(runs.iter().map(|run| run.peak_kib))?,
        })
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
