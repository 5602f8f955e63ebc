//! The pickles in a piece of data: at its beginning, one behind the other, in its byte strings, and hidden behind other bytes.

use hashbrown::HashSet;
use memchr::memchr_iter;

use super::Finding;
use super::collect::Collected;
use super::dig::{Digger, Wanted};
use super::judge::judge;
use crate::error::Error;
use crate::pickle::{Item, Seen, Trace, begins_with_opcode, trace};
use crate::source::Source;

/// How far the pickles at the beginning of some data reach.
#[derive(Default)]
pub(super) struct Sequence {
    pub(super) count: usize,
    pub(super) end: usize,
}

impl Digger<'_> {
    /// Follows the pickle at the beginning and all that stand directly behind it: whoever loads one can load the next. What
    /// is no pickle is an error if one is `expected`.
    pub(super) fn sequence(
        &mut self,
        source: &Source,
        record: &str,
        (wanted, expected): (Wanted, bool),
        depth: usize,
    ) -> Sequence {
        let bytes = source.bytes();
        let mut sequence = Sequence::default();
        while let Some(rest) = bytes.get(sequence.end..).filter(|rest| !rest.is_empty()) {
            let trace = trace(rest, self.limits);
            let is_wanted = expected && sequence.count == 0;
            match &trace.error {
                None => {}
                Some(error) if is_wanted => self.out.fail(located(error.clone(), record, sequence.end)),
                // What looks like a pickle for a while may be one that breaks off when it has done its work.
                Some(_) if is_work(&trace, rest) || (wanted == Wanted::Checkpoint && trace.is_plausible()) => {}
                Some(_) => break,
            }
            if is_wanted || !trace.is_inert() {
                self.take(&trace, source, record, sequence.end, depth);
            } else if expected {
                self.out.pickles = self.out.pickles.saturating_add(1);
            }
            if let Err(error) = self.step(trace.consumed) {
                self.out.fail(located(error, record, sequence.end));
                break;
            }
            if trace.error.is_some() {
                break;
            }
            sequence.count = sequence.count.saturating_add(1);
            sequence.end = sequence.end.saturating_add(trace.consumed);
        }
        sequence
    }

    /// Follows whole pickles of protocol 2 or later that begin anywhere behind `from`. Those that name nothing are nothing.
    pub(super) fn hunt(&mut self, source: &Source, record: &str, from: usize, depth: usize) {
        let Some(rest) = source.bytes().get(from..) else { return };
        let mut next = 0;
        for at in memchr_iter(0x80, rest) {
            let candidate = rest.get(at..).unwrap_or_default();
            if at < next || !matches!(candidate, [0x80, 0..=5, ..]) {
                continue;
            }
            let trace = trace(candidate, self.limits);
            if trace.error.is_none() {
                next = at.saturating_add(trace.consumed);
                if !trace.is_inert() {
                    self.take(&trace, source, record, from.saturating_add(at), depth);
                }
            }
            if let Err(error) = self.step(trace.consumed) {
                return self.out.fail(located(error, record, from.saturating_add(at)));
            }
        }
    }

    /// Judges a pickle, which begins at `base`, and what lies in its byte strings.
    fn take(&mut self, trace: &Trace<'_>, source: &Source, record: &str, base: usize, depth: usize) {
        let offset = |at: u64| at.saturating_add(u64::try_from(base).unwrap_or(u64::MAX));
        let out: &mut Collected = &mut self.out;
        out.pickles = out.pickles.saturating_add(1);
        let before = out.len();
        judge(trace, &mut |finding: Finding| {
            out.find(Finding { record: record.to_owned(), offset: offset(finding.offset), ..finding });
        });
        out.sort_since(before);
        if let Some((at, opcode)) = trace.refused_opcode {
            out.refuse_opcode(record, offset(u64::try_from(at).unwrap_or(u64::MAX)), opcode);
        }
        let encoded = trace.calls.iter().filter_map(|call| encoded_text(trace, call.callable, call.args));
        let mut seen = HashSet::new();
        for item in trace.data().chain(encoded).filter(|&item| seen.insert(item)) {
            let Some(place) = trace.place(item) else { continue };
            let start = base.saturating_add(place.start);
            let data = if trace.is_verbatim(item) {
                let at = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
                source.slice(at(start)..at(start.saturating_add(place.len())))
            } else {
                trace.bytes(item).map(Source::from)
            };
            if let Some(data) = data.filter(|data| may_hold_a_pickle(data.bytes())) {
                let place =
                    if record.is_empty() { format!("bytes at {start}") } else { format!("{record}: bytes at {start}") };
                self.blob(&data, &place, Wanted::Anything, depth.saturating_add(1));
            }
        }
    }
}

/// The text that `_codecs.encode` is given: so protocols 0 to 2 write byte strings.
fn encoded_text(trace: &Trace<'_>, callable: Item, args: Item) -> Option<Item> {
    match (trace.see(callable), trace.see(args)) {
        (Seen::Global(mention), Seen::Group(&[text, ..], _)) if trace.names(mention) == Some(("_codecs", "encode")) => {
            Some(text)
        }
        _ => None,
    }
}

/// Whether a pickle that breaks off has done anything before. A text that begins with `c` names something as well.
fn is_work(trace: &Trace<'_>, bytes: &[u8]) -> bool {
    trace.is_plausible() && (!trace.calls.is_empty() || matches!(bytes, [0x80, 0..=5, ..]))
}

/// The shortest pickle that names anything: `ca\nb\n.`
const SHORTEST: usize = 6;

fn may_hold_a_pickle(bytes: &[u8]) -> bool {
    const CONTAINERS: [&[u8]; 3] = [b"PK\x03\x04", b"\x1f\x8b", b"\x93NUMPY"];
    bytes.len() >= SHORTEST && (CONTAINERS.iter().any(|mark| bytes.starts_with(mark)) || begins_with_opcode(bytes))
}

fn located(error: Error, record: &str, base: usize) -> Error {
    let base = u64::try_from(base).unwrap_or(u64::MAX);
    let error = if base == 0 { error } else { error.moved(base) };
    if record.is_empty() { error } else { error.in_record(record) }
}
