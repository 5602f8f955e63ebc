//! A whole archive checked: every record's header and checksum, and whether another zip reader sees the same archive.

use std::io::Cursor;

use zip::read::{ArchiveOffset, Config, ZipArchive};

use super::Archive;
use super::directory::Method;
use crate::container::checksum;
use crate::error::{Error, Shown};
use crate::source::RecordId;

impl Archive {
    /// What is wrong with each record, and with the archive as a whole.
    pub(super) fn defects(&self, progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
        let mut defects = Vec::new();
        if let Err(error) = self.second_opinion() {
            defects.push((None, error));
        }
        for id in self.directory.ids() {
            if let Err(error) = self.check_record(id, progress) {
                defects.push((Some(id), error));
            }
        }
        defects
    }

    fn check_record(&self, id: RecordId, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let record = self.record(id)?;
        let data = self.checked(id, record, super::Verify::Never)?;
        if record.method == Method::Deflated {
            progress(record.packed_len);
            return self.inflated(id, record, data).map(drop);
        }
        let bytes = self.source.get(data).ok_or_else(|| self.lost(id))?;
        let found = checksum(bytes, progress);
        super::compare(found, record).map_err(|e| e.in_record(self.name(id)))
    }

    /// Reads the directory again with the `zip` crate. Files that two readers see differently are how scanners are evaded;
    /// this crate refuses every doubt that it knows of, and this asks somebody else.
    fn second_opinion(&self) -> Result<(), Error> {
        let differs = |what: &str| {
            Error::malformed(format!("another zip reader sees a different archive ({what}): do not trust this file"))
        };
        // torch's archives begin at byte 0; without this the crate guesses, and guesses wrong for stems of 21 characters.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let other = ZipArchive::with_config(config, Cursor::new(self.source.bytes()))
            .map_err(|e| differs(&format!("it fails: {}", Shown(&e.to_string()))))?;
        if other.has_duplicate_names() || other.len() != self.directory.len() {
            return Err(differs("other records"));
        }
        for (index, id) in self.directory.ids().enumerate() {
            let entry =
                other.by_index_data(index).map_err(|e| differs(&format!("it fails: {}", Shown(&e.to_string()))))?;
            let record = self.record(id)?;
            let same = entry.name_raw() == self.directory.raw_name(id)
                && entry.header_start() == record.header_start
                && entry.compressed_size() == record.packed_len
                && entry.size() == record.len
                && entry.crc32() == record.crc;
            if !same {
                return Err(differs("another place, size or checksum").in_record(self.name(id)));
            }
        }
        Ok(())
    }
}
