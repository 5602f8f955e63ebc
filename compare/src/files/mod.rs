//! The checkpoints: written without torch, in torch's own layout, and the same weights as safetensors.

mod distributed;
mod legacy;
mod numbers;
mod objects;
mod pickle;
#[cfg(test)]
mod tests;
mod weights;

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use safetensors::tensor::TensorView;

use self::numbers::Numbers;
use self::objects::Ids;
use self::weights::View;
use crate::Result;
use crate::zip_builder::torch_builder;

pub use self::weights::Weights;

/// What holds the weights.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The zip archive of `torch.save`.
    Archive,
    /// The same, all records compressed with deflate: what zip programs make of it.
    Deflated,
    /// The stream of `torch.save` before torch 1.6.
    Legacy,
    /// The folder of `torch.distributed.checkpoint`, of eight ranks.
    Distributed,
    Safetensors,
}

/// One file (or folder).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct File {
    pub weights: Weights,
    pub form: Form,
}

impl File {
    pub const fn new(weights: Weights, form: Form) -> Self {
        Self { weights, form }
    }

    pub fn path(self, dir: &Path) -> PathBuf {
        let extension = match self.form {
            Form::Archive => "pt",
            Form::Deflated => "deflated.pt",
            Form::Legacy => "legacy.pt",
            Form::Distributed => "distributed",
            Form::Safetensors => "safetensors",
        };
        dir.join(format!("{}.{extension}", crate::measure::name(self.weights)))
    }

    /// Writes it, unless it is there.
    pub fn make(self, dir: &Path) -> Result {
        let path = self.path(dir);
        if path.exists() {
            return Ok(());
        }
        // Under another name until it is whole.
        let unfinished = path.with_extension("unfinished");
        remove(&unfinished)?;
        let views = self.weights.views();
        let numbers = Numbers::for_views(&views);
        // Views of one storage stand beside each other.
        let mut storages: Vec<&View> = views.iter().collect();
        storages.dedup_by_key(|view| view.key);
        match self.form {
            Form::Archive | Form::Deflated => self.archive(&views, &storages, &numbers, &unfinished)?,
            Form::Legacy => {
                let mut out = BufWriter::new(fs::File::create(&unfinished)?);
                let object = objects::pickle(self.weights, &views, Ids::Addresses);
                legacy::write(&object, &storages, &numbers, &mut out)?;
                out.flush()?;
            }
            Form::Distributed => distributed::write(&views, &numbers, &unfinished)?,
            Form::Safetensors => {
                let mut tensors = Vec::with_capacity(views.len());
                for view in &views {
                    let dtype = view.element.safetensors();
                    tensors.push((&view.name, TensorView::new(dtype, view.shape.clone(), numbers.storage(view))?));
                }
                safetensors::serialize_to_file(tensors, None, &unfinished)?;
            }
        }
        Ok(fs::rename(unfinished, path)?)
    }

    fn archive(self, views: &[View], storages: &[&View], numbers: &Numbers, path: &Path) -> Result {
        let keys: Vec<String> = storages.iter().map(|view| Ids::Records.key(view)).collect();
        let records: Vec<(&str, &[u8])> =
            keys.iter().zip(storages).map(|(key, view)| (key.as_str(), numbers.storage(view))).collect();
        let pickle = objects::pickle(self.weights, views, Ids::Records);
        let mut archive = torch_builder(&crate::measure::name(self.weights), &pickle, &records);
        if self.form == Form::Deflated {
            archive = archive.change_all(|record| record.deflate = true);
        }
        let mut out = BufWriter::new(fs::File::create(path)?);
        archive.write_to(&mut out)?;
        Ok(out.flush()?)
    }

    pub fn delete(self, dir: &Path) -> Result {
        remove(&self.path(dir))
    }
}

fn remove(path: &Path) -> Result {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The files that a checkpoint consists of, in the order of their names.
pub fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut parts = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    parts.sort();
    Ok(parts)
}

/// How many bytes they have.
pub fn nbytes(path: &Path) -> Result<u64> {
    parts(path)?.iter().map(|part| Ok(fs::metadata(part)?.len())).sum()
}
