//! The `torch-checkpoint` command: looks into the files PyTorch saves. It prints; only `convert` writes files.

mod args;
mod bar;
mod columns;
mod convert;
mod diff;
mod failure;
mod groups;
mod hash;
mod json;
mod names;
mod number;
mod output;
mod pages;
mod paint;
mod pieces;
mod remedies;
mod report;
mod scan;
mod screen;
mod show;
mod text;
mod totals;
mod verify;
mod work;

use std::io::Write as _;
use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    let command = match args::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    let done = match &command {
        Command::Show(show) => show::run(show),
        Command::Verify(verify) => verify::run(verify),
        Command::Scan(scan) => scan::run(scan),
        Command::Convert(convert) => convert::run(convert),
        Command::Diff(diff) => diff::run(diff),
        Command::Completions(completions) => pages::completions(completions),
        Command::Man(man) => pages::man(man),
    };
    match done {
        Ok(code) => code,
        // Who reads has seen enough: `| head`.
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            // There is nobody left to tell if standard error is closed too.
            let _ = writeln!(std::io::stderr().lock(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}
