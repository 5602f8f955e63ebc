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

use std::hash::BuildHasher;
use std::io::Cursor;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use hashbrown::{DefaultHashBuilder, HashTable};
use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};
use zip::result::ZipError;

use super::bytes::u16_at;
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
    by_name: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Directory {
    /// Copies the central directory out of the file.
    ///
    /// # Errors
    /// Malformed: damaged headers, duplicate names, overlapping records, sizes beyond the file. Unsupported: encryption,
    /// compression methods other than deflate.
    pub(super) fn read(bytes: &[u8], end: &End) -> Result<Self, Error> {
        let archive = bytes.get(..end.archive_end).ok_or_else(|| contradiction(end))?;
        // The default mode guesses the directory's place from its size and gets it wrong for torch's files whose stem
        // has 21 characters, because torch writes zip64 end records without need.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip =
            ZipArchive::with_config(config, Cursor::new(archive)).map_err(|e| damaged(&e).at(end.directory_start))?;
        if zip.has_duplicate_names() {
            return Err(duplicate(bytes, end));
        }
        if zip.central_directory_start() != end.directory_start || u64::try_from(zip.len()) != Ok(end.records) {
            return Err(contradiction(end));
        }
        let names_len = end.directory_end.saturating_sub(end.directory_start);
        let names_len = names_len.saturating_sub(end.records.saturating_mul(CENTRAL_HEADER_LEN));
        let mut directory = Self {
            names: String::with_capacity(usize::try_from(names_len).unwrap_or(0)),
            records: Vec::with_capacity(zip.len()),
            raw_names: Vec::new(),
            by_name: HashTable::with_capacity(zip.len()),
            hasher: DefaultHashBuilder::default(),
        };
        let mut last_header = end.directory_start;
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|e| damaged(&e).at(end.directory_start))?;
            last_header = entry.central_header_start();
            directory.push(bytes, &entry)?;
        }
        drop(zip);
        let header_end = central_header(bytes, last_header).map(|(_, end)| end);
        if header_end != Some(end.directory_end) {
            return Err(contradiction(end));
        }
        directory.index()?;
        directory.make_room(end)?;
        Ok(directory)
    }

    fn push(&mut self, bytes: &[u8], entry: &zip::read::ZipFileEntry<'_>) -> Result<(), Error> {
        let at = entry.central_header_start();
        let name = entry.name().map_err(|e| damaged(&e).at(at))?;
        let refuse = |error: Error| Err(error.in_record(&name).at(at));
        let (raw_name, _) = central_header(bytes, at).ok_or_else(|| {
            Error::malformed("the file changed while its central directory was read").in_record(&name).at(at)
        })?;
        if raw_name != name.as_bytes() {
            // Names in another encoding. An extra field may also give a second name; for one that is text already
            // that would be a way to show different names to different readers.
            if std::str::from_utf8(raw_name).is_ok() {
                return refuse(Error::malformed("the record has two names: its extra fields contradict its header"));
            }
            let id = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
            self.raw_names.push((id, raw_name.into()));
        }
        let flags = entry.flags().as_u16();
        // Bit 0: encrypted; bit 6: strong encryption; bit 13: masked headers (APPNOTE 4.4.4).
        if flags & ENCRYPTED != 0 {
            return refuse(Error::unsupported("the record is encrypted; save the checkpoint without a password"));
        }
        let method = match entry.compression() {
            CompressionMethod::Stored => Method::Stored,
            CompressionMethod::Deflated => Method::Deflated,
            other => {
                return refuse(Error::unsupported(format!(
                    "the record is compressed with {}; only stored and deflated records are read: repack the archive with one of these",
                    method_name(other)
                )));
            }
        };
        if method == Method::Stored && entry.compressed_size() != entry.size() {
            return refuse(Error::malformed(format!(
                "the record is stored as it is, but declares {} bytes in the archive and {} unpacked",
                entry.compressed_size(),
                entry.size()
            )));
        }
        let start = self.names.len();
        self.names.push_str(&name);
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.names.len())) else {
            return refuse(Error::limit("the records' names take more than 4 GiB"));
        };
        self.records.push(Record {
            name: start..end,
            header_start: entry.header_start(),
            room_end: 0,
            packed_len: entry.compressed_size(),
            len: entry.size(),
            crc: entry.crc32(),
            method,
            checked_start: AtomicU64::new(0),
        });
        Ok(())
    }

    /// Makes names findable; a name that comes twice is an error (torch's releases disagree on which one counts).
    fn index(&mut self) -> Result<(), Error> {
        let Self { names, records, by_name, hasher, .. } = self;
        let name_of = |id: u32| name_of(names, records, id);
        for id in (0..).take(records.len()) {
            let name = name_of(id);
            let hash = hash(hasher, name);
            if by_name.find(hash, |&other| name_of(other) == name).is_some() {
                return Err(duplicate_of(name));
            }
            by_name.insert_unique(hash, id, |&other| self::hash(hasher, name_of(other)));
        }
        Ok(())
    }

    /// Gives each record the room up to the next one's header, and checks that what it declares fits in there. Two
    /// records can then never share bytes.
    fn make_room(&mut self, end: &End) -> Result<(), Error> {
        let mut order: Vec<(u64, u32)> = self.records.iter().map(|record| record.header_start).zip(0..).collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let mut next_starts = order.iter().skip(1).map(|&(start, next)| (start, Some(next)));
        for &(start, id) in &order {
            let (room_end, next) = next_starts.next().unwrap_or((end.directory_start, None));
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
        let (folder, base) = split(name);
        self.find_in(self.folder_hash(folder), folder, base)
    }

    /// What [`find_in`](Self::find_in) wants to know about a folder (with its `/`).
    pub(super) fn folder_hash(&self, folder: &str) -> u64 {
        self.hasher.hash_one(folder)
    }

    /// Finds `<folder><base>` without putting the name together; `base` has no `/`.
    pub(super) fn find_in(&self, folder_hash: u64, folder: &str, base: &str) -> Option<RecordId> {
        let hash = join_hashes(folder_hash, self.hasher.hash_one(base));
        let found = self.by_name.find(hash, |&id| {
            let name = name_of(&self.names, &self.records, id);
            name.strip_prefix(folder) == Some(base)
        });
        found.copied().map(RecordId)
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

/// A name's folder, with its `/`, and the rest.
fn split(name: &str) -> (&str, &str) {
    name.rfind('/').and_then(|slash| name.split_at_checked(slash.saturating_add(1))).unwrap_or(("", name))
}

/// The two parts are hashed apart, so that a storage is found by its key without putting its name together.
fn hash(hasher: &DefaultHashBuilder, name: &str) -> u64 {
    let (folder, base) = split(name);
    join_hashes(hasher.hash_one(folder), hasher.hash_one(base))
}

fn join_hashes(folder: u64, base: u64) -> u64 {
    folder.rotate_left(1) ^ base
}

/// A central header's raw name, and where the header ends.
fn central_header(bytes: &[u8], at: u64) -> Option<(&[u8], u64)> {
    let header = bytes.get(usize::try_from(at).ok()?..)?;
    let name_len = u16_at(header, 28)?;
    let extra_len = u64::from(u16_at(header, 30)?);
    let comment_len = u64::from(u16_at(header, 32)?);
    let name_end = CENTRAL_HEADER_LEN.checked_add(u64::from(name_len))?;
    let name = header.get(usize::try_from(CENTRAL_HEADER_LEN).ok()?..usize::try_from(name_end).ok()?)?;
    Some((name, at.checked_add(name_end)?.checked_add(extra_len)?.checked_add(comment_len)?))
}

/// Walks the headers once more to find the name that comes twice: the `zip` crate only says that there is one.
fn duplicate(bytes: &[u8], end: &End) -> Error {
    let mut seen = std::collections::HashSet::new();
    let mut at = end.directory_start;
    while let Some((name, next)) = central_header(bytes, at).filter(|_| at < end.directory_end) {
        if !seen.insert(name) {
            return duplicate_of(&String::from_utf8_lossy(name)).at(at);
        }
        at = next;
    }
    Error::malformed("two records of the archive have the same name").at(end.directory_start)
}

fn duplicate_of(name: &str) -> Error {
    Error::malformed("two records of the archive have this name; readers disagree on which one counts").in_record(name)
}

fn contradiction(end: &End) -> Error {
    Error::malformed("the central directory contradicts the archive's end record").at(end.directory_start)
}

fn damaged(error: &ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) => Error::unsupported(format!("the zip archive cannot be read: {what}")),
        other => Error::malformed(format!("the central directory is damaged: {other}")),
    }
}

/// The names of APPNOTE 4.4.5.
fn method_name(method: CompressionMethod) -> String {
    #[expect(deprecated, reason = "the only way to learn the number of a method that the `zip` crate cannot unpack")]
    let CompressionMethod::Unsupported(number) = method else { return method.to_string() };
    let name = match number {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "XZ",
        98 => "PPMd",
        99 => "AES encryption",
        _ => return format!("the unknown method {number}"),
    };
    format!("{name} (method {number})")
}
