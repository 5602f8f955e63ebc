//! Zip archives as the place of storages: which record does a key name?

use std::sync::Arc;

use crate::container::Archive;
use crate::error::{Error, Shown};
use crate::source::{ByteOrder, RecordId, Records};
use crate::torch::{IdForm, StorageId, StorageSource};

/// The storages of an archive.
pub(super) struct ArchiveStorages {
    archive: Arc<Archive>,
    byte_order: ByteOrder,
    keys: Keys,
}

/// What keys mean.
enum Keys {
    /// `0` is a record of the folder (with the archive's root and its `/`).
    Folder(String),
    /// The same, for the C++ writer: a key of the lite interpreter's may name another folder (`constants/0`).
    ScriptFolder(String),
    /// `0` is the record `.data/0.storage`, which TorchScript's pickles in a package call `0.storage`.
    Package,
    /// `weights/weight_0` is the record `data/weights/weight_0`.
    Export,
}

impl ArchiveStorages {
    /// Of `torch.save`: a folder below the root, whose name ends in `/`.
    pub(super) fn folder(archive: Arc<Archive>, folder: &str, byte_order: ByteOrder) -> Self {
        let keys = Keys::Folder(archive.path_of(folder));
        Self { archive, byte_order, keys }
    }

    /// Of TorchScript: the folder of one of its pickles.
    pub(super) fn script_folder(archive: Arc<Archive>, folder: &str, byte_order: ByteOrder) -> Self {
        let keys = Keys::ScriptFolder(archive.path_of(folder));
        Self { archive, byte_order, keys }
    }

    /// Of `torch.package`, whose pickles share their storages.
    pub(super) fn package(archive: Arc<Archive>, byte_order: ByteOrder) -> Self {
        Self { archive, byte_order, keys: Keys::Package }
    }

    /// Of `torch.export`.
    pub(super) fn export(archive: Arc<Archive>, byte_order: ByteOrder) -> Self {
        Self { archive, byte_order, keys: Keys::Export }
    }
}

impl StorageSource for ArchiveStorages {
    fn storage(&self, id: &StorageId<'_>) -> Result<Option<(RecordId, u64)>, Error> {
        let found = match &self.keys {
            Keys::Folder(folder) => self.archive.storage(folder, &id.key)?,
            Keys::ScriptFolder(folder) => self.archive.shared_storage(folder, &id.key)?,
            Keys::Package => {
                let number = id.key.strip_suffix(".storage").unwrap_or(&id.key);
                if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::malformed(format!("the storage key `{}` is not a number", Shown(&id.key))));
                }
                self.archive.find(&format!(".data/{number}.storage"))
            }
            Keys::Export => self.archive.find(&format!("data/{}", id.key)),
        };
        Ok(found.map(|record| (record, self.archive.record_len(record))))
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.archive) as Arc<dyn Records>
    }

    fn byte_order(&self) -> ByteOrder {
        self.byte_order
    }

    fn form(&self) -> IdForm {
        match self.keys {
            Keys::Folder(_) | Keys::Export => IdForm::Archive,
            Keys::ScriptFolder(_) => IdForm::Script,
            Keys::Package => IdForm::Package,
        }
    }
}
