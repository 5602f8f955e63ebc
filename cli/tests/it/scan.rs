//! `scan` says what files would do, and changes nothing.

use crate::usage::tempdir;
use crate::{fixture, fixtures, run};

/// Protocol 0: `os.system('ls')`.
const PAYLOAD: &[u8] = b"cos\nsystem\n(S'ls'\ntR.";

/// Exit code and standard output.
fn scan(args: &[&str]) -> (i32, String) {
    let output = run(&[&["scan"], args].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn file(folder: &std::path::Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[test]
fn exit_codes_are_those_of_the_worst_file() {
    let folder = tempdir("scan_exit_codes");
    let safe = fixture("state_dict.pt");
    let needs_trust = fixture("python_collections.pt");
    let dangerous = file(&folder, "evil.pt", PAYLOAD);
    let unreadable = file(&folder, "text.pt", b"a text");
    let missing = "no/such/file.pt".to_owned();
    for (files, code) in [
        (&[&safe, &safe][..], 0),
        (&[&safe, &needs_trust], 3),
        (&[&dangerous, &needs_trust, &unreadable], 4),
        (&[&unreadable, &safe], 1),
        (&[&missing], 1),
        (&[&unreadable, &needs_trust], 3),
    ] {
        let files: Vec<&str> = files.iter().map(|file| file.as_str()).collect();
        for json in [&[][..], &["--json"]] {
            assert_eq!(scan(&[json, &files].concat()).0, code, "{files:?}");
        }
    }
}

#[test]
fn json_is_one_object_a_file() {
    let folder = tempdir("scan_json");
    let (code, output) = scan(&["--json", &fixture("state_dict.pt"), &file(&folder, "evil.pt", PAYLOAD)]);
    assert_eq!(code, 4);
    let lines: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["verdict"], "safe");
    assert_eq!(lines[0]["file"], *fixture("state_dict.pt"));
    assert!(lines[0]["findings"].as_array().unwrap().iter().all(|finding| finding["class"] == "listed"));
    let finding = &lines[1]["findings"][0];
    assert_eq!(lines[1]["verdict"], "dangerous");
    let expected = serde_json::json!({
        "record": "", "offset": 0, "global": "os.system", "class": "dangerous", "usage": "called", "weights_only": "refused",
        "reason": finding["reason"],
    });
    assert_eq!(*finding, expected);
    assert!(finding["reason"].as_str().unwrap().contains("standard library"));
    assert_eq!(lines[1]["weights_only"][0], "`os.system` is not on its list");
    assert_eq!(lines[1]["errors"].as_array().unwrap().len(), 0);
}

#[test]
fn people_are_told_what_where_and_why() {
    let folder = tempdir("scan_people");
    let evil = file(&folder, "evil.pt", PAYLOAD);
    let (_, output) = scan(&[&evil]);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], format!("{evil}: dangerous (1 pickle; torch.load with weights_only refuses it)"));
    assert_eq!(lines[1], "  1 name, dangerous");
    assert!(
        lines[2].starts_with("    os.system  called, at byte 0: it belongs to Python's standard library"),
        "{output}"
    );
    assert_eq!(lines.len(), 3);
    let safe = fixture("state_dict.pt");
    let (_, output) = scan(&[&safe]);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        lines[0],
        format!("{safe}: safe (1 pickle; torch.load with weights_only accepts its names and opcodes)")
    );
    assert!(lines[1].ends_with("on the list of torch's weights_only"), "{output}");
    assert_eq!(lines.len(), 2);
    let (_, all) = scan(&["--all", &safe]);
    assert!(all.contains("collections.OrderedDict  called, state_dict/data.pkl at byte "), "{all}");
    // Names cannot steer the terminal.
    let steering = file(&folder, "steering.pt", b"cos\x1b[2J\nsystem\xe2\x80\xae\n.");
    let (_, output) = scan(&[&steering]);
    assert!(!output.contains('\u{1b}') && !output.contains('\u{202e}'), "{output:?}");
    let unreadable = file(&folder, "text.pt", b"a text");
    let (_, output) = scan(&[&unreadable]);
    assert!(output.lines().nth(1).unwrap().starts_with("  not read: "), "{output}");
}

#[test]
fn folders_are_scanned_file_by_file() {
    let folder = fixtures().join("sharded/two_shards").into_os_string().into_string().unwrap();
    let (code, output) = scan(&["--json", &folder]);
    assert_eq!(code, 0, "{output}");
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(output.lines().count(), files);
}
