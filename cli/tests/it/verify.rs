//! `verify` reads everything.

use crate::{fixture, fixtures, run, stdout};

#[test]
fn sound_files_are_ok() {
    let file = fixture("tied.pt");
    assert_eq!(stdout(&["verify", &file]), format!("{file}: ok (14 tensors, 224 bytes)\n"));
    for folder in ["zip/torch-2.15", "zip/torch-2.5", "zip/torch-1.13", "rewritten"] {
        let files = std::fs::read_dir(fixtures().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| !path.to_str().unwrap().ends_with(".json")).collect();
        let mut args = vec![std::path::PathBuf::from("verify")];
        args.extend(files.iter().cloned());
        assert_eq!(stdout(&args).lines().count(), files.len());
    }
}

#[test]
fn defects_are_listed_and_the_other_files_still_read() {
    let damaged = fixtures().join("refused/x_flipped_bit.pt").into_os_string().into_string().unwrap();
    let sound = fixture("tied.pt");
    let output = run(&["verify", &damaged, "no/such/file.pt", &sound]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with(&format!("error: {damaged}: ")), "{stderr}");
    assert!(lines[0].contains("checksum") && lines[0].contains("`w`"), "{stderr}");
    assert!(lines[1].starts_with("error: no/such/file.pt: "), "{stderr}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(&sound));
}
