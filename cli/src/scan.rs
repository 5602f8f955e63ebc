//! `torch-checkpoint scan`: what would a file do if Python unpickled it?

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use torch_checkpoint::{Finding, NameClass, Report, ScanOptions, Verdict};

use crate::args::Scan;
use crate::failure::Failure;
use crate::output::Output;
use crate::remedies::said;
use crate::text::{clean, fit_middle, plural};

pub(crate) fn run(args: &Scan) -> Result<ExitCode, Failure> {
    let mut worst = Verdict::Safe;
    for path in &args.paths {
        for report in ScanOptions::new().scan(path) {
            worst = worst.max(report.verdict);
            let mut output = Output::new();
            if args.json {
                output.json(&Line::of(&report))?;
                output.text("\n")?;
            } else {
                output.text(&page(&report, args.all))?;
            }
            output.finish()?;
        }
    }
    Ok(match worst {
        Verdict::Safe => ExitCode::SUCCESS,
        Verdict::NeedsTrust => ExitCode::from(3),
        Verdict::Dangerous => ExitCode::from(4),
        _ => ExitCode::FAILURE,
    })
}

/// What is printed of a file as JSON, on one line.
#[derive(Serialize)]
struct Line<'r> {
    file: String,
    verdict: &'static str,
    pickles: usize,
    findings: Vec<JsonFinding<'r>>,
    weights_only: &'r [String],
    errors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'r str>,
}

#[derive(Serialize)]
struct JsonFinding<'r> {
    record: &'r str,
    offset: u64,
    global: &'r str,
    class: &'static str,
    usage: &'static str,
    weights_only: &'static str,
    reason: &'r str,
}

impl<'r> Line<'r> {
    fn of(report: &'r Report) -> Self {
        Self {
            file: name(report),
            verdict: report.verdict.as_str(),
            pickles: report.pickles,
            findings: report.findings.iter().map(JsonFinding::of).collect(),
            weights_only: &report.weights_only,
            errors: report.errors.iter().map(said).collect(),
            note: report.note.as_deref(),
        }
    }
}

impl<'r> JsonFinding<'r> {
    fn of(finding: &'r Finding) -> Self {
        Self {
            record: &finding.record,
            offset: finding.offset,
            global: &finding.global,
            class: finding.class.as_str(),
            usage: finding.usage.as_str(),
            weights_only: if finding.is_refused_by_weights_only() { "refused" } else { "accepted" },
            reason: &finding.reason,
        }
    }
}

fn name(report: &Report) -> String {
    report.path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The groups of findings for people, the worst first.
const GROUPS: [(NameClass, &str); 4] = [
    (NameClass::Dangerous, "dangerous"),
    (NameClass::Unknown, "only as safe as the packages they are from"),
    (NameClass::Harmless, "harmless, but not on the list of torch's weights_only"),
    (NameClass::Listed, "on the list of torch's weights_only"),
];
/// How many names of a group are printed, the dangerous ones aside.
const FEW: usize = 12;
/// How many columns a name gets at most.
const NAME_COLUMNS: usize = 72;

/// What is printed of a file for people: a line with the verdict, then what it rests on.
fn page(report: &Report, all: bool) -> String {
    let mut page = format!("{}: {}", clean(&name(report)), report.verdict);
    let refused = !report.weights_only.is_empty();
    // Writing to a String does not fail.
    let _ = match (report.pickles, &report.note) {
        (0, Some(note)) => writeln!(page, " ({})", clean(note)),
        (0, None) => writeln!(page, " (no pickles)"),
        (pickles, _) => {
            let torch = if refused { "refuses it" } else { "accepts its names and opcodes" };
            writeln!(page, " ({}; torch.load with weights_only {torch})", plural(pickles, "pickle"))
        }
    };
    for error in &report.errors {
        let _ = writeln!(page, "  not read: {}", clean(&said(error)));
    }
    for (class, title) in GROUPS {
        let found: Vec<&Finding> = report.findings.iter().filter(|finding| finding.class == class).collect();
        if found.is_empty() {
            continue;
        }
        let _ = writeln!(page, "  {}, {title}", plural(found.len(), "name"));
        let shown = match class {
            _ if all => found.len(),
            NameClass::Dangerous => 100,
            // Every state dict has those.
            NameClass::Listed => 0,
            _ => FEW,
        };
        for finding in found.iter().take(shown) {
            let place = if finding.record.is_empty() { String::new() } else { format!("{} ", finding.record) };
            let _ = writeln!(
                page,
                "    {}  {}, {}at byte {}: {}",
                fit_middle(&clean(&finding.global), NAME_COLUMNS),
                finding.usage.as_str(),
                clean(&place),
                finding.offset,
                clean(&finding.reason)
            );
        }
        let left = found.len().saturating_sub(shown);
        if left > 0 && shown > 0 {
            let _ = writeln!(page, "    and {} (all of them with --all)", plural(left, "other"));
        }
    }
    page
}
