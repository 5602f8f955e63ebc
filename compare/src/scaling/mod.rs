//! Time and memory against the number of tensors and against the size: `compare scaling` writes `docs/scaling.tsv` and the
//! plot of it, `docs/scaling.svg`.
//!
//! Every run is a fresh process; the points are medians. The files are sparse, so that 8 GB cost no disk.

mod files;
#[path = "../../../benches/parts/memo.rs"]
mod memo;
mod plot;
mod reading;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand, ValueEnum};

use crate::Result;
use files::Weights;
use reading::{Job, Reader};

/// Measures time and memory against the number of tensors and the size, and plots them.
#[derive(Args)]
pub struct Options {
    /// Measured runs at each point.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The largest number of tensors.
    #[arg(long, default_value_t = 1_000_000)]
    tensors: u64,
    /// The largest size, in bytes.
    #[arg(long, default_value_t = 8_000_000_000)]
    bytes: u64,
    /// The folder of `scaling.tsv` and `scaling.svg`.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))]
    out: PathBuf,
    /// Where the files are made, each deleted after its runs; otherwise a temporary folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// One run: prints nanoseconds, nanoseconds of the processors and peak memory in KiB.
    Child { reader: Reader, job: Job, file: PathBuf },
    /// Draws the numbers that are there.
    Plot,
}

/// What is varied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Small tensors.
    Tensors,
    /// A hundred tensors, in bytes.
    Size,
}

impl Axis {
    const fn name(self) -> &'static str {
        match self {
            Self::Tensors => "tensors",
            Self::Size => "bytes",
        }
    }

    const fn weights(self, at: u64) -> Weights {
        match self {
            Self::Tensors => Weights { tensors: at, numel: files::SMALL },
            Self::Size => Weights { tensors: files::FEW, numel: at / files::FEW / files::ITEMSIZE },
        }
    }

    const fn jobs(self) -> &'static [Job] {
        match self {
            Self::Tensors => &[Job::List],
            Self::Size => &[Job::List, Job::Sum],
        }
    }
}

/// Medians of one reader at one place.
pub struct Point {
    axis: Axis,
    at: u64,
    reader: Reader,
    job: Job,
    nanos: u64,
    cpu_nanos: u64,
    peak_kib: u64,
}

pub fn run(options: &Options) -> Result {
    match &options.command {
        Some(Task::Child { reader, job, file }) => return reading::run(*reader, *job, file),
        Some(Task::Plot) => {
            let points = from_table(&std::fs::read_to_string(options.out.join("scaling.tsv"))?)?;
            return plot::draw(&points, &options.out.join("scaling.svg"));
        }
        None => {}
    }
    let temporary = tempfile::tempdir()?;
    let dir = options.dir.as_deref().unwrap_or(temporary.path());
    let mut points = Vec::new();
    for (axis, from, to) in [(Axis::Tensors, 100, options.tensors), (Axis::Size, 1_000_000, options.bytes)] {
        for at in steps(from, to) {
            measure(axis, at, dir, options.rounds, &mut points)?;
        }
    }
    std::fs::create_dir_all(&options.out)?;
    std::fs::write(options.out.join("scaling.tsv"), table(&points)?)?;
    plot::draw(&points, &options.out.join("scaling.svg"))
}

/// 1, 3, 10, 30 … times the first, and the last.
fn steps(from: u64, to: u64) -> Vec<u64> {
    let mut steps: Vec<u64> = std::iter::successors(Some(from), |at| Some(at * 10))
        .take_while(|&at| at <= to)
        .flat_map(|at| [at, 3 * at])
        .collect();
    steps.retain(|&at| at < to);
    steps.push(to);
    steps
}

/// The readers take turns, after a run each that fills the page cache.
fn measure(axis: Axis, at: u64, dir: &Path, rounds: usize, points: &mut Vec<Point>) -> Result {
    let weights = axis.weights(at);
    let readers = [Reader::TorchCheckpoint, Reader::Safetensors].map(|reader| (reader, dir.join(reader.name())));
    for (reader, file) in &readers {
        weights.write(*reader, file)?;
    }
    for &job in axis.jobs() {
        let mut runs = [const { Vec::new() }; 2];
        for round in 0..=rounds {
            for ((reader, file), runs) in readers.iter().zip(&mut runs) {
                let run = child(*reader, job, file)?;
                if round > 0 {
                    runs.push(run);
                }
            }
        }
        for ((reader, _), runs) in readers.iter().zip(&runs) {
            let [nanos, cpu_nanos, peak_kib] = [0, 1, 2].map(|column| median(runs.iter().map(|run| run[column])));
            let point = Point { axis, at, reader: *reader, job, nanos, cpu_nanos, peak_kib };
            eprint!("{}", row(&point));
            points.push(point);
        }
    }
    for (_, file) in &readers {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

fn child(reader: Reader, job: Job, file: &Path) -> Result<[u64; 3]> {
    let output = Command::new(std::env::current_exe()?)
        .args(["scaling", "child", reader.name(), job.name()])
        .arg(file)
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    let numbers: Result<Vec<u64>, _> = said.split_whitespace().map(str::parse).collect();
    numbers.ok().and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| {
        format!("{} on {}: {said}{}", reader.name(), file.display(), String::from_utf8_lossy(&output.stderr)).into()
    })
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn row(point: &Point) -> String {
    let Point { axis, at, reader, job, nanos, cpu_nanos, peak_kib } = point;
    let (axis, reader, job) = (axis.name(), reader.name(), job.name());
    format!("{axis}\t{at}\t{reader}\t{job}\t{nanos}\t{cpu_nanos}\t{peak_kib}\n")
}

const COLUMNS: &str = "axis\tat\treader\tjob\tnanoseconds\tCPU nanoseconds\tpeak KiB\n";

fn table(points: &[Point]) -> Result<String> {
    let mut table = COLUMNS.to_owned();
    for point in points {
        write!(table, "{}", row(point))?;
    }
    Ok(table)
}

fn from_table(table: &str) -> Result<Vec<Point>> {
    let rows = table.strip_prefix(COLUMNS).ok_or("scaling.tsv has other columns")?.lines();
    rows.map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        let [axis, at, reader, job, nanos, cpu_nanos, peak_kib] = fields[..] else {
            return Err(format!("scaling.tsv: no point: {row}").into());
        };
        let axis = if axis == Axis::Tensors.name() { Axis::Tensors } else { Axis::Size };
        Ok(Point {
            axis,
            at: at.parse()?,
            reader: Reader::from_str(reader, false)?,
            job: Job::from_str(job, false)?,
            nanos: nanos.parse()?,
            cpu_nanos: cpu_nanos.parse()?,
            peak_kib: peak_kib.parse()?,
        })
    })
    .collect()
}
