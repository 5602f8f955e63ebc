//! The crate `pytorch-reader`, which burn uses.

use std::path::Path;

use pytorch_reader::PytorchReader;

use super::{Job, Seen, Watch, cannot, tenth};
use crate::Result;

pub fn run(job: Job, path: &Path, watch: &mut Watch, seen: &mut Seen) -> Result {
    let weights = PytorchReader::new(path)?;
    match job {
        Job::List | Job::Again => {
            for (name, tensor) in weights.tensors() {
                seen.listed(name, tensor.dtype().size(), tensor.shape());
            }
            watch.stop();
        }
        Job::Own | Job::Vec | Job::Load => {
            let owned = weights.tensors().values().map(|tensor| tensor.read()).collect::<Result<Vec<_>, _>>()?;
            watch.stop();
            owned.iter().for_each(|bytes| seen.bytes(bytes));
        }
        Job::Rows => {
            let mut owned: Vec<Vec<u8>> = Vec::with_capacity(weights.len());
            for tensor in weights.tensors().values() {
                // It reads whole tensors only; a copy lets go of the rest.
                let bytes = tensor.read()?;
                let rows = tensor.shape()[0];
                let row_nbytes = bytes.len() / rows;
                let wanted = tenth(rows);
                owned.push(bytes[wanted.start * row_nbytes..wanted.end * row_nbytes].to_vec());
            }
            watch.stop();
            owned.iter().for_each(|bytes| seen.bytes(bytes));
        }
        Job::Sum | Job::OwnThreads | Job::ToF32 | Job::IntoF32 => return cannot(),
    }
    Ok(())
}
