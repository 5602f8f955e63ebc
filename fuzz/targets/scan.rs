//! Any bytes, scanned: whatever opens, the scan has seen every name that it mentions.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use torch_checkpoint::{Report, ScanOptions, Verdict};
use torch_checkpoint_fuzz::{limits, one_sentence, options};

fuzz_target!(|bytes: &[u8]| {
    let report = ScanOptions::new().limits(limits()).scan_bytes(bytes.to_vec());
    report.errors.iter().for_each(one_sentence);
    assert!(report.verdict != Verdict::Safe || report.errors.is_empty());
    if report.findings.len() >= Report::MAX_FINDINGS {
        return;
    }
    if let Ok(checkpoint) = options().open_bytes(bytes.to_vec()) {
        let found: HashSet<&str> = report.findings.iter().map(|finding| &*finding.global).collect();
        for global in checkpoint.globals() {
            let name = format!("{}.{}", global.module, global.name);
            assert!(found.contains(&*name), "{name:?} is not among {found:?}");
        }
    }
});
