//! Runs in fresh processes, and what is typical of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::ValueEnum;

use crate::Result;
use crate::child::Report;
use crate::files::File;
use crate::page_cache;
use crate::readers::{Job, Reader, torch};

/// How a run is to be.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// Where the files are.
    pub dir: &'a Path,
    /// Whether the file has to come from the disk.
    pub cold: bool,
    /// Whether every byte of the results is looked at.
    pub deep: bool,
    /// The memory that the run will take, as far as that is known.
    pub memory_kib: u64,
    /// The Python that has torch.
    pub python: Option<&'a Path>,
}

pub struct Run {
    pub report: Report,
    /// From before the process was started until after it ended.
    pub process_nanos: u64,
}

/// Before a run that takes more memory, another process takes as much and gives it back. The host of a virtual machine may
/// have taken memory away that nobody had used for a moment, and what it costs to get it back is no reader's doing.
const LARGE_KIB: u64 = 64 << 10;

/// One run in a process of its own, or why the reader refused.
pub fn run(job: Job, reader: Reader, file: File, how: How<'_>) -> Result<Result<Run, String>> {
    let mut command = if reader == Reader::Torch {
        let Some(python) = how.python else { return Ok(Err("there is no torch".into())) };
        torch::command(python, job, &file.path(how.dir), file.form, how.deep)
    } else {
        let mut command = this_program()?;
        command.args(["child", &name(job), &name(reader), &name(file.weights), &name(file.form)]).arg(how.dir);
        command.args(how.deep.then_some("--deep"));
        command
    };
    if how.cold {
        page_cache::forget(&file.path(how.dir))?;
    }
    if how.memory_kib > LARGE_KIB {
        this_program()?.args(["touch", &how.memory_kib.to_string()]).status()?;
    }
    let start = Instant::now();
    let output = command.output()?;
    let process_nanos = u64::try_from(start.elapsed().as_nanos())?;
    let said = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
    Ok(Report::parse(&said).map(|report| Run { report, process_nanos }))
}

/// Writes to so much memory.
pub fn touch(kib: u64) -> Result {
    let bytes = usize::try_from(kib * 1024)?;
    std::hint::black_box(vec![1_u8; bytes]);
    Ok(())
}

/// This program once more, for a task.
pub fn this_program() -> Result<Command> {
    let path: PathBuf = std::env::current_exe()?;
    Ok(Command::new(path))
}

/// What the command line calls it.
pub fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What is typical of several runs of one reader.
pub struct Typical {
    pub nanos: u64,
    pub cpu_nanos: u64,
    pub process_nanos: u64,
    pub peak_kib: u64,
    pub disk_bytes: u64,
}

impl Typical {
    /// The medians, each by itself.
    pub fn of(runs: &[Run]) -> Option<Self> {
        Some(Self {
            nanos: median(runs.iter().map(|run| run.report.nanos))?,
            cpu_nanos: median(runs.iter().map(|run| run.report.cpu_nanos))?,
            process_nanos: median(runs.iter().map(|run| run.process_nanos))?,
            peak_kib: median(runs.iter().map(|run| run.report.peak_kib))?,
            disk_bytes: median(runs.iter().map(|run| run.report.disk_bytes))?,
        })
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
