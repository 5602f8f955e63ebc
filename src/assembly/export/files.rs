//! The form up to torch 2.6 (`torch/export/__init__.py`, `save`): a zip archive without a folder, which holds whole files
//! of `torch.save`.

use std::sync::Arc;

use super::mapping::Mapping;
use crate::assembly::gathering::Gathering;
use crate::assembly::{Assembly, Opening, of_source};
use crate::container::Archive;
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::source::RecordId;

/// The records, and whether every release wrote them. In torch 2.1 their names ended in `.json`, though they were none.
const FILES: [(&str, bool); 2] = [("serialized_state_dict", true), ("serialized_constants", false)];

pub(in crate::assembly) fn assemble(archive: &Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
    let version = schema_version(archive)?;
    let mut gathering = Gathering::new(opening);
    let mut mapping = Mapping::default();
    for (file, is_required) in FILES {
        let record = [".pt", ".json"].iter().find_map(|ending| archive.find(&format!("{file}{ending}")));
        let Some(record) = record else {
            if is_required {
                return Err(Error::malformed(format!("the archive has no record `{file}.pt`: it is incomplete")));
            }
            continue;
        };
        add_saved(&mut gathering, &mut mapping, archive, record, opening)?;
    }
    let root = mapping.finish(&mut gathering.composer)?;
    let assembly = gathering.finish(root, Format::Export, version, archive.consumed());
    Ok(Assembly { writer: Some("torch 2.1 to 2.6"), ..assembly })
}

/// The first number of the program's schema version: `7` of `7.3`.
fn schema_version(archive: &Archive) -> Result<u64, Error> {
    let word = archive.word("version")?;
    let word = word.ok_or_else(|| Error::malformed("the archive has no record `version`: it is incomplete"))?;
    let major = word.split('.').next().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    major.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        Error::malformed(format!("the program's version is `{}`, which is no number", Shown(&word)))
            .in_record("version")
    })
}

/// Adds the dict that a record holds as a whole file of `torch.save`; a record without bytes stands for an empty one.
pub(super) fn add_saved(
    gathering: &mut Gathering,
    mapping: &mut Mapping,
    archive: &Archive,
    record: RecordId,
    opening: Opening<'_>,
) -> Result<(), Error> {
    if archive.record_len(record) == 0 {
        return Ok(());
    }
    let name = archive.name(record);
    let assembly = of_source(archive.source(record)?, opening.inner()?).map_err(|e| e.inside(name))?;
    let root = gathering.add(assembly, name)?;
    mapping.add_all(gathering.composer.graph(), root).map_err(|e| e.in_record(name))
}
