//! The error inside serde: it collects the path on its way out.

use std::borrow::Cow;
use std::fmt;

use serde::de;

use crate::error::{Error, ErrorKind, Shown};

/// Texts of serde may quote a value of the file at any length.
const MAX_MESSAGE_CHARS: usize = 600;

#[derive(Debug)]
pub(crate) struct Failure(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    message: String,
    /// Innermost piece first.
    path: Vec<String>,
}

impl Failure {
    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Details { kind, message, path: Vec::new() }))
    }

    #[cold]
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message.into())
    }

    #[cold]
    pub(crate) fn caller(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Caller, message.into())
    }

    /// It happened below this piece of the path.
    #[cold]
    pub(crate) fn under(mut self, piece: impl Into<String>) -> Self {
        self.0.path.push(piece.into());
        self
    }

    /// The crate's error, with the path before the message. No `From`: a second one for [`Error`] would leave the `?` of
    /// closures elsewhere without a type.
    pub(crate) fn into_error(self) -> Error {
        let message = escaped(&self.0.message);
        let pieces: Vec<&str> = self.0.path.iter().rev().map(String::as_str).collect();
        let message = if pieces.is_empty() { message } else { format!("{}: {message}", Shown(&pieces.join("."))) };
        match self.0.kind {
            ErrorKind::Limit => Error::limit(message),
            _ => Error::caller(message),
        }
    }
}

/// As [`Shown`], with room for a list of expected names.
fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len().min(MAX_MESSAGE_CHARS));
    for (n, c) in message.chars().enumerate() {
        if n == MAX_MESSAGE_CHARS {
            out.push('…');
            break;
        }
        out.push_str(&Shown(c.encode_utf8(&mut [0; 4])).to_string());
    }
    out
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::caller(message.to_string())
    }
}

/// What a caller's own use of [`Value`](crate::Value) as a `Deserializer` reports.
impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::caller(Cow::Owned(escaped(&message.to_string())))
    }
}
