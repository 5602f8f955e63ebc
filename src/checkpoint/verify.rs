//! Everything in a file read, and what is wrong with it.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Checkpoint, TensorEntry};
use crate::error::Error;
use crate::source::RecordId;

/// A container, by its address, and a record of it.
type Home = (*const (), RecordId);

/// How far something that takes time has come, in bytes.
///
/// ```
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/state_dict.pt", "cpu")?;
/// let mut shares = Vec::new();
/// weights.load_into_memory(|progress| shares.push(progress.done as f64 / progress.total.max(1) as f64))?;
/// assert_eq!((shares[0], shares[shares.len() - 1]), (0.0, 1.0));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes that there are to do; 0 if there is nothing to read.
    pub total: u64,
}

impl Checkpoint {
    /// Reads every record of the container and says what is wrong: a checksum that does not fit, damaged compressed data, a
    /// header that contradicts the directory, an archive in which another zip reader sees something else; then the indices
    /// of sparse tensors and the shapes of nested ones. Nothing if all is well. That every tensor lies within its storage
    /// has been checked on opening.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/refused/x_flipped_bit.pt")?;
    /// for defect in checkpoint.verify() {
    ///     eprintln!("{defect}");
    /// }
    /// # assert_eq!(checkpoint.verify().len(), 1);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn verify(&self) -> Vec<Error> {
        self.verify_with(|_| ())
    }

    /// As [`verify`](Self::verify), with `progress` called while the file is read: before, after each 16 MiB or record, and
    /// at the end.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/state_dict.pt")?;
    /// let mut last = None;
    /// let defects = checkpoint.verify_with(|progress| last = Some(progress));
    /// assert!(defects.is_empty());
    /// assert!(last.is_some_and(|last| last.done == last.total && last.total > 0));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn verify_with(&self, mut progress: impl FnMut(Progress)) -> Vec<Error> {
        let total = self.0.records.iter().fold(0, |sum: u64, records| sum.saturating_add(records.len()));
        let mut done: u64 = 0;
        progress(Progress { done, total });
        let mut read = |bytes: u64| {
            done = done.saturating_add(bytes);
            progress(Progress { done, total });
        };
        let mut defects: Vec<(Option<Home>, Error)> = Vec::new();
        for records in &self.0.records {
            let home = |record: Option<RecordId>| record.map(|record| (Arc::as_ptr(records).cast::<()>(), record));
            let found = records.defects(&mut read).into_iter();
            defects.extend(found.map(|(record, error)| (home(record), error)));
        }
        // Names only help; the defects count.
        let tensors = self.tensors().unwrap_or_default();
        if defects.is_empty() {
            let defect = |entry: &TensorEntry| {
                let error = entry.tensor.check_parts().err()?;
                Some(self.in_path(if entry.path.is_empty() { error } else { error.in_tensor(&entry.name()) }))
            };
            return tensors.iter().filter_map(defect).collect();
        }
        let mut named: HashMap<Home, &TensorEntry> = HashMap::new();
        for entry in &tensors {
            let parts = entry.tensor.components().map(|(_, part)| part);
            for home in parts.chain([&entry.tensor]).flat_map(|tensor| tensor.storage().homes()) {
                named.entry(home).or_insert(entry);
            }
        }
        let place = |(home, error): (Option<Home>, Error)| {
            let entry = home.and_then(|home| named.get(&home)).filter(|entry| !entry.path.is_empty());
            self.in_path(match entry {
                Some(entry) => error.in_tensor(&entry.name()),
                None => error,
            })
        };
        defects.into_iter().map(place).collect()
    }
}
