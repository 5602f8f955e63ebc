//! Safetensors files: each tensor is a call of `torch._utils._rebuild_tensor_v3` over a storage of its own.

use std::sync::Arc;

use hashbrown::HashMap;

use super::gathering::Gathering;
use super::{Assembly, Opening};
use crate::container::Blobs;
use crate::container::safetensors::{Entry, read};
use crate::error::Error;
use crate::format::Format;
use crate::pickle::Composer;
use crate::pickle::graph::NodeId;
use crate::source::{RecordId, Records, Source};
use crate::torch::{IdForm, StorageId, StorageSource};

/// The attribute of the root that holds the texts of the header's `__metadata__`.
const METADATA: &str = "__metadata__";

/// Opens a file: its root is an `OrderedDict` of its tensors, in the order of their data.
pub(super) fn assemble(source: Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    let consumed = source.len();
    let header = read(&source, opening.limits)?;
    let mut gathering = Gathering::new(opening);
    let tensors = add(&mut gathering, header.blobs, &header.tensors, "")?;
    let composer = &mut gathering.composer;
    let class = composer.made_global("collections", "OrderedDict")?;
    let state = if header.metadata.is_empty() {
        None
    } else {
        let texts = header.metadata.iter().map(|(name, text)| Ok((composer.text(name)?, composer.text(text)?)));
        let texts = texts.collect::<Result<Vec<_>, Error>>()?;
        let (name, texts) = (composer.text(METADATA)?, composer.dict(&texts)?);
        Some(composer.dict(&[(name, texts)])?)
    };
    let root = composer.mapping(class, &tensors, state)?;
    Ok(gathering.finish(root, Format::Safetensors, 0, consumed))
}

/// Adds the tensors of a file; gives the nodes of their names and of themselves.
pub(super) fn add(
    gathering: &mut Gathering,
    blobs: Blobs,
    tensors: &[Entry],
    file: &str,
) -> Result<Vec<(NodeId, NodeId)>, Error> {
    let store = gathering.add_store(FileStorages { blobs: Arc::new(blobs) });
    gathering.begin(store, file);
    let composer = &mut gathering.composer;
    let mut calls = Calls::new(composer)?;
    tensors.iter().enumerate().map(|(number, entry)| calls.tensor(composer, number, entry)).collect()
}

/// What all calls of a file have in common.
struct Calls {
    function: NodeId,
    word: NodeId,
    class: NodeId,
    location: NodeId,
    hooks: NodeId,
    dtypes: HashMap<&'static str, NodeId>,
    strides: Vec<i64>,
}

impl Calls {
    fn new(composer: &mut Composer) -> Result<Self, Error> {
        Ok(Self {
            function: composer.made_global("torch._utils", "_rebuild_tensor_v3")?,
            word: composer.text("storage")?,
            class: composer.made_global("torch.storage", "UntypedStorage")?,
            // Where torch puts them unless told otherwise.
            location: composer.text("cpu")?,
            hooks: composer.dict(&[])?,
            dtypes: HashMap::new(),
            strides: Vec::new(),
        })
    }

    /// `_rebuild_tensor_v3(storage, 0, shape, strides, False, {}, dtype)`, where the storage is that of the record.
    fn tensor(&mut self, composer: &mut Composer, number: usize, entry: &Entry) -> Result<(NodeId, NodeId), Error> {
        let number = i64::try_from(number).map_err(|_| Error::limit("more than 2^63 tensors"))?;
        let nbytes = i64::try_from(entry.nbytes).map_err(|_| Error::limit("a tensor of 2^63 bytes"))?;
        let dtype = match self.dtypes.get(entry.dtype) {
            Some(&dtype) => dtype,
            None => {
                let dtype = composer.made_global("torch", entry.dtype)?;
                self.dtypes.insert(entry.dtype, dtype);
                dtype
            }
        };
        self.strides.clear();
        let mut next = 1_i64;
        for &size in entry.shape.iter().rev() {
            self.strides.push(next);
            // Only beside a dimension of size 0 can this pass what was checked.
            next = next.saturating_mul(size.max(1));
        }
        self.strides.reverse();
        let name = composer.text(&entry.name)?;
        let (key, numel) = (composer.int(number)?, composer.int(nbytes)?);
        let id = composer.tuple(&[self.word, self.class, key, self.location, numel])?;
        let storage = composer.persistent(id)?;
        let (offset, shape, strides) = (composer.int(0)?, composer.ints(&entry.shape)?, composer.ints(&self.strides)?);
        let args = [storage, offset, shape, strides, NodeId::FALSE, self.hooks, dtype];
        Ok((name, composer.call(self.function, &args)?))
    }
}

/// The data of a file; the key of a tensor's storage is its number.
struct FileStorages {
    blobs: Arc<Blobs>,
}

impl StorageSource for FileStorages {
    fn storage(&self, id: &StorageId<'_>) -> Result<Option<(RecordId, u64)>, Error> {
        let record = id.key.parse().ok().map(RecordId);
        Ok(record.map(|record| (record, self.blobs.record_len(record))))
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.blobs) as Arc<dyn Records>
    }

    fn form(&self) -> IdForm {
        // Integers as keys.
        IdForm::Package
    }
}
