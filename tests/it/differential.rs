//! Random files, and what torch said of them: `fixtures/make/differential.py` makes them and compares many more where there
//! is torch. The differences that are accepted are listed, with reasons, in `fixtures/differential/README.md`.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use serde_json::value::RawValue;
use torch_checkpoint::{Backing, Checkpoint, Error, Layout, LoadOptions, Tensor, ZeroPoints};

use crate::oracle::differences;
use crate::support::{TempFile, fixture};

type Line = BTreeMap<String, Box<RawValue>>;

/// What torch and this crate made of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Equal,
    BothRefuse,
    TorchRefuses,
    WeRefuse,
    Differ,
}

struct Case {
    file: String,
    bytes: Vec<u8>,
    outcome: Outcome,
    line: Line,
}

fn cases() -> Vec<Case> {
    let archive = std::fs::read(fixture("differential/cases.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let lines = std::fs::read_to_string(fixture("differential/answers.jsonl")).unwrap();
    let cases: Vec<Case> = lines
        .lines()
        .map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            let text = |field: &str| serde_json::from_str::<String>(line[field].get()).unwrap();
            let outcome = match text("outcome").as_str() {
                "equal" => Outcome::Equal,
                "both refuse" => Outcome::BothRefuse,
                "torch refuses" => Outcome::TorchRefuses,
                "we refuse" => Outcome::WeRefuse,
                "differ" => Outcome::Differ,
                other => panic!("the outcome `{other}`"),
            };
            let mut bytes = Vec::new();
            archive.by_name(&text("file")).unwrap().read_to_end(&mut bytes).unwrap();
            Case { file: text("file"), bytes, outcome, line }
        })
        .collect();
    assert_eq!(cases.len(), archive.len(), "each file has a line");
    cases
}

/// Everything that the command line reads for its listing.
fn read_all(checkpoint: &Checkpoint) -> Result<(), Error> {
    let listing = checkpoint.leaves("")?;
    listing.leaves.iter().filter_map(|leaf| leaf.value.as_tensor()).try_for_each(read)
}

fn read(tensor: &Tensor) -> Result<(), Error> {
    if let Some(quantization) = tensor.quantization() {
        quantization.scales()?;
        let (ZeroPoints::Int(_) | ZeroPoints::Float(_)) = quantization.zero_points()?;
    }
    match tensor.layout() {
        _ if tensor.location() == "meta" || tensor.device().to_string() == "meta" => Ok(()),
        Layout::Strided => tensor.bytes().map(drop),
        Layout::Nested => tensor.unbind()?.iter().try_for_each(read),
        _ => read(&tensor.to_dense()?),
    }
}

/// Every file has the outcome that it had when torch was asked.
fn all_have_their_outcome(open: impl Fn(&Case) -> Result<Checkpoint, Error>) {
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::<Outcome, usize>::new();
    for case in cases() {
        *seen.entry(case.outcome).or_default() += 1;
        let read = open(&case).and_then(|checkpoint| read_all(&checkpoint).map(|()| checkpoint));
        let answer = case.line.get("answer").map(|answer| serde_json::from_str(answer.get()).unwrap());
        let mut say = |what: String| wrong.push(format!("{} ({:?}): {what}", case.file, case.outcome));
        match (case.outcome, read) {
            (Outcome::Equal, Ok(checkpoint)) => {
                differences(&answer.unwrap(), &checkpoint).into_iter().for_each(say);
            }
            (Outcome::Differ, Ok(checkpoint)) => {
                if differences(&answer.unwrap(), &checkpoint).is_empty() {
                    say("is equal".into());
                }
            }
            (Outcome::TorchRefuses, Ok(_)) => {}
            (Outcome::BothRefuse | Outcome::WeRefuse, Err(error)) => {
                let sentence = error.to_string();
                if sentence.len() < 10 || sentence.lines().count() != 1 {
                    say(format!("no plain sentence: {sentence}"));
                }
            }
            (Outcome::BothRefuse | Outcome::WeRefuse, Ok(_)) => say("is accepted".into()),
            (_, Err(error)) => say(format!("is refused: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen[&Outcome::Equal] >= 150 && seen[&Outcome::BothRefuse] >= 50 && seen.len() == 5, "{seen:?}");
}

#[test]
fn random_files_have_torchs_answer_or_an_accepted_one() {
    all_have_their_outcome(|case| LoadOptions::new().open_bytes(case.bytes.clone()));
}

#[test]
fn mapped_random_files_have_torchs_answer_or_an_accepted_one() {
    all_have_their_outcome(|case| {
        let file = TempFile::with(&format!("differential-{}", case.file), &case.bytes);
        LoadOptions::new().backing(Backing::Mapped).open(&file.0)
    });
}
