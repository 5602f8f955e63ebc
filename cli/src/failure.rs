//! Why a command ends early.

use std::io;

use crate::remedies::said;

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One plain line for people.
    Message(String),
    /// Nobody reads standard output any more.
    ReaderGone,
}

impl From<torch_checkpoint::Error> for Failure {
    fn from(error: torch_checkpoint::Error) -> Self {
        Self::Message(said(&error))
    }
}

/// Only writing to standard output makes these: files are read by the library.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Message(format!("cannot write to standard output: {error}")),
        }
    }
}
