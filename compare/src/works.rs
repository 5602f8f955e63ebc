//! What is compared, and the table of it.

use std::path::Path;
use std::process::Command;

use crate::files::Weights;
use crate::measure::{Run, Typical, run};
use crate::readers::{Job, Reader};
use crate::{Options, Result};

/// One work and who does it. The first contestant is ours, the second the one it is compared with.
struct Work {
    name: &'static str,
    title: &'static str,
    job: Job,
    rounds: usize,
    contestants: &'static [(Reader, Weights, Form)],
}

#[derive(Clone, Copy)]
enum Form {
    Checkpoint,
    Safetensors,
}
use Form::{Checkpoint, Safetensors};

const WORKS: &[Work] = &[
    Work {
        name: "many",
        title: "open + list 50,000 tensors of 4x4 f32",
        job: Job::List,
        rounds: 11,
        contestants: &[
            (Reader::Ours, Weights::Many, Checkpoint),
            (Reader::Safetensors, Weights::Many, Safetensors),
            (Reader::Candle, Weights::Many, Checkpoint),
            (Reader::Pytorch, Weights::Many, Checkpoint),
        ],
    },
    Work {
        name: "model",
        title: "open + list 147 tensors, 1.9 GB f16",
        job: Job::List,
        rounds: 31,
        contestants: &[
            (Reader::Ours, Weights::Model, Checkpoint),
            (Reader::Safetensors, Weights::Model, Safetensors),
            (Reader::Candle, Weights::Model, Checkpoint),
            (Reader::Pytorch, Weights::Model, Checkpoint),
        ],
    },
    Work {
        name: "borrow",
        title: "read every byte borrowed, 1.9 GB",
        job: Job::Sum,
        rounds: 7,
        contestants: &[
            (Reader::Ours, Weights::Model, Checkpoint),
            (Reader::Plain, Weights::Model, Checkpoint),
            (Reader::Safetensors, Weights::Model, Safetensors),
        ],
    },
    Work {
        name: "own",
        title: "every tensor into owned memory, 1.9 GB",
        job: Job::Own,
        rounds: 5,
        contestants: &[
            (Reader::Ours, Weights::Model, Checkpoint),
            (Reader::Safetensors, Weights::Model, Safetensors),
            (Reader::Candle, Weights::Model, Checkpoint),
            (Reader::Pytorch, Weights::Model, Checkpoint),
        ],
    },
    Work {
        name: "transposed",
        title: "60 transposed f32 tensors to contiguous, 0.8 GB",
        job: Job::Own,
        rounds: 5,
        contestants: &[
            (Reader::Ours, Weights::Transposed, Checkpoint),
            (Reader::Pytorch, Weights::Transposed, Checkpoint),
            (Reader::Plain, Weights::Transposed, Checkpoint),
            (Reader::Candle, Weights::Transposed, Checkpoint),
        ],
    },
    Work {
        name: "to-f32",
        title: "f16 to f32, 1.9 GB in, 3.8 GB out",
        job: Job::ToF32,
        rounds: 3,
        contestants: &[
            (Reader::Ours, Weights::Model, Checkpoint),
            (Reader::Safetensors, Weights::Model, Safetensors),
            (Reader::Plain, Weights::Model, Checkpoint),
        ],
    },
    Work {
        name: "into-f32",
        title: "f16 to f32 into one touched buffer",
        job: Job::IntoF32,
        rounds: 5,
        contestants: &[
            (Reader::Ours, Weights::Model, Checkpoint),
            (Reader::Plain, Weights::Model, Checkpoint),
            (Reader::Safetensors, Weights::Model, Safetensors),
        ],
    },
    Work {
        name: "views",
        title: "4,096 views of one 512 MiB storage into owned memory",
        job: Job::Own,
        rounds: 5,
        contestants: &[
            (Reader::Ours, Weights::Views, Checkpoint),
            // The same storage as one tensor.
            (Reader::Ours, Weights::OneView, Checkpoint),
            (Reader::Plain, Weights::Views, Checkpoint),
            (Reader::Pytorch, Weights::Views, Checkpoint),
        ],
    },
];

pub fn run_all(options: &Options) -> Result {
    let unknown = options.only.iter().find(|name| !WORKS.iter().any(|work| work.name == *name));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
        return Err(format!("there is no work `{unknown}`, only {}", known.join(", ")).into());
    }
    let temporary = tempfile::tempdir()?;
    let dir = options.dir.as_deref().unwrap_or(temporary.path());
    println!("| work | reader | time | ratio | CPU time | ratio | whole process | peak memory |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for work in WORKS.iter().filter(|work| options.only.is_empty() || options.only.iter().any(|name| name == work.name))
    {
        for &(_, weights, _) in work.contestants {
            make(weights, dir)?;
        }
        compare(work, dir, options.rounds.unwrap_or(work.rounds))?;
    }
    println!(
        "\nMedians of fresh processes in alternation, files in the page cache. Time: until the result is there. Ratio: torch-checkpoint's by this reader's."
    );
    Ok(())
}

/// In a process of its own, so that what it takes is given back.
fn make(weights: Weights, dir: &Path) -> Result {
    std::fs::create_dir_all(dir)?;
    let status = Command::new(std::env::current_exe()?).args(["make", weights.name()]).arg(dir).status()?;
    if status.success() { Ok(()) } else { Err(format!("could not make `{}`", weights.name()).into()) }
}

fn compare(work: &Work, dir: &Path, rounds: usize) -> Result {
    let mut runs: Vec<Result<Vec<Run>, String>> = work.contestants.iter().map(|_| Ok(Vec::new())).collect();
    // The round before the first fills caches and finds out who refuses.
    for round in 0..=rounds {
        for (&(reader, weights, form), runs) in work.contestants.iter().zip(&mut runs) {
            let Ok(done) = runs else { continue };
            let extension = match form {
                Checkpoint => "pt",
                Safetensors => "safetensors",
            };
            match run(work.job, reader, &dir.join(weights.name()).with_extension(extension))? {
                Err(refusal) => *runs = Err(refusal),
                Ok(_) if round == 0 => {}
                Ok(run) => done.push(run),
            }
        }
    }
    agree(work, &runs)?;
    let ours = runs.first().and_then(|runs| Typical::of(runs.as_ref().ok()?));
    for (n, (&(reader, weights, _), runs)) in work.contestants.iter().zip(&runs).enumerate() {
        let title = if n == 0 { work.title } else { "" };
        let what = match weights {
            Weights::OneView => ", as one tensor",
            _ => "",
        };
        print!("| {title} | {}{what} | ", reader.name());
        match runs.as_ref().map(|runs| Typical::of(runs)) {
            Err(refusal) => println!("{} | | | | | |", refusal.replace('|', "/").chars().take(60).collect::<String>()),
            Ok(None) => println!("| | | | | |"),
            Ok(Some(typical)) => {
                let ratio = |of: fn(&Typical) -> u64| match &ours {
                    Some(ours) if n > 0 => format!("{:.2}", of(ours) as f64 / of(&typical) as f64),
                    _ => String::new(),
                };
                println!(
                    "{} | {} | {} | {} | {} | {:.1} MiB |",
                    time(typical.nanos),
                    ratio(|typical| typical.nanos),
                    time(typical.cpu_nanos),
                    ratio(|typical| typical.cpu_nanos),
                    time(typical.process_nanos),
                    typical.peak_kib as f64 / 1024.0
                );
            }
        }
    }
    Ok(())
}

/// All that read the same weights must have read the same.
fn agree(work: &Work, runs: &[Result<Vec<Run>, String>]) -> Result {
    let mut checks = work.contestants.iter().zip(runs).filter_map(|(&(reader, ..), runs)| {
        let run = runs.as_ref().ok()?.first()?;
        (reader != Reader::Plain).then_some((reader, run.check))
    });
    let Some((_, first)) = checks.next() else { return Ok(()) };
    match checks.find(|&(_, check)| check != first) {
        None => Ok(()),
        Some((reader, check)) => {
            Err(format!("{}: {} read {check}, torch-checkpoint {first}", work.name, reader.name()).into())
        }
    }
}

fn time(nanos: u64) -> String {
    match nanos as f64 / 1e6 {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}
