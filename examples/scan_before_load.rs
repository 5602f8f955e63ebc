//! Scan a file before it is loaded, or handed on: `cargo run --example scan_before_load -- [FILE]`
//! Ends with 1 if Python would run something that is known to be dangerous.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::process::ExitCode;

use torch_checkpoint::{Error, LoadOptions, NameClass, Verdict, scan};

fn main() -> Result<ExitCode, Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "fixtures/zip/torch-2.15/trained_cnn_cuda.pt".to_owned());
    // One report for each file: there may be several in a folder.
    for report in scan(&path) {
        println!("{}", report.verdict);
        for finding in report.findings.iter().filter(|finding| finding.class != NameClass::Listed) {
            println!("  {} at byte {} of {}: {}", finding.global, finding.offset, finding.record, finding.reason);
        }
        if report.verdict == Verdict::Dangerous {
            return Ok(ExitCode::FAILURE);
        }
    }
    // Whatever the verdict, loading here runs nothing. Checksums are verified as the tensors are read.
    let weights = LoadOptions::new().map_location("cpu").verify_checksums(true).load_state_dict(&path)?;
    println!("{} tensors", weights.len());
    Ok(ExitCode::SUCCESS)
}
