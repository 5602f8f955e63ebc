//! Where are the pickles? Every container that this crate knows is opened as leniently as any reader would, and every piece
//! of data in it is tried, whatever its name.

use super::Report;
use super::collect::Collected;
use super::pickles::Sequence;
use crate::container::{Kind, find_end, gunzip_into, inflate_zlib, refusal, sniff, tar_files};
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::source::Source;

/// Containers within containers, byte strings of pickles among them. Honest files have three.
const NESTING: usize = 8;

/// Magic number, version, facts about the writer, the object, the storages' keys.
const LEGACY_PICKLES: usize = 5;

/// Records may overlap, and be read in several ways. Honest files are unpacked once, and weights hardly at all.
const MOST_UNPACKED: u64 = 256;
/// Bytes of pickles that are followed for each byte of the file, and of what is unpacked.
const MOST_STEPS: u64 = 32;

/// Scans a file. One that is no checkpoint is an error, unless it stands `beside_others` in a folder.
pub(super) fn file(source: &Source, limits: &Limits, beside_others: bool) -> Report {
    let len = source.len();
    let mut digger = Digger {
        limits,
        out: Collected::default(),
        unpacked_left: limits.decompressed_bytes.min(len.saturating_mul(MOST_UNPACKED).saturating_add(256 << 20)),
        steps_left: len.saturating_mul(MOST_STEPS).saturating_add(64 << 20),
    };
    digger.blob(source, "", if beside_others { Wanted::Neighbour } else { Wanted::Checkpoint }, 0);
    digger.out.report()
}

/// What is expected of some data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Checkpoint,
    /// A file of a folder: anything that is not damaged.
    Neighbour,
    /// Its name says that it is a pickle.
    Pickle,
    /// It was compressed.
    Unpacked,
    Anything,
}

pub(super) struct Digger<'l> {
    pub(super) limits: &'l Limits,
    pub(super) out: Collected,
    /// Bytes that may still be unpacked, over all containers of the file.
    unpacked_left: u64,
    /// Bytes of pickles that may still be followed.
    steps_left: u64,
}

impl Digger<'_> {
    /// Looks for pickles in some data.
    pub(super) fn blob(&mut self, source: &Source, record: &str, wanted: Wanted, depth: usize) {
        if depth > NESTING {
            let error = Error::limit(format!("containers are nested more than {NESTING} deep within one another"));
            return self.out.fail(error.in_record(record));
        }
        let is_file = matches!(wanted, Wanted::Checkpoint | Wanted::Neighbour);
        let kind = if is_file { sniff(source) } else { glance(source.bytes()) };
        let is_stream = matches!(kind, Kind::RawPickle | Kind::LegacyStream);
        let is_container = matches!(kind, Kind::Zip | Kind::Gzip | Kind::Tar | Kind::PrefixedZip);
        let expected = (is_file && is_stream) || (wanted == Wanted::Pickle && !is_container);
        // An archive begins with the opcode PERSID and a text, at which every unpickler stops.
        let read = match kind {
            Kind::Zip => Sequence::default(),
            _ => self.sequence(source, record, (wanted, expected), depth),
        };
        if read.count > 0 && (is_stream || wanted == Wanted::Pickle) {
            self.hunt(source, record, read.end, depth);
        }
        // A broken first pickle was said already; one that is missing was not.
        if is_file && matches!(kind, Kind::LegacyStream) && (1..LEGACY_PICKLES).contains(&read.count) {
            self.out.fail(Error::malformed(format!(
                "the legacy stream has {} of its five pickles and breaks off: it is truncated",
                read.count
            )));
        }
        match kind {
            Kind::Zip => return self.zip(source, record, true, depth),
            Kind::Gzip => return self.gzip(source, record, wanted, depth),
            Kind::Tar => return self.tar(source, record, depth),
            Kind::Foreign(_) if source.bytes().starts_with(NPY) => return self.npy(source, record, depth),
            _ => {}
        }
        // An archive may stand behind anything; Python's `zipfile` finds it. (In stored records it was found already.)
        if (is_file || wanted == Wanted::Unpacked) && find_end(source.bytes()).is_some() {
            self.zip(source, record, false, depth);
        }
        if is_zlib(source.bytes()) && self.zlib(source, record, wanted, depth) {
            return;
        }
        let is_read = read.count > 0 || expected || matches!(kind, Kind::Safetensors | Kind::ShardIndex);
        if !is_file || is_read {
            return;
        }
        let error = refusal(&kind);
        let unread = matches!(kind, Kind::LfsPointer { .. } | Kind::Empty | Kind::Zeros | Kind::TooShort)
            || error.kind() != ErrorKind::NotACheckpoint;
        if wanted == Wanted::Checkpoint || unread {
            self.out.fail(error);
        } else {
            self.out.note = Some(error.message().to_owned());
        }
    }

    pub(super) fn inside(record: &str, name: &str) -> String {
        if record.is_empty() { name.to_owned() } else { format!("{record}: {name}") }
    }

    /// Counts unpacked bytes.
    pub(super) fn unpack(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Limits::check("decompressed_bytes", bytes, self.unpacked_left)?;
        self.count_unpacked(bytes);
        Ok(())
    }

    fn count_unpacked(&mut self, bytes: u64) {
        self.unpacked_left = self.unpacked_left.saturating_sub(bytes);
        self.steps_left = self.steps_left.saturating_add(bytes.saturating_mul(MOST_STEPS));
    }

    /// Counts what was followed of a pickle.
    ///
    /// # Errors
    /// Limit: the same bytes lead to pickles over and over.
    pub(super) fn step(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(1);
        self.steps_left = self.steps_left.checked_sub(bytes).ok_or_else(|| {
            Error::limit(
                "the file holds too many beginnings of pickles, or records that overlap, to follow each of them",
            )
        })?;
        Ok(())
    }

    fn gzip(&mut self, source: &Source, record: &str, wanted: Wanted, depth: usize) {
        let limits = Limits { decompressed_bytes: self.unpacked_left, ..self.limits.clone() };
        let mut bytes = Vec::new();
        let done = gunzip_into(&mut bytes, source.bytes(), &limits);
        // What was unpacked before the damage would have been loaded before it was noticed. Weights that begin as a gzip
        // file does are none.
        if let Err(error) = done
            && (!bytes.is_empty() || matches!(wanted, Wanted::Checkpoint | Wanted::Neighbour))
        {
            self.out.fail(if record.is_empty() { error } else { error.inside(record) });
        }
        self.count_unpacked(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let wanted = if self.out.errors.is_empty() { unpacked(wanted) } else { Wanted::Unpacked };
        self.blob(&Source::from(bytes), &Self::inside(record, "unpacked"), wanted, depth.saturating_add(1));
    }

    /// Data of `zlib`, as joblib writes them. Whether it was that.
    fn zlib(&mut self, source: &Source, record: &str, wanted: Wanted, depth: usize) -> bool {
        let allowed = usize::try_from(self.unpacked_left).unwrap_or(usize::MAX);
        let Some((bytes, has_more)) = inflate_zlib(source.bytes(), allowed) else { return false };
        if has_more {
            self.out.fail(Error::limit("the data unpack to more than `Limits::decompressed_bytes` allows"));
        }
        self.count_unpacked(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.blob(&Source::from(bytes), &Self::inside(record, "unpacked"), unpacked(wanted), depth.saturating_add(1));
        true
    }

    fn tar(&mut self, source: &Source, record: &str, depth: usize) {
        let limits = self.limits;
        let files = tar_files(source, limits, &mut |name, file| {
            let plain = name.strip_prefix("./").unwrap_or(name);
            let ours = matches!(plain, "storages" | "tensors" | "pickle");
            let wanted = if ours || is_name_of_a_pickle(plain) { Wanted::Pickle } else { Wanted::Anything };
            self.blob(file, &Self::inside(record, plain), wanted, depth.saturating_add(1));
        });
        if let Err(error) = files {
            self.out.fail(if record.is_empty() { error } else { error.in_record(record) });
        }
    }

    /// An array of numpy; one of objects is a pickle behind the header.
    fn npy(&mut self, source: &Source, record: &str, depth: usize) {
        let Some((header, data)) = npy_parts(source.bytes()) else {
            let error = Error::malformed("the header of the numpy array is cut off");
            return self.out.fail(if record.is_empty() { error } else { error.in_record(record) });
        };
        let wanted = if header.contains(&b'O') { Wanted::Pickle } else { Wanted::Anything };
        let start = u64::try_from(data).unwrap_or(u64::MAX);
        if let Some(data) = source.slice(start..source.len())
            && !data.bytes().is_empty()
        {
            self.blob(&data, &Self::inside(record, &format!("data at {start}")), wanted, depth.saturating_add(1));
        }
    }
}

/// As [`sniff`], for data within a file: those kinds only in which pickles can be.
fn glance(bytes: &[u8]) -> Kind {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Kind::Zip,
        [0x1f, 0x8b, 8, 0..=0x1f, ..] => Kind::Gzip,
        [0x80, 0..=5, ..] => Kind::RawPickle,
        _ if bytes.starts_with(NPY) => Kind::Foreign("a numpy array"),
        _ if bytes.get(257..262) == Some(b"ustar") => Kind::Tar,
        _ => Kind::Unknown,
    }
}

/// What is wanted of the contents of a compressed file.
fn unpacked(wanted: Wanted) -> Wanted {
    if wanted == Wanted::Anything { Wanted::Unpacked } else { wanted }
}

pub(super) const NPY: &[u8] = b"\x93NUMPY";

/// The header, and where the data begin.
fn npy_parts(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (start, len) = match *bytes.get(NPY.len()..)? {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [_, _, a, b, c, d, ..] => (12, usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?),
        _ => return None,
    };
    Some((bytes.get(start..)?.get(..len)?, len.checked_add(start)?))
}

/// The two bytes that `zlib` begins with, for deflate with the usual window.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(*bytes, [0x78, level, ..] if u16::from_be_bytes([0x78, level]).is_multiple_of(31))
}

pub(super) fn is_name_of_a_pickle(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["pkl", "pickle", "pk", "p"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
