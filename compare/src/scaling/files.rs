//! Weights of any number and size, their bytes left as holes: a checkpoint of `torch.save`, and the same as safetensors.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::memo::{Memo, View, filled};
use super::reading::Reader;
use crate::Result;
use crate::pickle_builder::{pickle, text};
use crate::zip_builder::{Data, Record, torch_builder};

/// Elements of a small tensor.
pub const SMALL: u64 = 16;
/// Tensors where the size is varied.
pub const FEW: u64 = 100;
pub const ITEMSIZE: u64 = 4;

/// Vectors of f32, all of one length.
#[derive(Clone, Copy)]
pub struct Weights {
    pub tensors: u64,
    pub numel: u64,
}

fn name(n: u64) -> String {
    format!("layers.{n}.weight")
}

impl Weights {
    /// In the form that the reader reads.
    pub fn write(self, reader: Reader, file: &Path) -> Result {
        match reader {
            Reader::TorchCheckpoint => self.checkpoint(file),
            Reader::Safetensors => self.safetensors(file),
        }
    }

    fn checkpoint(self, file: &Path) -> Result {
        let mut memo = Memo::default();
        let numel = i64::try_from(self.numel)?;
        let mut entries = Vec::new();
        let dict = memo.ordered_dict();
        for n in 0..self.tensors {
            let key = n.to_string();
            let view = View { class: "FloatStorage", key: &key, numel, offset: 0, size: &[numel], stride: &[1] };
            entries.push((memo.put(text(&name(n))), memo.tensor(&view)));
        }
        let mut builder = torch_builder("archive", &pickle(&filled(dict, entries)), &[]);
        let storages = (0..self.tensors)
            .map(|n| Record::of(format!("archive/data/{n}"), Data::Sparse(self.numel * ITEMSIZE, Vec::new())));
        // Where torch has them: behind `byteorder`.
        builder.records.splice(4..4, storages);
        let mut out = BufWriter::new(File::create(file)?);
        builder.write_to(&mut out)?;
        Ok(out.flush()?)
    }

    fn safetensors(self, file: &Path) -> Result {
        let (numel, nbytes) = (self.numel, self.numel * ITEMSIZE);
        let mut header = String::from("{");
        for n in 0..self.tensors {
            let (comma, name) = (if n == 0 { "" } else { "," }, name(n));
            let (start, end) = (n * nbytes, (n + 1) * nbytes);
            write!(header, r#"{comma}"{name}":{{"dtype":"F32","shape":[{numel}],"data_offsets":[{start},{end}]}}"#)?;
        }
        header.push('}');
        while header.len() % 8 != 0 {
            header.push(' ');
        }
        let mut out = File::create(file)?;
        out.write_all(&u64::try_from(header.len())?.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        Ok(out.set_len(8 + u64::try_from(header.len())? + self.tensors * nbytes)?)
    }
}
