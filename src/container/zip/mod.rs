//! A zip archive as torch writes it: a table of contents, and records that are borrowed from the source.
//!
//! Opening touches the central directory only. Each record's own header (and its checksum, where wanted) is checked
//! when the record is first used, so that opening a large file faults in none of its pages.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod bytes;
mod central;
mod contents;
mod directory;
mod end;
mod inflate;
mod kind;
mod verify;
mod local;
mod salvage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering;

pub(crate) use self::kind::ArchiveKind;
pub(crate) use self::salvage::{Salvaged, archives, inflate_zlib, salvage};

use self::directory::{Directory, Method, Record};
use crate::error::{Error, Shown};
use crate::limits::Limits;
use crate::source::{ByteOrder, RecordId, Records, Source, Stable};

/// An opened archive that holds one `torch.save`.
pub(crate) struct Archive {
    source: Source,
    directory: Directory,
    limits: Limits,
    verify_checksums: bool,
    kind: ArchiveKind,
    /// The folder that all records lie in, with its `/`; empty if they lie at the top.
    root: String,
    /// Where the archive ends in the source.
    end: u64,
}

/// Where the last end record of a zip archive is, for files that do not begin as one.
pub(crate) fn find_end(bytes: &[u8]) -> Option<u64> {
    end::find(bytes).and_then(|at| u64::try_from(at).ok())
}

impl Archive {
    /// Reads the central directory. Up to 64 KiB of other bytes may follow the archive, none may precede it.
    ///
    /// # Errors
    /// Malformed: truncated, damaged or contradictory. Unsupported: encrypted, multi-disk, other compression methods
    /// than deflate; TorchScript and other program archives. Limit: too many records. Not a checkpoint: zip archives
    /// that hold something else.
    pub(crate) fn open(source: Source, limits: &Limits, verify_checksums: bool) -> Result<Self, Error> {
        let end = end::read(source.bytes(), limits)?;
        let directory = Directory::read(source.bytes(), &end)?;
        let (kind, root) = kind::recognise(&directory)?;
        let root = root.to_owned();
        Ok(Self { source, directory, limits: limits.clone(), verify_checksums, kind, root, end: end.archive_end })
    }

    /// Where the archive ends: its comment included, whatever follows it not.
    pub(crate) fn consumed(&self) -> u64 {
        self.end
    }

    /// What kind of archive it is, by its records.
    pub(crate) fn kind(&self) -> ArchiveKind {
        self.kind
    }

    /// The folder that all records lie in, without its `/`; empty if they lie at the top.
    pub(crate) fn root(&self) -> &str {
        self.root.strip_suffix('/').unwrap_or(&self.root)
    }

    /// The full name of what lies at a path below the root.
    pub(crate) fn path_of(&self, below: &str) -> String {
        format!("{}{below}", self.root)
    }

    /// The record at a path below the root.
    pub(crate) fn find(&self, below: &str) -> Option<RecordId> {
        self.directory.find_in(&self.root, below)
    }

    /// As [`find`](Self::find), for what the archive cannot do without.
    ///
    /// # Errors
    /// Malformed: there is no such record.
    pub(crate) fn require(&self, below: &str) -> Result<RecordId, Error> {
        self.find(below).ok_or_else(|| Error::malformed(format!("the archive has no record `{}`", Shown(below))))
    }

    /// The paths of all records below the root, in the order of the directory.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&str, RecordId)> {
        let named = |id| Some((self.name(id).strip_prefix(&*self.root)?, id));
        self.directory.ids().filter_map(named)
    }

    /// A record's name, the root included.
    pub(crate) fn name(&self, record: RecordId) -> &str {
        self.directory.name(record)
    }

    /// A record's size in bytes once unpacked, as the directory declares it; reading checks it.
    pub(crate) fn record_len(&self, record: RecordId) -> u64 {
        self.directory.record(record).map_or(0, |record| record.len)
    }

    /// A pickle's bytes, which nobody else can change any more. Its checksum is verified always.
    ///
    /// # Errors
    /// As [`Records::borrow`] and [`Records::produce`]. Limit: larger than `Limits::pickle_bytes`.
    pub(crate) fn pickle(&self, record: RecordId) -> Result<Stable<'_>, Error> {
        let allowed = self.limits.pickle_bytes.min(Limits::MAX_PICKLE_BYTES);
        Limits::check("pickle_bytes", self.record_len(record), allowed).map_err(|e| e.in_record(self.name(record)))?;
        self.stable(record)
    }

    /// As [`pickle`](Self::pickle), for JSON.
    ///
    /// # Errors
    /// As [`Records::borrow`] and [`Records::produce`]. Limit: larger than `Limits::json_bytes`.
    pub(crate) fn json(&self, record: RecordId) -> Result<Stable<'_>, Error> {
        Limits::check("json_bytes", self.record_len(record), self.limits.json_bytes)
            .map_err(|e| e.in_record(self.name(record)))?;
        self.stable(record)
    }

    /// A record's bytes as a source of its own: a part of this archive's if they are stored as they are.
    ///
    /// # Errors
    /// As [`Records::borrow`] and [`Records::produce`].
    pub(crate) fn source(&self, id: RecordId) -> Result<Source, Error> {
        let record = self.record(id)?;
        let data = self.checked(id, record, Verify::Once)?;
        match record.method {
            Method::Stored => self.source.slice(data).ok_or_else(|| self.lost(id)),
            Method::Deflated => self.inflated(id, record, data).map(Source::from),
        }
    }

    /// The record of a storage, or `None` if the archive has none under this key. `folder` is a full path.
    ///
    /// # Errors
    /// Malformed: the key is not a plain file name.
    pub(crate) fn storage(&self, folder: &str, key: &str) -> Result<Option<RecordId>, Error> {
        contents::check_key(key)?;
        Ok(self.directory.find_in(folder, key))
    }

    /// As [`storage`](Self::storage), for archives in which a key may name a folder below the root as well: it is looked
    /// for in `folder` first.
    ///
    /// # Errors
    /// Malformed: the key is neither a plain file name nor one in a folder.
    pub(crate) fn shared_storage(&self, folder: &str, key: &str) -> Result<Option<RecordId>, Error> {
        contents::check_path(key)?;
        let own = self.directory.find_in(folder, key);
        Ok(own.or_else(|| if key.contains('/') { self.find(key) } else { None }))
    }

    /// The byte order of the stored numbers; little unless the archive says otherwise.
    ///
    /// # Errors
    /// Malformed: the record `byteorder` holds anything but `little` or `big`. As [`Records::borrow`].
    pub(crate) fn byte_order(&self) -> Result<ByteOrder, Error> {
        match self.find("byteorder") {
            None => Ok(ByteOrder::Little),
            Some(record) => contents::byte_order(&self.short(record)?).map_err(|e| e.in_record(self.name(record))),
        }
    }

    /// The version of the archive's layout, 1 to 10. torch.save has always written 3.
    ///
    /// # Errors
    /// Malformed: no version, or none that is a number. Unsupported: another version. As [`Records::borrow`].
    pub(crate) fn version(&self) -> Result<u64, Error> {
        let record = self
            .find(".data/version")
            .or_else(|| self.find("version"))
            .ok_or_else(|| Error::malformed("the archive has no record `version`: it is incomplete"))?;
        contents::version(&self.short(record)?).map_err(|e| e.in_record(self.name(record)))
    }

    /// The text of a record that holds one word, without white space around it; `None` if there is no such record.
    ///
    /// # Errors
    /// Malformed: more than a word. As [`Records::borrow`].
    pub(crate) fn word(&self, below: &str) -> Result<Option<String>, Error> {
        let Some(record) = self.find(below) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(&self.short(record)?).trim().to_owned()))
    }

    /// A record's bytes, which nobody else can change any more, with their checksum verified.
    fn stable(&self, id: RecordId) -> Result<Stable<'_>, Error> {
        let record = self.record(id)?;
        let data = self.checked(id, record, Verify::Never)?;
        if record.method == Method::Deflated {
            return self.inflated(id, record, data).map(|bytes| Stable::Copied(bytes.into()));
        }
        let bytes = self.source.stable(data).map_err(|e| e.in_record(self.name(id)))?;
        verify(&bytes, record).map_err(|e| e.in_record(self.name(id)))?;
        Ok(bytes)
    }

    /// As [`stable`](Self::stable), for records that hold one word.
    fn short(&self, id: RecordId) -> Result<Stable<'_>, Error> {
        if self.record_len(id) > MAX_SHORT_LEN {
            return Err(Error::malformed(format!(
                "the record should hold one word and has {} bytes",
                self.record_len(id)
            ))
            .in_record(self.name(id)));
        }
        self.stable(id)
    }

    fn record(&self, id: RecordId) -> Result<&Record, Error> {
        self.directory.record(id).ok_or_else(|| Error::malformed("the archive has no such record"))
    }

    /// The range of the record's (packed) data in the source. Checks the record's own header at first use, and the
    /// checksum of what is stored if wanted.
    fn checked(&self, id: RecordId, record: &Record, wanted: Verify) -> Result<Range<u64>, Error> {
        // Relaxed is enough: the number depends on nothing else that another thread writes, and two threads that meet
        // here find out the same.
        let known = record.checked_start.load(Ordering::Relaxed);
        if known != 0 {
            return Ok(known..known.saturating_add(record.packed_len));
        }
        let start =
            local::check(&self.source, record, self.directory.raw_name(id)).map_err(|e| e.in_record(self.name(id)))?;
        let data = start..start.saturating_add(record.packed_len);
        match wanted {
            Verify::Never => {}
            Verify::Once => {
                if self.verify_checksums && record.method == Method::Stored {
                    let bytes = self.source.get(data.clone()).ok_or_else(|| self.lost(id))?;
                    verify(bytes, record).map_err(|e| e.in_record(self.name(id)))?;
                }
                record.checked_start.store(start, Ordering::Relaxed);
            }
        }
        Ok(data)
    }

    fn inflated(&self, id: RecordId, record: &Record, data: Range<u64>) -> Result<Vec<u8>, Error> {
        let packed = self.source.get(data).ok_or_else(|| self.lost(id))?;
        inflate::inflate(packed, record.len, &self.limits)
            .and_then(|bytes| verify(&bytes, record).map(|()| bytes))
            .map_err(|e| e.in_record(self.name(id)))
    }

    /// The directory's ranges all lie in the source, so this cannot happen; if it did, it would be said.
    fn lost(&self, id: RecordId) -> Error {
        Error::malformed("the record lies behind the end of the file").in_record(self.name(id))
    }
}

/// Whether to verify the checksum of stored data, and to remember that the record is in order.
#[derive(Clone, Copy)]
enum Verify {
    /// The caller does it, on bytes that cannot change any more.
    Never,
    /// At first use, if the archive was opened with `verify_checksums`.
    Once,
}

/// `byteorder` and `version` hold one word.
const MAX_SHORT_LEN: u64 = 256;

/// A recorded checksum of 0 for a record with bytes means that the writer left it out
/// (`torch.serialization.set_crc32_options(False)`).
fn verify(bytes: &[u8], record: &Record) -> Result<(), Error> {
    if record.crc == 0 { Ok(()) } else { compare(crc32fast::hash(bytes), record) }
}

fn compare(found: u32, record: &Record) -> Result<(), Error> {
    if record.crc == 0 || found == record.crc {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "the record's checksum is {found:#010x}, but the archive recorded {:#010x}: the file is damaged",
        record.crc
    )))
}

impl Records for Archive {
    fn borrow(&self, record: RecordId) -> Result<Option<&[u8]>, Error> {
        let entry = self.record(record)?;
        if entry.method == Method::Deflated {
            return Ok(None);
        }
        let data = self.checked(record, entry, Verify::Once)?;
        self.source.get(data).map(Some).ok_or_else(|| self.lost(record))
    }

    fn produce(&self, record: RecordId) -> Result<Vec<u8>, Error> {
        let entry = self.record(record)?;
        let data = self.checked(record, entry, Verify::Once)?;
        if entry.method == Method::Deflated {
            return self.inflated(record, entry, data);
        }
        let bytes = self.source.get(data).ok_or_else(|| self.lost(record))?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).map_err(|_| Error::no_memory(bytes.len()).in_record(self.name(record)))?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    fn is_stable(&self) -> bool {
        self.source.is_stable()
    }

    fn name(&self, record: RecordId) -> &str {
        self.directory.name(record)
    }

    fn defects(&self, progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
        Self::defects(self, progress)
    }

    fn len(&self) -> u64 {
        self.directory.packed_len()
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("source", &self.source)
            .field("kind", &self.kind)
            .field("root", &self.root())
            .field("records", &self.directory.len())
            .finish_non_exhaustive()
    }
}
