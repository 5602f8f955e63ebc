//! The works: what is done with which file, who does it, and what is to be reached.

mod catalogue;
mod table;

use std::path::Path;

use crate::files::{File, Form, Weights};
use crate::measure::{How, Run, name, run, this_program};
use crate::readers::{Job, Reader, torch};
use crate::{Options, Result};

/// One work and who does it. The first contestant is this crate.
struct Work {
    name: &'static str,
    title: &'static str,
    job: Job,
    rounds: usize,
    /// Whether the file comes from the disk.
    cold: bool,
    contestants: &'static [Contestant],
}

#[derive(Clone, Copy)]
struct Contestant {
    reader: Reader,
    file: File,
    target: Option<Target>,
}

/// What DESIGN.md, section 5, wants of this crate.
#[derive(Clone, Copy)]
enum Target {
    /// At most so many times this contestant's time.
    Time(f64),
    /// The same, and no more memory.
    TimeAndPeak(f64),
    /// Of this crate itself: at most so many times the file's size in memory.
    PeakOfFile(f64),
}

impl Work {
    const fn new(
        name: &'static str,
        title: &'static str,
        job: Job,
        rounds: usize,
        contestants: &'static [Contestant],
    ) -> Self {
        Self { name, title, job, rounds, cold: false, contestants }
    }

    const fn cold(self) -> Self {
        Self { cold: true, ..self }
    }

    fn needs(&self, file: File) -> bool {
        self.contestants.iter().any(|contestant| contestant.file == file)
    }
}

impl Contestant {
    const fn new(reader: Reader, weights: Weights, form: Form) -> Self {
        Self { reader, file: File::new(weights, form), target: None }
    }

    const fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }
}

/// Prints what there is to do.
pub fn list() {
    for work in catalogue::all() {
        println!("{:<22}{}", work.name, work.title);
    }
}

pub fn run_all(options: &Options) -> Result {
    let works = chosen(&options.only)?;
    let temporary = tempfile::tempdir()?;
    let dir = options.dir.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(dir)?;
    let torch = torch::version(&options.torch);
    let how = How { dir, cold: false, deep: false, memory_kib: 0, python: torch.is_some().then_some(&*options.torch) };
    table::head();
    let mut remarks = Vec::new();
    for (n, work) in works.iter().enumerate() {
        for contestant in work.contestants {
            make(contestant.file, dir)?;
        }
        let how = How { cold: work.cold, ..how };
        let results = compare(work, how, options.rounds.unwrap_or(work.rounds))?;
        remarks.extend(table::rows(work, &results, dir, torch.as_deref())?);
        for contestant in work.contestants {
            let needed = works[n + 1..].iter().any(|work| work.needs(contestant.file));
            if !needed && options.dir.is_none() {
                contestant.file.delete(dir)?;
            }
        }
    }
    table::foot(torch.as_deref(), &remarks);
    Ok(())
}

/// The works of these names, or of names that begin with these words.
fn chosen(only: &[String]) -> Result<Vec<&'static Work>> {
    let means = |word: &str, work: &Work| {
        work.name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if let Some(unknown) = only.iter().find(|word| !catalogue::all().any(|work| means(word, work))) {
        return Err(format!("there is no work `{unknown}`; `list` prints the names of all").into());
    }
    Ok(catalogue::all().filter(|work| only.is_empty() || only.iter().any(|word| means(word, work))).collect())
}

/// In a process of its own, so that what it takes is given back.
fn make(file: File, dir: &Path) -> Result {
    let (weights, form) = (name(file.weights), name(file.form));
    let status = this_program()?.args(["make", &weights, &form]).arg(dir).status()?;
    if status.success() { Ok(()) } else { Err(format!("could not make `{weights}` as {form}").into()) }
}

/// What became of a contestant.
enum Outcome {
    /// It did not do it, and said why.
    Refused(String),
    /// It did something else: its check of the results is not this crate's.
    Different,
    Runs(Vec<Run>),
}

/// The runs of each contestant, in alternation.
fn compare(work: &Work, how: How<'_>, rounds: usize) -> Result<Vec<Outcome>> {
    /// Whoever has taken so long is not asked again, once there are so many runs of it.
    const ENOUGH: (u64, usize) = (30_000_000_000, 3);
    let one = |contestant: &Contestant, how| run(work.job, contestant.reader, contestant.file, how);
    let weights = work.contestants[0].file.weights;
    let mut outcomes = Vec::new();
    let mut peaks = Vec::new();
    let mut wanted = None;
    // The round before the first fills caches and finds out who refuses. All that read the same weights must have read the
    // same bytes.
    for contestant in work.contestants {
        let how = How { cold: false, deep: true, ..how };
        let comparable = contestant.reader != Reader::Plain && contestant.file.weights == weights;
        let first = one(contestant, how)?;
        peaks.push(first.as_ref().map_or(0, |run| run.report.peak_kib));
        outcomes.push(match first {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(run) if comparable && *wanted.get_or_insert(run.report.check) != run.report.check => Outcome::Different,
            Ok(_) => Outcome::Runs(Vec::new()),
        });
    }
    for _ in 0..rounds {
        for ((contestant, outcome), &memory_kib) in work.contestants.iter().zip(&mut outcomes).zip(&peaks) {
            let Outcome::Runs(runs) = outcome else { continue };
            let taken: u64 = runs.iter().map(|run| run.process_nanos).sum();
            if taken > ENOUGH.0 && runs.len() >= ENOUGH.1 {
                continue;
            }
            match one(contestant, How { memory_kib, ..how })? {
                Err(refusal) => *outcome = Outcome::Refused(refusal),
                Ok(run) => runs.push(run),
            }
        }
    }
    Ok(outcomes)
}
