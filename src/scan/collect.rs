//! Puts a report together: findings once each, as many as are worth listing, and the verdict that follows.

use hashbrown::HashSet;

use super::{Finding, NameClass, Report, Verdict};
use crate::error::{Error, Shown};

#[derive(Default)]
pub(super) struct Collected {
    findings: Vec<Finding>,
    /// Record, offset and name of those.
    known: HashSet<(String, u64, String)>,
    worst: Option<NameClass>,
    not_listed: u64,
    dangerous: usize,
    pub(super) errors: Vec<Error>,
    weights_only: Vec<String>,
    refused: HashSet<String>,
    pub(super) pickles: usize,
    pub(super) note: Option<String>,
}

/// Of dangerous names so many are listed beyond the others.
const MORE_DANGEROUS: usize = 1_000;
/// How many errors are listed.
const MAX_ERRORS: usize = 100;
/// How long a name is shown.
const MAX_SHOWN: usize = 500;

impl Collected {
    pub(super) fn find(&mut self, mut finding: Finding) {
        self.worst = self.worst.max(Some(finding.class));
        let is_dangerous = finding.class == NameClass::Dangerous;
        let room = self.findings.len() < Report::MAX_FINDINGS || (is_dangerous && self.dangerous < MORE_DANGEROUS);
        if !room {
            self.not_listed = self.not_listed.saturating_add(1);
            return;
        }
        if finding.global.len() > MAX_SHOWN {
            finding.global = finding.global.chars().take(MAX_SHOWN).chain(['…']).collect();
        }
        let known = (finding.record.clone(), finding.offset, finding.global.clone());
        if !self.known.insert(known) && self.findings.contains(&finding) {
            return;
        }
        if is_dangerous {
            self.dangerous = self.dangerous.saturating_add(1);
        }
        if finding.is_refused_by_weights_only() && self.refused.insert(finding.global.clone()) {
            self.weights_only.push(format!("`{}` is not on its list", Shown(&finding.global)));
        }
        self.findings.push(finding);
    }

    pub(super) fn refuse_opcode(&mut self, record: &str, offset: u64, opcode: &str) {
        if self.weights_only.len() < Report::MAX_FINDINGS {
            let place = if record.is_empty() { String::new() } else { format!("{} ", Shown(record)) };
            self.weights_only.push(format!("{place}at byte {offset}: it does not know the opcode {opcode}"));
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    /// How many findings there are, for [`sort_since`](Self::sort_since).
    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    /// Puts the findings of a pickle in the order of the pickle.
    pub(super) fn sort_since(&mut self, len: usize) {
        if let Some(new) = self.findings.get_mut(len..) {
            new.sort_by_key(|finding| finding.offset);
        }
    }

    pub(super) fn report(mut self) -> Report {
        if self.not_listed > 0 {
            self.fail(Error::limit(format!(
                "the file mentions {} more names than a report lists; the verdict counts them all",
                self.not_listed
            )));
        }
        let verdict = match self.worst {
            Some(NameClass::Dangerous) => Verdict::Dangerous,
            Some(NameClass::Unknown | NameClass::Harmless) => Verdict::NeedsTrust,
            Some(NameClass::Listed) | None if self.errors.is_empty() => Verdict::Safe,
            Some(NameClass::Listed) | None => Verdict::Unreadable,
        };
        Report {
            path: None,
            verdict,
            findings: self.findings,
            errors: self.errors,
            weights_only: self.weights_only,
            pickles: self.pickles,
            note: self.note,
        }
    }
}
