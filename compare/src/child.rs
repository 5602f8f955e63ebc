//! One run: a fresh process does one work with one reader on one file, and says what it took.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::readers::{self, Watch};

/// What a run says in its only line: nanoseconds of the work, and of the processors for it, peak memory in KiB, and what was read, for comparison.
pub struct Report {
    pub nanos: u64,
    pub cpu_nanos: u64,
    pub peak_kib: u64,
    pub check: u64,
}

/// `child JOB READER FILE`
pub fn run(args: &[String]) -> Result {
    let [job, reader, file] = args else { return Err("child: three arguments".into()) };
    let file = Path::new(file);
    let mut watch = Watch::start();
    match readers::run(job.parse()?, reader.parse()?, file, &mut watch) {
        Ok(check) => println!("{} {} {} {check}", watch.nanos(), watch.cpu_nanos(), peak_kib()?),
        Err(error) => println!("{}", error.to_string().replace('\n', " ")),
    }
    Ok(())
}

impl Report {
    /// The report in a run's line; `Err` is why the reader refused.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut numbers = line.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(nanos)), Some(Ok(cpu_nanos)), Some(Ok(peak_kib)), Some(Ok(check)), None) => {
                Ok(Self { nanos, cpu_nanos, peak_kib, check })
            }
            _ => Err(line.trim().to_owned()),
        }
    }
}

/// The most memory that this process has had, mapped files included, in KiB.
///
/// `getrusage` would count what the parent had when it forked.
pub fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM in /proc/self/status")?.parse()?)
}
