//! The tar file that torch wrote before 0.1.10: three members that count. The framing is the crate `tar`'s;
//! nothing is unpacked to disk, and member names are compared, never used as paths.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use std::io::{Cursor, Error as IoError};

use ::tar::{Archive, EntryType};

use crate::error::{Error, Shown};
use crate::limits::Limits;
use crate::source::Source;

/// The members of a checkpoint, each a part of the file.
pub(crate) struct TarMembers {
    pub(crate) storages: Source,
    pub(crate) tensors: Source,
    pub(crate) pickle: Source,
    /// Where the last of them ends in the file.
    pub(crate) end: u64,
}

/// Finds the three members.
///
/// # Errors
/// Malformed: a damaged header, a member that reaches beyond the file or comes twice, links and other odd members. Not a
/// checkpoint: a tar file of something else. Limit: too many members.
pub(crate) fn tar_members(source: &Source, limits: &Limits) -> Result<TarMembers, Error> {
    let mut archive = Archive::new(Cursor::new(source.bytes()));
    let mut found: [Option<Source>; 3] = [None, None, None];
    let (mut count, mut end) = (0_u64, 0_u64);
    let mut others: Vec<String> = Vec::new();
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        count = count.saturating_add(1);
        Limits::check("records", count, limits.records)?;
        let at = entry.raw_header_position();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let plain = name.strip_prefix("./").unwrap_or(&name);
        let place = NAMES.iter().position(|&ours| ours == plain);
        match (entry.header().entry_type(), place) {
            (EntryType::Regular | EntryType::Continuous, Some(place)) => {
                let start = entry.raw_file_position();
                let declared_end = start.checked_add(entry.size());
                let member = declared_end.and_then(|end| source.slice(start..end)).ok_or_else(|| {
                    let size = entry.size();
                    Error::malformed(format!(
                        "the member `{plain}` has {size} bytes, but the file ends before: it is truncated"
                    ))
                    .at(at)
                })?;
                end = end.max(declared_end.unwrap_or(0));
                if found.get_mut(place).and_then(|slot| slot.replace(member)).is_some() {
                    return Err(Error::malformed(format!("the tar file has the member `{plain}` twice")).at(at));
                }
            }
            // `sys_info`, which says how large C's types were on the writer's machine, and what people add.
            (EntryType::Regular | EntryType::Directory | EntryType::XGlobalHeader, None) => {
                if others.len() < LISTED {
                    others.push(format!("`{}`", Shown(&name)));
                }
            }
            (kind, Some(_)) => {
                return Err(Error::malformed(format!(
                    "the member `{plain}` of the tar file is {}, not a regular file: the file is damaged or forged",
                    describe(kind)
                ))
                .at(at));
            }
            (kind, None) => {
                return Err(Error::malformed(format!(
                    "the tar file has a member `{}` that is {}; checkpoints have regular files only",
                    Shown(&name),
                    describe(kind)
                ))
                .at(at));
            }
        }
    }
    match found {
        [Some(storages), Some(tensors), Some(pickle)] => Ok(TarMembers { storages, tensors, pickle, end }),
        [None, None, None] => Err(Error::not_a_checkpoint(format!(
            "this is a tar file, but none of torch's: it holds {}; unpack it (`tar -x`) and open what is in it",
            if others.is_empty() { "nothing".to_owned() } else { others.join(", ") }
        ))),
        some => {
            let missing = NAMES.iter().zip(&some).filter(|(_, member)| member.is_none());
            let missing: Vec<String> = missing.map(|(name, _)| format!("`{name}`")).collect();
            Err(Error::malformed(format!("the tar file lacks {}: it is truncated", missing.join(" and "))))
        }
    }
}

/// Gives every regular file of a tar file to `each`, with its name.
///
/// # Errors
/// Malformed: a damaged header; what stands before it was given. Limit: too many members.
pub(crate) fn tar_files(source: &Source, limits: &Limits, each: &mut dyn FnMut(&str, &Source)) -> Result<(), Error> {
    let mut archive = Archive::new(Cursor::new(source.bytes()));
    let mut count = 0_u64;
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        count = count.saturating_add(1);
        Limits::check("records", count, limits.records)?;
        let start = entry.raw_file_position();
        let end = start.saturating_add(entry.size()).min(source.len());
        if let Some(file) = source.slice(start..end) {
            each(&String::from_utf8_lossy(&entry.path_bytes()), &file);
        }
    }
    Ok(())
}

/// torch extracts exactly these (`torch/serialization.py`, `legacy_load`).
const NAMES: [&str; 3] = ["storages", "tensors", "pickle"];
/// How many other members a message lists.
const LISTED: usize = 4;

fn describe(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::Directory => "a folder",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

/// The messages of the crate quote the file.
fn damaged(error: IoError) -> Error {
    Error::malformed(format!("the tar file is damaged: {}", Shown(&error.to_string())))
}
