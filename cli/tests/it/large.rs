//! Many tensors, long output, readers that leave.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use crate::usage::tempdir;
use crate::{command, json, stdout};

const TENSORS: usize = 20_000;

/// A checkpoint of many one-element tensors that share `storages` storages.
fn checkpoint(test: &str, storages: usize) -> PathBuf {
    let mut pickle = b"\x80\x02}(".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        pickle.extend(text.as_bytes());
    };
    for n in 0..TENSORS {
        text(&mut pickle, &format!("blocks.{}.{}.weight", n / 10, n % 10));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &(n % storages).to_string());
        text(&mut pickle, "cuda:0");
        // Five elements; the view: offset 1, size (4,), stride (1,), no gradient, no hooks.
        pickle.extend(b"K\x05tQK\x01K\x04\x85K\x01\x85\x89}tR");
    }
    pickle.extend(b"u.");
    let path = tempdir(test).join("large.pt");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut record = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("large/{name}"), stored).unwrap();
        archive.write_all(bytes).unwrap();
    };
    record("data.pkl", &pickle);
    record("version", b"3\n");
    for n in 0..storages {
        record(&format!("data/{n}"), &[0; 20]);
    }
    archive.finish().unwrap();
    path
}

#[test]
fn all_are_listed() {
    let path = checkpoint("all_are_listed", 50);
    let path = path.to_str().unwrap();
    let listing = json(&["show", "--json", "--sha256", path]);
    let tensors = listing["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), TENSORS);
    assert_eq!(tensors[TENSORS - 1]["name"], "blocks.1999.9.weight");
    assert_eq!(tensors[53]["storage"], 3);
    assert!(tensors.iter().all(|tensor| tensor["sha256"] == tensors[0]["sha256"] && tensor["storage_offset"] == 1));

    // A pipe is no terminal: every tensor has its row.
    let table = stdout(&["show", path]);
    assert_eq!(table.lines().filter(|line| line.contains(".weight  ")).count(), TENSORS);
    assert!(table.contains("in 50 storages (50 shared)\n"), "{}", &table[table.len() - 600..]);
}

#[test]
fn a_reader_may_leave() {
    let path = checkpoint("a_reader_may_leave", 50);
    for args in [&["show"][..], &["show", "--json"]] {
        let mut child = command().args(args).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
    }
}
