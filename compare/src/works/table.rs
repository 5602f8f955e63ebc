//! The Markdown table.

use std::path::Path;

use super::{Contestant, Outcome, Target, Work};
use crate::Result;
use crate::files::{Form, nbytes};
use crate::measure::Typical;
use crate::readers::{Job, Reader};

pub(super) fn head() {
    println!("| work | reader | time | ratio | CPU time | ratio | whole process | peak memory | target |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
}

/// Prints a work's rows; gives what has to be said below the table.
pub(super) fn rows(work: &Work, outcomes: &[Outcome], dir: &Path, torch: Option<&str>) -> Result<Vec<String>> {
    let typical = |outcome: &Outcome| match outcome {
        Outcome::Runs(runs) => Typical::of(runs),
        Outcome::Refused(_) | Outcome::Different => None,
    };
    let ours = outcomes.first().and_then(typical);
    let mut from_disk = Vec::new();
    for (n, (contestant, outcome)) in work.contestants.iter().zip(outcomes).enumerate() {
        if contestant.reader == Reader::Torch && torch.is_none() {
            continue;
        }
        let title = if n == 0 { format!("`{}`: {}", work.name, work.title) } else { String::new() };
        print!("| {title} | {} | ", label(work, contestant, torch.unwrap_or_default()));
        match (outcome, typical(outcome)) {
            (Outcome::Refused(refusal), _) => {
                println!("{} | | | | | | |", refusal.replace('|', "/").chars().take(70).collect::<String>());
            }
            (Outcome::Different, _) => println!("reads something else | | | | | | |"),
            (_, None) => println!("| | | | | | |"),
            (_, Some(typical)) => {
                let against = ours.as_ref().filter(|_| n > 0);
                let ratio = |of: fn(&Typical) -> u64| {
                    against.map_or(String::new(), |ours| two_digits(of(ours) as f64 / of(&typical) as f64))
                };
                let file = contestant.file.path(dir);
                println!(
                    "{} | {} | {} | {} | {} | {:.1} MiB | {} |",
                    time(typical.nanos),
                    ratio(|typical| typical.nanos),
                    time(typical.cpu_nanos),
                    ratio(|typical| typical.cpu_nanos),
                    time(typical.process_nanos),
                    typical.peak_kib as f64 / 1024.0,
                    verdict(contestant.target, ours.as_ref(), &typical, nbytes(&file)?)
                );
                from_disk.push(typical.disk_bytes as f64 / 1e9);
            }
        }
    }
    let (least, most) = from_disk.iter().fold((f64::MAX, 0.0_f64), |(a, b), &gb| (a.min(gb), b.max(gb)));
    Ok(if work.cold && !from_disk.is_empty() {
        vec![format!("`{}`: {least:.2} to {most:.2} GB came from the disk, by reader.", work.name)]
    } else {
        Vec::new()
    })
}

pub(super) fn foot(torch: Option<&str>, remarks: &[String]) {
    println!();
    println!(
        "Medians of fresh processes in alternation, files in the page cache unless said. Time: from opening the file"
    );
    println!("until the result is there. Ratio: torch-checkpoint's by this reader's. Target: of that ratio.");
    remarks.iter().for_each(|remark| println!("{remark}"));
    if torch.is_none() {
        println!("Without torch: the Python asked for it (`--torch`) has none.");
    }
}

fn label(work: &Work, contestant: &Contestant, torch: &str) -> String {
    let others_weights = contestant.file.weights != work.contestants[0].file.weights;
    match (contestant.reader, work.job, contestant.file.form) {
        (Reader::TorchCheckpoint, ..) if others_weights => "torch-checkpoint, as one tensor".into(),
        (Reader::TorchCheckpoint, ..) => "torch-checkpoint".into(),
        (Reader::Safetensors, ..) => "safetensors".into(),
        (Reader::Candle, ..) => "candle-core".into(),
        (Reader::Pytorch, ..) => "pytorch-reader".into(),
        (Reader::Torch, ..) => format!("torch {torch}"),
        (Reader::Plain, Job::Sum, _) => "plain pass over the mapped file".into(),
        (Reader::Plain, Job::Own | Job::Load, Form::Deflated) => "plain inflate".into(),
        (Reader::Plain, Job::ToF32, _) => "plain copy of as many bytes".into(),
        (Reader::Plain, Job::IntoF32, _) => "copy of the output bytes, touched".into(),
        (Reader::Plain, ..) => "plain copy".into(),
    }
}

fn verdict(target: Option<Target>, ours: Option<&Typical>, theirs: &Typical, file_nbytes: u64) -> String {
    let (Some(target), Some(ours)) = (target, ours) else { return String::new() };
    let time = ours.nanos as f64 / theirs.nanos as f64;
    let (wanted, met) = match target {
        Target::Time(most) => (format!("≤ {most:.2}"), time <= most),
        Target::TimeAndPeak(most) => {
            (format!("≤ {most:.2}, memory ≤ 1"), time <= most && ours.peak_kib <= theirs.peak_kib)
        }
        Target::PeakOfFile(most) => {
            let share = ours.peak_kib as f64 * 1024.0 / file_nbytes as f64;
            (format!("memory ≤ {:.0} % of the file", most * 100.0), share <= most)
        }
    };
    format!("{wanted}: {}", if met { "met" } else { "**not met**" })
}

/// A ratio, so that a target can be seen to be met or not.
fn two_digits(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn time(nanos: u64) -> String {
    match nanos as f64 / 1e6 {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}
