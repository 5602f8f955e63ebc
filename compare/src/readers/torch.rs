//! torch itself, in Python.

use std::path::Path;
use std::process::Command;

use super::Job;
use crate::files::Form;
use crate::measure::name;

/// Does the jobs and reports as [`crate::child`] does; reads its arguments there.
const SCRIPT: &str = include_str!("torch.py");

pub fn command(python: &Path, job: Job, path: &Path, form: Form, deep: bool) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, &name(job), &name(form)]).arg(path).arg(if deep { "deep" } else { "shallow" });
    command
}

/// torch's version, if the Python can import it.
pub fn version(python: &Path) -> Option<String> {
    let output = Command::new(python).args(["-c", "import torch; print(torch.__version__)"]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().split('+').next().unwrap_or_default().to_owned())
}
