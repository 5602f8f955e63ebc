//! Exit codes and messages.

use crate::{command, fixture, fixtures, refusal, run};

#[test]
fn wrong_usage_is_2() {
    let file = fixture("tied.pt");
    for args in [
        &[][..],
        &["sohw"],
        &["show"],
        &["show", "--jsn", &file],
        &["show", &file, &file],
        &["show", "--map-location", "cuda:x", &file],
        &["show", "--map-location", "cuda:0=", &file],
        &["verify"],
        &["scan"],
        &["diff", &file],
        &["completions"],
        &["man", "shwo"],
        &["show", "--sort", "colour", &file],
        &["show", "--depth", "1", &file],
        &["show", "--include", "[", &file],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    let typo = String::from_utf8(run(&["sohw"]).stderr).unwrap();
    assert!(typo.contains("'show'"), "{typo}");
}

#[test]
fn help_and_version_are_printed() {
    for args in [
        &["--help"][..],
        &["show", "--help"],
        &["verify", "--help"],
        &["scan", "--help"],
        &["diff", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
        &["--version"],
    ] {
        let output = run(args);
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("checkpoint"));
    }
}

#[test]
fn a_missing_file_and_a_missing_key_are_named() {
    assert!(refusal(&["show", "no/such/file.pt"]).starts_with("error: no/such/file.pt: "));
    let message = refusal(&["show", "--key", "modle", &fixture("training_checkpoint.pt")]);
    assert!(message.contains("`modle`") && message.contains("`model`"), "{message}");
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    assert!(!refusal(&["show", "no\u{1b}[2J.pt"]).contains('\u{1b}'));
    assert!(!refusal(&["verify", "no\u{1b}[2J.pt"]).contains('\u{1b}'));
}

#[test]
fn the_working_directory_stays_empty() {
    let empty = tempdir("stays_empty");
    let file = std::fs::canonicalize(fixtures().join("zip/torch-2.15/tied.pt")).unwrap();
    for args in [&["show", "--json", "--sha256"][..], &["show"], &["verify"], &["scan"], &["scan", "--json"]] {
        let output = command().args(args).arg(&file).current_dir(&empty).output().unwrap();
        assert!(output.status.success());
    }
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
}

/// A new folder of this test's own.
pub(crate) fn tempdir(test: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command().args(["show", &fixture("tied.pt")]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write to standard output: "));
}
