//! What a scan finds: nothing in these tests is ever unpickled, and the files that would run something are built here.

mod calls;
mod containers;
mod encodings;

use crate::pickle_builder::{Code, dict, f32_tensor, f32s, ordered_dict, pickle, reduce, text};
use crate::support::{fixtures, open};
use crate::zip_builder::torch_archive;
use torch_checkpoint::{LoadOptions, NameClass, Report, ScanOptions, Usage, Verdict, scan};

fn scanned(bytes: impl Into<Vec<u8>>) -> Report {
    ScanOptions::new().scan_bytes(bytes.into())
}

#[track_caller]
fn assert_verdict(bytes: impl Into<Vec<u8>>, verdict: Verdict, what: &str) {
    let report = scanned(bytes);
    assert_eq!(report.verdict, verdict, "{what}: {:?} {:?}", report.findings, report.errors);
}

#[track_caller]
fn assert_dangerous(bytes: impl Into<Vec<u8>>, what: &str) {
    assert_verdict(bytes, Verdict::Dangerous, what);
}

/// Protocol 0, 21 bytes: `os.system('ls')`.
const PAYLOAD: &[u8] = b"cos\nsystem\n(S'ls'\ntR.";

fn global(module: &str, name: &str) -> Code {
    crate::pickle_builder::global(module, name)
}

/// A call of `os.system`, as code.
fn call() -> Code {
    reduce(global("os", "system"), [text("ls")])
}

fn state_dict() -> Code {
    ordered_dict([("w", f32_tensor("0", &[2]))])
}

/// A sound archive of a state dict.
fn archive() -> Vec<u8> {
    torch_archive(&pickle(&state_dict()), &[("0", &f32s(&[1.0, 2.0]))])
}

#[test]
fn a_state_dict_is_safe_and_all_its_names_are_listed() {
    let report = scanned(archive());
    assert_eq!((report.verdict, report.pickles), (Verdict::Safe, 1));
    assert!(report.errors.is_empty() && report.weights_only.is_empty() && report.note.is_none());
    let names: Vec<&str> = report.findings.iter().map(|finding| &*finding.global).collect();
    assert_eq!(names, ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage"]);
    for finding in &report.findings {
        assert_eq!((finding.class, &*finding.record), (NameClass::Listed, "archive/data.pkl"));
        assert!(!finding.is_refused_by_weights_only());
    }
    assert_eq!(report.findings[2].usage, Usage::Mentioned);
}

#[test]
fn a_finding_says_what_where_and_why() {
    let report = scanned(torch_archive(&pickle(&dict([("x", call())])), &[]));
    assert_eq!(report.verdict, Verdict::Dangerous);
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((&*finding.global, &*finding.record), ("os.system", "archive/data.pkl"));
    // PROTO, EMPTY_DICT, MARK and BINUNICODE of one letter.
    assert_eq!(finding.offset, 10);
    assert_eq!((finding.class, finding.usage), (NameClass::Dangerous, Usage::Called));
    assert!(finding.reason.contains("standard library"), "{}", finding.reason);
    assert_eq!(report.weights_only, ["`os.system` is not on its list"]);
}

#[test]
fn what_weights_only_refuses_is_told_names_and_opcodes() {
    let report = scanned(b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.".to_vec());
    assert_eq!(report.verdict, Verdict::Safe);
    assert_eq!(report.weights_only, ["at byte 2: it does not know the opcode FRAME"]);
}

/// What of a legacy stream is cut off might have been anything.
#[test]
fn a_truncated_legacy_stream_is_not_safe() {
    let bytes = std::fs::read(fixtures().join("legacy/torch-1.0-py2/state_dict.pt")).unwrap();
    assert_eq!(scanned(bytes.clone()).verdict, Verdict::Safe);
    let whole = |len: usize| torch_checkpoint::LoadOptions::new().open_bytes(bytes[..len].to_vec()).is_ok();
    let mut cut = 0;
    for len in (16..bytes.len()).step_by(7).filter(|&len| !whole(len)).take_while(|&len| len < 700) {
        let report = scanned(bytes[..len].to_vec());
        assert_eq!(report.verdict, Verdict::Unreadable, "{len} bytes: {report:?}");
        cut += 1;
    }
    assert!(cut > 50, "{cut}");
}

#[test]
fn no_fixture_is_dangerous_and_plain_ones_are_safe() {
    let reports = scan(fixtures());
    assert!(reports.len() > 1_000, "{}", reports.len());
    let mut safe = 0;
    for report in &reports {
        let path = report.path.as_ref().unwrap();
        let shown = path.display();
        // Random files, of which any part may have been forged.
        if path.starts_with(fixtures().join("differential")) {
            continue;
        }
        assert_ne!(report.verdict, Verdict::Dangerous, "{shown}: {:?}", report.findings);
        if report.verdict == Verdict::Unreadable {
            // Refused by the loader as well.
            assert!(path.starts_with(fixtures().join("refused")), "{shown}: {:?}", report.errors);
        }
        if path.file_stem().is_some_and(|stem| stem == "state_dict" || stem == "tied") {
            assert_eq!(report.verdict, Verdict::Safe, "{shown}: {:?} {:?}", report.findings, report.errors);
            safe += 1;
        }
    }
    assert!(safe > 5, "{safe}");
}

/// The scan follows pickles with a machine of its own; it must see what the loader's sees.
#[test]
fn every_name_of_every_fixture_is_found() {
    let mut checked = 0;
    for report in scan(fixtures()) {
        let path = report.path.as_ref().unwrap();
        let Ok(checkpoint) = LoadOptions::new().open(path) else { continue };
        // What stands for a folder.
        if path.ends_with(".metadata") || path.extension().is_some_and(|extension| extension == "json") {
            continue;
        }
        for global in checkpoint.globals() {
            let full = format!("{}.{}", global.module, global.name);
            let found = report.findings.iter().any(|finding| finding.global == full);
            assert!(found, "{}: {full} is not among {:?}", path.display(), report.findings);
            checked += 1;
        }
    }
    assert!(checked > 3_000, "{checked}");
}

/// What the loader makes of a name must not contradict what the scan says of it.
#[test]
fn names_that_the_loader_gives_a_meaning_are_known() {
    let root = dict([("a", state_dict()), ("b", reduce(global("__builtin__", "frozenset"), []))]);
    let bytes = torch_archive(&pickle(&root), &[("0", &f32s(&[1.0, 2.0]))]);
    let checkpoint = open(bytes.clone());
    let report = scanned(bytes);
    assert_eq!(report.verdict, Verdict::NeedsTrust);
    for global in checkpoint.globals() {
        let full = format!("{}.{}", global.module, global.name);
        let finding = report.findings.iter().find(|finding| finding.global == full).unwrap();
        assert!(finding.class <= NameClass::Harmless, "{full}");
        assert_eq!((&*finding.record, finding.offset), (global.record, global.offset));
    }
}

#[test]
fn files_that_are_no_checkpoints_are_unreadable() {
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git-lfs"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"7z\xbc\xaf\x27\x1c\0\x04 and more of it", "7-Zip"),
        (b"\xfd7zXZ\0 and more", "xz"),
        (b"plain text", "text"),
    ] {
        let report = scanned(bytes);
        assert_eq!(report.verdict, Verdict::Unreadable, "{words}");
        assert!(report.errors[0].to_string().contains(words), "{}", report.errors[0]);
    }
    let missing = &scan("no/such/file.pt")[0];
    assert_eq!(missing.verdict, Verdict::Unreadable);
    assert!(missing.errors[0].to_string().starts_with("no/such/file.pt: "), "{}", missing.errors[0]);
}
