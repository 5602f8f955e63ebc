//! How far it is, and whether it is to end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

use super::bare;
use crate::bar::bar;
use crate::failure::Failure;

/// The exit code of whoever is interrupted twice: that of a shell's.
const INTERRUPTED: i32 = 130;

/// A bar on a terminal, and a flag that Ctrl-C sets.
pub(super) struct Progress {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    pub(super) fn new(output: &Path, bytes: u64) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for &signal in TERM_SIGNALS {
            // The second time, which may come while one large record is unpacked, ends the process.
            let second = flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&interrupted));
            let first = second.and_then(|_| flag::register(signal, Arc::clone(&interrupted)));
            first.map_err(|error| bare(format!("cannot listen to signals: {error}")))?;
        }
        let bar = bar(output);
        bar.set_length(bytes);
        Ok(Self { bar, interrupted })
    }

    /// So many bytes more are written.
    ///
    /// # Errors
    /// It was interrupted.
    pub(super) fn add(&self, bytes: usize) -> Result<(), Failure> {
        self.bar.inc(u64::try_from(bytes).unwrap_or(u64::MAX));
        match self.interrupted.load(Ordering::Relaxed) {
            true => Err(bare("interrupted; nothing was written".to_owned())),
            false => Ok(()),
        }
    }

    /// What is done besides writing.
    pub(super) fn doing(&self, what: String) {
        self.bar.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
