//! The built command, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod answers;
mod convert;
mod large;
mod people;
mod scan;
mod usage;
mod verify;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command, on 80 columns.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torch-checkpoint"));
    command.env_remove("COLUMNS").stdin(Stdio::null());
    command
}

fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    command().args(args).output().unwrap()
}

/// What it prints, having succeeded.
fn stdout<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that it fails with.
fn refusal<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> String {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.ends_with('\n') && stderr.lines().count() == 1, "{stderr}");
    stderr
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(args)).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// A fixture that the newest torch wrote.
fn fixture(name: &str) -> String {
    fixtures().join("zip/torch-2.15").join(name).into_os_string().into_string().unwrap()
}
