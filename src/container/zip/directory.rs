//! The archive's table of contents: what the central directory says about each record, checked as far as the directory
//! alone allows, in one block of text and one row of numbers per record.
//!
//! Nothing here points into the file: a mapped file may change after it was checked, these copies cannot.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering as Atomic};

use super::central::{CentralHeader, code_page_437, method_name};
use super::end::{CENTRAL_HEADER_LEN, End};
use crate::error::{Error, Shown};
use crate::source::RecordId;

/// A local header without its name and extra fields.
pub(super) const LOCAL_HEADER_LEN: u64 = 30;

/// How a record's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// One record, as the central directory describes it.
#[derive(Debug)]
pub(super) struct Record {
    name: Range<u32>,
    /// Where the local header starts.
    pub(super) header_start: u64,
    /// Where the next record's local header, or the central directory, starts. Nothing of this record may lie behind.
    pub(super) room_end: u64,
    /// Bytes in the file.
    pub(super) packed_len: u64,
    /// Bytes once unpacked.
    pub(super) len: u64,
    /// CRC-32 of the unpacked bytes; 0 for a record with bytes means that none was recorded.
    pub(super) crc: u32,
    pub(super) method: Method,
    /// Where the data start, once the local header has been checked; 0 until then (no data start there).
    pub(super) checked_start: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Directory {
    names: String,
    records: Vec<Record>,
    /// The names' own bytes where they are not UTF-8, sorted by record.
    raw_names: Vec<(u32, Box<[u8]>)>,
    /// The records in the order of their names: shorter ones first, so that the counters which torch names storages with
    /// are in order as they come, and sorting them costs a look at each.
    by_name: Vec<u32>,
    /// The record that was found last: the next one is likely to be wanted next.
    found_last: AtomicU32,
}

impl Directory {
    /// Copies the central directory out of the file.
    ///
    /// # Errors
    /// Malformed: damaged headers, duplicate names, overlapping records, sizes beyond the file. Unsupported: encryption,
    /// compression methods other than deflate.
    pub(super) fn read(bytes: &[u8], end: &End) -> Result<Self, Error> {
        let range = usize::try_from(end.directory_start).ok().zip(usize::try_from(end.directory_end).ok());
        let directory = range.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| contradiction(end))?;
        // `end` made sure that so many headers can be there.
        let count = usize::try_from(end.records).map_err(|_| contradiction(end))?;
        let names_len = end.records.saturating_mul(CENTRAL_HEADER_LEN);
        let names_len = directory.len().saturating_sub(usize::try_from(names_len).unwrap_or(0));
        let mut this = Self {
            names: String::with_capacity(names_len),
            records: Vec::with_capacity(count),
            raw_names: Vec::new(),
            by_name: Vec::with_capacity(count),
            found_last: AtomicU32::new(0),
        };
        let mut name = Vec::new();
        let mut rest = directory;
        for _ in 0..count {
            let at = end.directory_end.saturating_sub(u64::try_from(rest.len()).unwrap_or(0));
            let header = CentralHeader::read(rest)
                .map_err(|what| Error::malformed(format!("the central directory is damaged: {what}")).at(at))?;
            rest = rest.get(header.header_len..).unwrap_or_default();
            // The file may change while it is looked at; a copy does not.
            name.clear();
            name.extend_from_slice(header.raw_name);
            this.push(&name, &header, at)?;
        }
        if !rest.is_empty() {
            return Err(contradiction(end));
        }
        this.index()?;
        this.make_room(end)?;
        Ok(this)
    }

    fn push(&mut self, raw_name: &[u8], header: &CentralHeader<'_>, at: u64) -> Result<(), Error> {
        let decoded;
        let name = match (std::str::from_utf8(raw_name), header.second_name) {
            (Ok(name), _) => name,
            (Err(_), second) => {
                let second = second.and_then(|second| String::from_utf8(second.to_vec()).ok());
                decoded = second.unwrap_or_else(|| code_page_437(raw_name));
                &decoded
            }
        };
        let refuse = |error: Error| Err(error.in_record(name).at(at));
        if raw_name != name.as_bytes() {
            let id = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
            self.raw_names.push((id, raw_name.into()));
        } else if header.second_name.is_some_and(|second| second != raw_name) {
            // For a name that is text already, that would be a way to show different names to different readers.
            return refuse(Error::malformed("the record has two names: its extra fields contradict its header"));
        }
        // Bit 0: encrypted; bit 6: strong encryption; bit 13: masked headers (APPNOTE 4.4.4).
        if header.flags & ENCRYPTED != 0 {
            return refuse(Error::unsupported("the record is encrypted; save the checkpoint without a password"));
        }
        let method = match header.method {
            0 => Method::Stored,
            8 => Method::Deflated,
            other => {
                return refuse(Error::unsupported(format!(
                    "the record is compressed with {}; only stored and deflated records are read: repack the archive with one of these",
                    method_name(other)
                )));
            }
        };
        if method == Method::Stored && header.packed_len != header.len {
            return refuse(Error::malformed(format!(
                "the record is stored as it is, but declares {} bytes in the archive and {} unpacked",
                header.packed_len, header.len
            )));
        }
        let start = self.names.len();
        self.names.push_str(name);
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.names.len())) else {
            return refuse(Error::limit("the records' names take more than 4 GiB"));
        };
        self.records.push(Record {
            name: start..end,
            header_start: header.header_start,
            room_end: 0,
            packed_len: header.packed_len,
            len: header.len,
            crc: header.crc,
            method,
            checked_start: AtomicU64::new(0),
        });
        Ok(())
    }

    /// Makes names findable; a name that comes twice is an error (torch's releases disagree on which one counts).
    fn index(&mut self) -> Result<(), Error> {
        let Self { names, records, by_name, .. } = self;
        let name_of = |id: u32| name_of(names, records, id);
        by_name.extend((0..).take(records.len()));
        let mut twice = None;
        by_name.sort_by(|&a, &b| {
            let order = by_len_and_bytes(name_of(a), name_of(b));
            // No sort can place two that are equal without having compared them.
            if order.is_eq() && a != b {
                twice = Some(a);
            }
            order
        });
        twice.map_or(Ok(()), |id| Err(duplicate_of(name_of(id))))
    }

    /// Gives each record the room up to the next one's header, and checks that what it declares fits in there. Two
    /// records can then never share bytes.
    fn make_room(&mut self, end: &End) -> Result<(), Error> {
        let starts = self.records.iter().map(|record| record.header_start);
        let mut order: Vec<(u64, u32)> = Vec::new();
        if !starts.clone().is_sorted() {
            order.extend(starts.zip(0..));
            order.sort_unstable();
        }
        let in_order = |this: &Self, position: usize| match order.get(position) {
            Some(&(start, id)) => Some((start, id)),
            None => Some((this.records.get(position)?.header_start, u32::try_from(position).ok()?)),
        };
        for position in 0..self.records.len() {
            let Some((start, id)) = in_order(self, position) else { continue };
            let (room_end, next) = match in_order(self, position.saturating_add(1)) {
                Some((start, next)) => (start, Some(next)),
                None => (end.directory_start, None),
            };
            let raw_name_len = u64::try_from(self.raw_name(RecordId(id)).len()).unwrap_or(u64::MAX);
            let Some(record) = self.records.get_mut(usize::try_from(id).unwrap_or(usize::MAX)) else { continue };
            record.room_end = room_end;
            let least_end = start
                .checked_add(LOCAL_HEADER_LEN)
                .and_then(|end| end.checked_add(raw_name_len))
                .and_then(|end| end.checked_add(record.packed_len));
            if least_end.is_none_or(|least_end| least_end > room_end) {
                let packed_len = record.packed_len;
                let behind = match next {
                    Some(next) => format!("the record `{}`", Shown(self.name(RecordId(next)))),
                    None => "the central directory".to_owned(),
                };
                return Err(Error::malformed(format!(
                    "the record's {packed_len} bytes overlap {behind}, which starts at byte {room_end}"
                ))
                .in_record(self.name(RecordId(id)))
                .at(start));
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The bytes of all records in the file.
    pub(super) fn packed_len(&self) -> u64 {
        self.records.iter().fold(0, |sum, record| sum.saturating_add(record.packed_len))
    }

    /// Every record, in the order of the directory.
    pub(super) fn ids(&self) -> impl Iterator<Item = RecordId> + use<> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(RecordId)
    }

    pub(super) fn record(&self, id: RecordId) -> Option<&Record> {
        self.records.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn name(&self, id: RecordId) -> &str {
        name_of(&self.names, &self.records, id.0)
    }

    /// The name's own bytes, as both headers spell it.
    pub(super) fn raw_name(&self, id: RecordId) -> &[u8] {
        if !self.raw_names.is_empty()
            && let Ok(found) = self.raw_names.binary_search_by_key(&id.0, |(id, _)| *id)
            && let Some((_, raw_name)) = self.raw_names.get(found)
        {
            return raw_name;
        }
        self.name(id).as_bytes()
    }

    /// All names, in the directory's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| range(&self.names, &record.name))
    }

    pub(super) fn find(&self, name: &str) -> Option<RecordId> {
        self.find_in(name, "")
    }

    /// Finds `<folder><base>` without putting the name together.
    pub(super) fn find_in(&self, folder: &str, base: &str) -> Option<RecordId> {
        let is_it = |&id: &u32| self.name(RecordId(id)).strip_prefix(folder) == Some(base);
        // Relaxed is enough: this is but a guess.
        let last = self.found_last.load(Atomic::Relaxed);
        let found = [last.saturating_add(1), last].into_iter().find(is_it).or_else(|| {
            let place = self.by_name.binary_search_by(|&id| compare(self.name(RecordId(id)), folder, base)).ok()?;
            self.by_name.get(place).copied()
        })?;
        self.found_last.store(found, Atomic::Relaxed);
        Some(RecordId(found))
    }
}

/// Bits of the general-purpose flags that mean encryption: 0, 6 (strong) and 13 (masked headers), APPNOTE 4.4.4.
pub(super) const ENCRYPTED: u16 = 0x2041;

fn name_of<'a>(names: &'a str, records: &[Record], id: u32) -> &'a str {
    usize::try_from(id).ok().and_then(|id| records.get(id)).map_or("", |record| range(names, &record.name))
}

fn range<'a>(names: &'a str, range: &Range<u32>) -> &'a str {
    let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else { return "" };
    names.get(start..end).unwrap_or("")
}

fn by_len_and_bytes(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// As [`by_len_and_bytes`] of a name and `<folder><base>`.
fn compare(name: &str, folder: &str, base: &str) -> Ordering {
    let by_len = name.len().cmp(&folder.len().saturating_add(base.len()));
    by_len.then_with(|| match name.as_bytes().split_at_checked(folder.len()) {
        Some((front, back)) => front.cmp(folder.as_bytes()).then_with(|| back.cmp(base.as_bytes())),
        // Not with lengths that are equal.
        None => Ordering::Less,
    })
}

fn duplicate_of(name: &str) -> Error {
    Error::malformed("two records of the archive have this name; readers disagree on which one counts").in_record(name)
}

fn contradiction(end: &End) -> Error {
    Error::malformed("the central directory contradicts the archive's end record").at(end.directory_start)
}
