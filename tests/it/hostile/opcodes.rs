//! Each opcode of each pickle replaced by another one, under a right checksum.

use std::ops::Range;

use super::{Effort, files_below, shown, survives};

/// The opcodes by what follows them, apart from the reader's own table.
const ALONE: &[u8] = b"().012NQRabdelostu]}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98";
const LINE: &[u8] = b"FILPSVgp";
const TWO_LINES: &[u8] = b"ci";
/// Opcode and bytes of its argument.
const FIXED: &[(u8, usize)] = &[
    (b'G', 8),
    (b'J', 4),
    (b'K', 1),
    (b'M', 2),
    (b'h', 1),
    (b'j', 4),
    (b'q', 1),
    (b'r', 4),
    (0x80, 1),
    (0x82, 1),
    (0x83, 2),
    (0x84, 4),
    (0x95, 8),
];
/// Opcode and bytes of the length in front of its data.
const COUNTED: &[(u8, usize)] = &[
    (b'B', 4),
    (b'C', 1),
    (b'T', 4),
    (b'U', 1),
    (b'X', 4),
    (0x8a, 1),
    (0x8b, 4),
    (0x8c, 1),
    (0x8d, 8),
    (0x8e, 8),
    (0x96, 8),
];

fn all_opcodes() -> Vec<u8> {
    let with = FIXED.iter().chain(COUNTED).map(|&(opcode, _)| opcode);
    let all: Vec<u8> = ALONE.iter().chain(LINE).chain(TWO_LINES).copied().chain(with).collect();
    assert_eq!(all.len(), 68);
    all
}

/// Where the opcodes of the pickle at the start of the bytes are, up to its STOP.
fn opcodes(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    let line = |from: usize| bytes.get(from..)?.iter().position(|&byte| byte == b'\n').map(|len| from + len + 1);
    loop {
        let opcode = *bytes.get(at)?;
        places.push(at);
        at += 1;
        let size_in = |table: &[(u8, usize)]| table.iter().find(|(other, _)| *other == opcode).map(|(_, size)| *size);
        if opcode == b'.' {
            return Some(places);
        } else if LINE.contains(&opcode) {
            at = line(at)?;
        } else if TWO_LINES.contains(&opcode) {
            at = line(line(at)?)?;
        } else if let Some(size) = size_in(FIXED) {
            at += size;
        } else if let Some(size) = size_in(COUNTED) {
            let mut len = [0; 8];
            len[..size].copy_from_slice(bytes.get(at..at + size)?);
            at = at.checked_add(size)?.checked_add(usize::try_from(u64::from_le_bytes(len)).ok()?)?;
        } else if !ALONE.contains(&opcode) {
            return None;
        }
    }
}

/// The pickles in a file, whatever is around them, each as its place and those of its opcodes.
fn pickles(bytes: &[u8]) -> Vec<(Range<usize>, Vec<usize>)> {
    let mut found: Vec<(Range<usize>, Vec<usize>)> = Vec::new();
    for at in 0..bytes.len() {
        let begins = at == 0 || matches!(bytes[at..], [0x80, 2..=5, ..]);
        if begins
            && found.last().is_none_or(|(place, _)| at >= place.end)
            && let Some(opcodes) = opcodes(&bytes[at..])
            && opcodes.len() > 2
        {
            let end = at + opcodes[opcodes.len() - 1] + 1;
            found.push((at..end, opcodes.into_iter().map(|place| at + place).collect()));
        }
    }
    found
}

/// The file with one byte of a pickle changed; where it holds the pickle's checksum, as an archive does, the right one.
fn forged(bytes: &[u8], pickle: &Range<usize>, place: usize, opcode: u8) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    let before = crc32fast::hash(&copy[pickle.clone()]).to_le_bytes();
    copy[place] = opcode;
    let after = crc32fast::hash(&copy[pickle.clone()]).to_le_bytes();
    for at in 0..copy.len().saturating_sub(3) {
        if copy[at..at + 4] == before {
            copy[at..at + 4].copy_from_slice(&after);
        }
    }
    copy
}

fn sweep(effort: Effort) {
    let all = all_opcodes();
    let folders =
        ["zip", "rewritten", "legacy", "tar", "pickle", "torchscript", "export", "package", "sharded", "distributed"];
    let (mut tried, mut loaded, mut seen) = (0_usize, 0_usize, 0_usize);
    for path in folders.into_iter().flat_map(files_below) {
        let (name, bytes) = (shown(&path), std::fs::read(&path).unwrap());
        for (pickle, opcodes) in pickles(&bytes) {
            for chosen in effort.places(&name, opcodes.len()) {
                let place = opcodes[chosen];
                // One after the other, over all files; thoroughly, one in twelve for each place.
                let count = if effort == Effort::Thorough { all.len() / 12 } else { 1 };
                for _ in 0..count {
                    seen = (seen + 29) % all.len();
                    let (old, new) = (bytes[place], all[seen]);
                    if old != new {
                        let what = || format!("{name}: opcode {new:#04x} for {old:#04x} at {place}");
                        loaded += usize::from(survives(what, forged(&bytes, &pickle, place, new), false));
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 2000 && loaded > tried / 100 && loaded < tried, "{tried} tried, {loaded} loaded");
}

#[test]
fn case_111_each_opcode_replaced() {
    sweep(Effort::Sample);
}

#[test]
#[ignore = "thorough: for a release build"]
fn thorough_opcodes() {
    sweep(Effort::Thorough);
}
