//! Every record that some zip reader might find: those of the directory, and those of local headers anywhere in the file.
//! Where two headers of a record contradict each other, it is given once for each. For looking, not for loading: nothing
//! here is an error that can be passed over.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem;

use super::bytes::{u16_at, u32_at, u64_at};
use super::central::{CentralHeader, method_name};
use super::directory::{ENCRYPTED, LOCAL_HEADER_LEN};
use super::end;
use crate::error::Error;
use crate::limits::Limits;

/// A record in one reading of its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// As the directory calls it, or else its own header.
    pub(crate) name: String,
    /// Whether the directory lists it.
    pub(crate) is_listed: bool,
    pub(crate) is_encrypted: bool,
    method: u16,
    start: usize,
    end: usize,
}

/// Finds them, in the order of the file.
///
/// # Errors
/// Limit: more than `Limits::records`.
pub(crate) fn salvage(bytes: &[u8], limits: &Limits) -> Result<Vec<Salvaged>, Error> {
    let locals = places(bytes, b"PK\x03\x04", limits)?;
    let centrals = places(bytes, b"PK\x01\x02", limits)?;
    let end = EndOfArchive::last(bytes);
    let mut headers: Vec<(usize, CentralHeader<'_>, bool)> = Vec::with_capacity(centrals.len());
    for &at in &centrals {
        headers.extend(central(bytes.get(at..).unwrap_or_default()).map(|header| (at, header, false)));
    }
    end.mark_directory(&mut headers);
    let mut listed: Vec<(usize, CentralHeader<'_>, bool)> = Vec::with_capacity(headers.len());
    for (_, header, is_in_directory) in headers {
        let Ok(declared) = usize::try_from(header.header_start) else { continue };
        // Offsets may not count what stands in front of the archive.
        let places = [Some(declared), declared.checked_add(end.shift).filter(|_| is_in_directory)];
        let Some(place) = places.into_iter().flatten().find(|place| locals.binary_search(place).is_ok()) else {
            continue;
        };
        // Of an archive within this one, or of another directory that some reader may prefer.
        let is_own = || Local::read(bytes, place).is_some_and(|local| local.raw_name == header.raw_name);
        if is_in_directory || is_own() {
            listed.push((place, header, is_in_directory));
        }
    }
    listed.sort_by_key(|&(place, ..)| place);
    let mut found: Vec<Salvaged> = Vec::with_capacity(locals.len());
    for &at in &locals {
        let Some(local) = Local::read(bytes, at) else { continue };
        let first = listed.partition_point(|&(place, ..)| place < at);
        let own = listed.get(first..).unwrap_or_default().iter().take_while(|&&(place, ..)| place == at);
        let readings = found.len();
        for &(_, ref central, is_listed) in own {
            let end = usize::try_from(central.packed_len).ok().and_then(|len| local.data.checked_add(len));
            push(
                &mut found,
                readings,
                Salvaged {
                    name: shown(central.raw_name),
                    is_listed,
                    is_encrypted: central.flags & ENCRYPTED != 0 || local.is_encrypted,
                    method: central.method,
                    start: local.data,
                    end: end.map_or(bytes.len(), |end| end.min(bytes.len())),
                },
            );
        }
        let is_listed = found.iter().skip(readings).any(|reading| reading.is_listed);
        let end = match local.packed_len {
            Some(len) => local.data.saturating_add(len).min(bytes.len()),
            // Streamed: the size follows the data. The directory knows it better.
            None if is_listed && found.iter().skip(readings).all(|other| other.method == local.method) => continue,
            None => next_header(&locals, &centrals, local.data).unwrap_or(bytes.len()),
        };
        let name = found.get(readings).map_or_else(|| shown(local.raw_name), |listed| listed.name.clone());
        push(
            &mut found,
            readings,
            Salvaged {
                name,
                is_listed,
                is_encrypted: local.is_encrypted,
                method: local.method,
                start: local.data,
                end,
            },
        );
    }
    Ok(found)
}

/// A header of the directory, without its extra fields if they are damaged: other readers pass over them.
fn central(bytes: &[u8]) -> Option<CentralHeader<'_>> {
    let unextended = || {
        let name_len = usize::from(u16_at(bytes, 28)?);
        Some(CentralHeader {
            raw_name: bytes.get(usize::try_from(end::CENTRAL_HEADER_LEN).ok()?..)?.get(..name_len)?,
            flags: u16_at(bytes, 8)?,
            method: u16_at(bytes, 10)?,
            crc: u32_at(bytes, 16)?,
            packed_len: u32_at(bytes, 20)?.into(),
            len: u32_at(bytes, 24)?.into(),
            header_start: u32_at(bytes, 42)?.into(),
            second_name: None,
            header_len: {
                let lens = [28, 30, 32].map(|at| u16_at(bytes, at).map_or(0, usize::from));
                lens.iter().fold(usize::try_from(end::CENTRAL_HEADER_LEN).ok()?, |sum, len| sum.saturating_add(*len))
            },
        })
    };
    CentralHeader::read(bytes).ok().or_else(unextended)
}

/// The archives that stand one behind the other in a file, as in those of distributed checkpoints: the beginning of each,
/// and its end, comment included.
///
/// # Errors
/// Limit: more than `Limits::records`.
pub(crate) fn archives(bytes: &[u8], limits: &Limits) -> Result<Vec<(usize, usize)>, Error> {
    const END_LEN: usize = 22;
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut before = bytes.len();
    for &at in places(bytes, b"PK\x05\x06", limits)?.iter().rev() {
        let comment_len = bytes.get(at..).and_then(|record| u16_at(record, 20)).map_or(0, usize::from);
        let end = at.saturating_add(END_LEN).saturating_add(comment_len);
        let Some(this) = EndOfArchive::at(bytes, at) else { continue };
        let starts = |at: usize, signature: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(signature));
        let is_whole =
            starts(this.shift, b"PK\x03\x04") && starts(this.shift.saturating_add(this.start), b"PK\x01\x02");
        // One that lies within another's records is found with that one.
        if is_whole && end <= before && this.shift < at {
            found.push((this.shift, end));
            before = this.shift;
        }
    }
    found.reverse();
    Ok(found)
}

/// Adds a reading of a record that is not among those since `from`.
fn push(found: &mut Vec<Salvaged>, from: usize, reading: Salvaged) {
    let same =
        |other: &Salvaged| (other.method, other.start, other.end) == (reading.method, reading.start, reading.end);
    // A record that many headers name has few different readings, or the file is forged to cost time.
    if !found.iter().skip(from).take(READINGS).any(same) && found.len().saturating_sub(from) < READINGS {
        found.push(reading);
    }
}

const READINGS: usize = 16;

fn places(bytes: &[u8], signature: &[u8], limits: &Limits) -> Result<Vec<usize>, Error> {
    let mut places = Vec::new();
    for at in memmem::find_iter(bytes, signature) {
        places.push(at);
        Limits::check("records", u64::try_from(places.len()).unwrap_or(u64::MAX), limits.records)?;
    }
    Ok(places)
}

/// What the last end record says of the directory.
struct EndOfArchive {
    /// How many bytes stand in front of the archive and are not counted.
    shift: usize,
    /// Where the directory starts, if the end record is believed.
    start: usize,
    /// Where it ends, if it stands directly in front of the end records.
    ends: [usize; 2],
}

impl EndOfArchive {
    /// The last one of the file.
    fn last(bytes: &[u8]) -> Self {
        let nowhere = Self { shift: 0, start: usize::MAX, ends: [usize::MAX; 2] };
        end::find(bytes).and_then(|at| Self::at(bytes, at)).unwrap_or(nowhere)
    }

    /// The one whose classic form stands there.
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let record = bytes.get(at..)?;
        let mut len = usize::try_from(u32_at(record, 12)?).ok()?;
        let mut start = usize::try_from(u32_at(record, 16)?).ok()?;
        // The larger form of the end record stands in front, with its locator.
        let locator =
            at.checked_sub(20).filter(|&at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x06\x07")));
        let large = locator.and_then(|locator| locator.checked_sub(56));
        let large = large.filter(|&at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x06\x06")));
        if let Some(record) = large.and_then(|at| bytes.get(at..)) {
            len = usize::try_from(u64_at(record, 40)?).ok()?;
            start = usize::try_from(u64_at(record, 48)?).ok()?;
        }
        let end = large.unwrap_or(at);
        let shift = end.checked_sub(len).and_then(|from| from.checked_sub(start)).unwrap_or(0);
        Some(Self { shift, start, ends: [at, end] })
    }

    /// Marks the headers, given by their places, that some reader takes for the directory's.
    fn mark_directory(&self, headers: &mut [(usize, CentralHeader<'_>, bool)]) {
        let mut end = None;
        for (at, header, is_in_directory) in headers.iter_mut().rev() {
            let own_end = at.checked_add(header.header_len);
            if own_end.is_some_and(|own_end| self.ends.contains(&own_end)) || (own_end.is_some() && own_end == end) {
                *is_in_directory = true;
                end = Some(*at);
            }
        }
        let mut next = Some(self.start);
        for (at, header, is_in_directory) in headers {
            if next == Some(*at) {
                *is_in_directory = true;
                next = at.checked_add(header.header_len);
            }
        }
    }
}

fn next_header(locals: &[usize], centrals: &[usize], from: usize) -> Option<usize> {
    let next = |places: &[usize]| places.get(places.partition_point(|&place| place < from)).copied();
    [next(locals), next(centrals)].into_iter().flatten().min()
}

fn shown(raw_name: &[u8]) -> String {
    // The bytes may be a mapped file's: checked on a copy.
    String::from_utf8(raw_name.to_vec()).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// A local header.
struct Local<'a> {
    raw_name: &'a [u8],
    is_encrypted: bool,
    method: u16,
    /// `None`: it does not say.
    packed_len: Option<usize>,
    /// Where the data start.
    data: usize,
}

impl<'a> Local<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let header = bytes.get(at..)?;
        let (flags, method) = (u16_at(header, 6)?, u16_at(header, 8)?);
        let packed_len = u32_at(header, 18)?;
        let (name_len, extra_len) = (usize::from(u16_at(header, 26)?), usize::from(u16_at(header, 28)?));
        let raw_name = header.get(usize::try_from(LOCAL_HEADER_LEN).ok()?..)?.get(..name_len)?;
        let data =
            at.checked_add(usize::try_from(LOCAL_HEADER_LEN).ok()?)?.checked_add(name_len)?.checked_add(extra_len)?;
        let unsaid = packed_len == u32::MAX || (packed_len == 0 && flags & 8 != 0);
        let packed_len = if unsaid { None } else { usize::try_from(packed_len).ok() };
        (data <= bytes.len()).then_some(Self {
            raw_name,
            is_encrypted: flags & ENCRYPTED != 0,
            method,
            packed_len,
            data,
        })
    }
}

impl Salvaged {
    /// Where the data lie in the file, if they are stored as they are.
    pub(crate) fn stored(&self) -> Option<std::ops::Range<usize>> {
        (self.method == 0).then_some(self.start..self.end.max(self.start))
    }

    /// Whether it lies within the data of another one.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        other.start < self.start && self.start < other.end
    }

    /// Up to `most` unpacked bytes from the beginning, as far as they can be unpacked, and whether there may be more.
    /// Checksums and declared sizes are left aside.
    ///
    /// # Errors
    /// Unsupported: another compression method than deflate.
    pub(crate) fn beginning<'b>(&self, bytes: &'b [u8], most: usize) -> Result<(Cow<'b, [u8]>, bool), Error> {
        let packed = bytes.get(self.start..self.end).unwrap_or_default();
        match self.method {
            0 => Ok((Cow::Borrowed(packed), false)),
            8 => {
                let mut unpacked = Vec::new();
                unpacked
                    .try_reserve(most.min(packed.len().saturating_mul(MOST_RATIO)))
                    .map_err(|_| Error::no_memory(most))?;
                let has_more = inflate(packed, most, &mut unpacked);
                Ok((Cow::Owned(unpacked), has_more))
            }
            other => Err(Error::unsupported(format!(
                "the record is compressed with {}; only stored and deflated records are read",
                method_name(other)
            ))),
        }
    }
}

/// As in `inflate`.
const MOST_RATIO: usize = 1040;
/// How much is unpacked at once.
const STEP: usize = 64 << 10;

/// Unpacks data of `zlib` as far as they go and as `most` allows, and says whether there may be more; `None` if there are
/// none at the beginning.
pub(crate) fn inflate_zlib(bytes: &[u8], most: usize) -> Option<(Vec<u8>, bool)> {
    let mut unpacked = Vec::new();
    let has_more = inflate(bytes.get(2..)?, most, &mut unpacked);
    (!unpacked.is_empty()).then_some((unpacked, has_more))
}

/// Whether it stopped because of `most`.
fn inflate(packed: &[u8], most: usize, unpacked: &mut Vec<u8>) -> bool {
    let mut inflater = Decompress::new(false);
    let mut buffer = vec![0; STEP];
    let mut rest = packed;
    while unpacked.len() < most {
        let before = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(rest, &mut buffer, FlushDecompress::None);
        let consumed = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
        let made = usize::try_from(inflater.total_out().saturating_sub(before.1)).unwrap_or(0);
        unpacked.extend_from_slice(buffer.get(..made).unwrap_or_default());
        rest = packed.get(consumed..).unwrap_or_default();
        match status {
            Ok(Status::Ok | Status::BufError) if (inflater.total_in(), inflater.total_out()) != before => {}
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::zip_builder::{Record, ZipBuilder};

    fn names(bytes: &[u8]) -> Vec<(String, bool, Vec<u8>)> {
        let found = salvage(bytes, &Limits::default()).unwrap();
        let read = |record: &Salvaged| record.beginning(bytes, 1 << 20).unwrap().0.into_owned();
        found.iter().map(|record| (record.name.clone(), record.is_listed, read(record))).collect()
    }

    #[test]
    fn records_are_found_with_the_directory_and_without() {
        for builder in [ZipBuilder::new(), ZipBuilder::new().plain()] {
            let mut hidden = Record::new("hidden", b"what the directory lacks");
            hidden.listed = 0;
            let builder = builder
                .with(Record::new("a/data.pkl", b"stored"))
                .with(Record::new("a/packed", vec![7; 1000]).deflated())
                .with(hidden);
            let whole = builder.build();
            let found = names(&whole);
            assert_eq!(found.len(), 3, "{found:?}");
            assert_eq!(found[0], ("a/data.pkl".to_owned(), true, b"stored".to_vec()));
            assert_eq!(found[1].2, [7; 1000]);
            assert!(found[2].2.starts_with(b"what the directory lacks") && !found[2].1);
            // Without any directory the data of streamed records go on to the next header.
            let cut = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
            let found = names(&whole[..cut]);
            assert_eq!(found.len(), 3);
            assert!(found[0].2.starts_with(b"stored"));
            assert_eq!(found[1].2, [7; 1000]);
            // Behind other bytes.
            let mut moved = b"#!/bin/sh\n".to_vec();
            moved.extend(&whole);
            assert_eq!(names(&moved).len(), 3);
        }
    }

    #[test]
    fn archives_behind_one_another_are_told_apart() {
        let inner = ZipBuilder::new().with(Record::new("x", b"1")).build();
        let first = ZipBuilder::new().with(Record::new("inner.pt", inner)).build();
        let mut second = ZipBuilder::new().plain().with(Record::new("y", b"2"));
        second.comment = b"a comment".to_vec();
        let second = second.build();
        let file = [&first[..], b"gap", &second, b"more"].concat();
        let start = first.len() + 3;
        let found = archives(&file, &Limits::default()).unwrap();
        assert_eq!(found, [(0, first.len()), (start, start + second.len())]);
    }

    #[test]
    fn two_headers_that_differ_are_two_readings() {
        let record =
            Record::new("x", b"\x01\x06\0\xf9\xffstored").both(|h| h.method = Some(8)).local(|h| h.method = Some(0));
        let found = names(&ZipBuilder::new().plain().with(record).build());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].2, b"stored");
        assert_eq!(found[1].2, b"\x01\x06\0\xf9\xffstored");
    }

    #[test]
    fn damaged_data_give_what_comes_before_the_damage() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        let mut archive = ZipBuilder::new().with(Record::new("x", bytes.clone()).deflated()).build();
        let end = archive.len() / 2;
        archive[end..end + 40].fill(0xff);
        let found = &names(&archive)[0];
        assert!(found.2.len() > 20_000 && bytes.starts_with(&found.2[..20_000]));
    }
}
