//! `torch-checkpoint verify`: reads everything.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use torch_checkpoint::{Device, Error, LoadOptions, Storage};

use crate::args::Verify;
use crate::bar::bar;
use crate::failure::Failure;
use crate::output::Output;
use crate::remedies::said;
use crate::text::{clean, count, plural};

pub(crate) fn run(args: &Verify) -> Result<ExitCode, Failure> {
    let mut sound = true;
    for path in &args.paths {
        match verify(path) {
            Ok(line) => {
                let mut output = Output::new();
                output.text(&line)?;
                output.finish()?;
            }
            Err(defects) => {
                sound = false;
                let mut stderr = std::io::stderr().lock();
                for defect in defects {
                    // The exit code says it all the same if nobody reads this.
                    let _ = writeln!(stderr, "error: {}", said(&defect));
                }
            }
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is right with a file, or all that is wrong.
fn verify(path: &Path) -> Result<String, Vec<Error>> {
    let one = |error| vec![error];
    let checkpoint = LoadOptions::new().verify_checksums(true).open(path).map_err(one)?;
    let bar = bar(path);
    let defects = checkpoint.verify_with(|progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    if !defects.is_empty() {
        return Err(defects);
    }
    // Names may be too deep or too many to be listed; that is no defect.
    let tensors = checkpoint.tensors().map(|tensors| format!("{}, ", plural(tensors.len(), "tensor")));
    let tensors = tensors.unwrap_or_default();
    let data = checkpoint.storages().filter(|storage| *storage.device() != Device::Meta);
    let bytes = data.map(Storage::nbytes).fold(0, u64::saturating_add);
    let path = path.to_string_lossy();
    let path = clean(&path);
    Ok(format!("{path}: ok ({tensors}{} bytes)\n", count(bytes)))
}
