//! Zip archives, as leniently as any reader takes them: several in a file, records that the directory lacks, headers that
//! contradict each other, data that break off.

use super::dig::{Digger, NPY, Wanted, is_name_of_a_pickle};
use crate::container::{Archive, Kind, Salvaged, archives, find_end, salvage, sniff};
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::source::Source;

/// How much of a compressed record is looked at before it is worth unpacking.
const GLANCE: usize = 64 << 10;

impl Digger<'_> {
    /// What looks like an archive and is none, as in weights, is no error unless `is_one`.
    pub(super) fn zip(&mut self, source: &Source, record: &str, is_one: bool, depth: usize) {
        let found = match archives(source.bytes(), self.limits) {
            Ok(found) => found,
            Err(error) => return self.out.fail(if record.is_empty() { error } else { error.inside(record) }),
        };
        let last = found.last().map_or(0, |&(start, _)| start);
        if last == 0 {
            self.archive(source, record, is_one, depth);
        } else {
            // Several, one behind the other, or one behind other bytes.
            let at = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
            let mut before = 0;
            for (start, end) in found {
                if let Some(gap) = source.slice(at(before)..at(start)).filter(|gap| gap.len() > 0) {
                    self.archive(&gap, record, false, depth);
                }
                if let Some(archive) = source.slice(at(start)..at(end)) {
                    let name = if start == 0 {
                        record.to_owned()
                    } else {
                        Self::inside(record, &format!("archive at byte {start}"))
                    };
                    self.archive(&archive, &name, is_one, depth);
                }
                before = end;
            }
            if let Some(rest) = source.slice(at(before)..source.len()).filter(|rest| rest.len() > 0) {
                self.archive(&rest, record, false, depth);
            }
        }
        // What follows the last archive, or all archives, may be pickles.
        if is_one && let Some(end) = find_end(source.bytes()).and_then(|end| usize::try_from(end).ok()) {
            self.hunt(source, record, end, depth);
        }
    }

    fn archive(&mut self, source: &Source, record: &str, is_one: bool, depth: usize) {
        let in_record = |error: Error| if record.is_empty() { error } else { error.inside(record) };
        let entries = match salvage(source.bytes(), self.limits) {
            Ok(entries) => entries,
            Err(error) => return self.out.fail(in_record(error)),
        };
        let mut archive: Option<&Salvaged> = None;
        for entry in &entries {
            // The records of an archive that is a record are found with that one.
            if !entry.is_listed && archive.is_some_and(|archive| entry.is_within(archive)) {
                continue;
            }
            let name = Self::inside(record, &entry.name);
            let counts = is_one && entry.is_listed;
            if counts && entry.is_encrypted {
                let error = Error::unsupported("the record is encrypted, so that what it holds cannot be told");
                self.out.fail(error.in_record(&name));
            }
            let named_so = counts && !entry.is_encrypted && is_name_of_a_pickle(&entry.name);
            let wanted = match entry.stored() {
                _ if named_so => Wanted::Pickle,
                None => Wanted::Unpacked,
                Some(_) => Wanted::Anything,
            };
            match self.read(source, entry, &name) {
                Ok(data) if data.bytes().is_empty() => {}
                Ok(data) => {
                    if entry.stored().is_some() && data.bytes().starts_with(b"PK\x03\x04") {
                        archive = Some(entry);
                    }
                    self.blob(&data, &name, wanted, depth.saturating_add(1));
                }
                Err(error) if counts => self.out.fail(error.in_record(&name)),
                Err(_) => {}
            }
        }
        if is_one && self.out.errors.is_empty() {
            // Damage and contradictions; other archives than torch's are none.
            match Archive::open(source.clone(), self.limits, false) {
                Err(error) if error.kind() != ErrorKind::NotACheckpoint || entries.is_empty() => {
                    self.out.fail(in_record(error));
                }
                _ => {}
            }
        }
    }

    /// The data of a record, of compressed ones as much as may matter.
    fn read(&mut self, source: &Source, entry: &Salvaged, name: &str) -> Result<Source, Error> {
        let at = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
        if let Some(range) = entry.stored() {
            return Ok(source.slice(at(range.start)..at(range.end)).unwrap_or_else(|| Source::from(&[][..])));
        }
        let mut most = GLANCE;
        loop {
            let (bytes, has_more) = entry.beginning(source.bytes(), most)?;
            if !has_more || !self.is_worth_more(&bytes, name) {
                self.unpack(bytes.len())?;
                return Ok(Source::from(bytes.into_owned()));
            }
            most = most.saturating_mul(16);
            self.unpack(bytes.len())?;
            Limits::check("decompressed_bytes", at(most), self.limits.decompressed_bytes.saturating_mul(16))?;
            let allowed = usize::try_from(self.limits.decompressed_bytes).unwrap_or(usize::MAX);
            most = most.min(allowed.max(GLANCE));
            if bytes.len() >= most {
                return Err(Error::limit("the record unpacks to more than `Limits::decompressed_bytes` allows"));
            }
        }
    }

    fn is_worth_more(&self, beginning: &[u8], name: &str) -> bool {
        let is_container = matches!(
            sniff(&Source::from(beginning.to_vec())),
            Kind::Zip | Kind::Gzip | Kind::Tar | Kind::PrefixedZip | Kind::LegacyStream
        );
        is_container
            || is_name_of_a_pickle(name)
            || beginning.starts_with(NPY)
            || crate::pickle::trace(beginning, self.limits).ran_out
    }
}
