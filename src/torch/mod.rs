//! What does the program mean? Names get a meaning from one table ([`globals`]), persistent ids become storages, recorded
//! calls become tensors and values. Nothing here knows files, and nothing is executed.

mod arrays;
mod coverage;
mod globals;
mod locate;
mod mapping;
mod module;
mod nested;
pub(crate) mod numpy;
mod persistent_id;
mod program;
mod rebuild;
mod script;
mod storages;
mod text;
mod values;

pub(crate) use globals::{ASSEMBLED, Constructor, Meaning, OWN, renamed};
pub(crate) use mapping::mapping_entries;
pub(crate) use nested::{StorageLoader, latin1_argument};
pub(crate) use persistent_id::{IdForm, StorageId, StorageTypes, class_itemsize, storage_id};
pub(crate) use program::Program;
pub(crate) use storages::{StorageSource, Stores, in_place, in_tensor_at};
pub(crate) use text::{ascii_or_text, python2_text};
pub(crate) use values::{Entries, Meant, Opaque};
