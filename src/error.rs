//! What went wrong, and where.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who has to act on an [`Error`].
///
/// Each kind corresponds to one actor: the operating system, the person who named the file, the program that wrote it,
/// this crate, the [`Limits`](crate::Limits) in force, or the calling code.
///
/// ```
/// use torch_checkpoint::{ErrorKind, load_state_dict};
/// let kind = |path| load_state_dict(path, "cpu").unwrap_err().kind();
/// assert_eq!(kind("fixtures/refused/x_html.pt"), ErrorKind::NotACheckpoint);
/// assert_eq!(kind("fixtures/refused/x_truncated.pt"), ErrorKind::Malformed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system could not open, map or read the file.
    Io,
    /// The file is something else: a web page, a git-lfs pointer, another format. The message says what.
    NotACheckpoint,
    /// The file is a checkpoint but damaged or forged: truncated, inconsistent, out of bounds.
    Malformed,
    /// The file is valid as far as one can tell, but uses something that this crate (or this build of it) does not read.
    Unsupported,
    /// Reading on would cost more than the [`Limits`](crate::Limits) allow.
    Limit,
    /// The caller asked for something that the checkpoint does not hold: a missing key, another dtype, an unknown device.
    Caller,
}

/// The one error type of the crate: pointer-sized, cheap to clone, and always saying where.
///
/// [`Display`](fmt::Display) gives one plain sentence, with the path, the record of the archive, the byte offset in
/// the record, the pickle opcode and the tensor's name in front of it as far as they are known.
///
/// ```
/// let error = torch_checkpoint::load_state_dict("no/such/file.pt", "cpu").unwrap_err();
/// assert_eq!(error.kind(), torch_checkpoint::ErrorKind::Io);
/// assert!(error.to_string().starts_with("no/such/file.pt: "));
/// ```
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(#[source] Arc<Details>);

#[derive(Clone, Debug, thiserror::Error)]
struct Details {
    kind: ErrorKind,
    message: Cow<'static, str>,
    path: Option<PathBuf>,
    record: Option<String>,
    offset: Option<u64>,
    opcode: Option<&'static str>,
    tensor: Option<String>,
    #[source]
    cause: Option<Arc<std::io::Error>>,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Details {
            kind,
            message: message.into(),
            path: None,
            record: None,
            offset: None,
            opcode: None,
            tensor: None,
            cause: None,
        }))
    }

    pub(crate) fn not_a_checkpoint(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotACheckpoint, message)
    }

    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn limit(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// There is no memory for so many bytes.
    pub(crate) fn no_memory(bytes: usize) -> Self {
        Self::limit(format!("there is no memory for {bytes} bytes: free some, or read parts (`Tensor::narrow`)"))
    }

    pub(crate) fn caller(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Caller, message)
    }

    /// `doing` completes "cannot …": `open the file`, `map the file`.
    pub(crate) fn io(doing: &str, cause: std::io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, format!("cannot {doing}: {cause}"));
        error.edit().cause = Some(Arc::new(cause));
        error
    }

    fn edit(&mut self) -> &mut Details {
        Arc::make_mut(&mut self.0)
    }

    /// Adds the file's path, unless it is known already. The innermost context is the most precise one.
    pub(crate) fn in_path(mut self, path: &Path) -> Self {
        if self.0.path.is_none() {
            self.edit().path = Some(path.to_owned());
        }
        self
    }

    /// Adds the record of the archive, unless it is known already.
    pub(crate) fn in_record(mut self, record: &str) -> Self {
        if self.0.record.is_none() {
            self.edit().record = Some(record.to_owned());
        }
        self
    }

    /// Puts the name of what lies around the record in front of its name.
    pub(crate) fn inside(mut self, container: &str) -> Self {
        let record = match self.0.record.as_deref() {
            None | Some("") => container.to_owned(),
            Some(record) => format!("{container}: {record}"),
        };
        self.edit().record = Some(record);
        self
    }

    /// Adds the byte offset in the record (or file), unless it is known already.
    pub(crate) fn at(mut self, offset: u64) -> Self {
        if self.0.offset.is_none() {
            self.edit().offset = Some(offset);
        }
        self
    }

    /// Counts the offset from so many bytes further ahead.
    pub(crate) fn moved(mut self, by: u64) -> Self {
        if let Some(offset) = self.0.offset {
            self.edit().offset = Some(offset.saturating_add(by));
        }
        self
    }

    /// Adds the pickle opcode, unless it is known already.
    pub(crate) fn in_opcode(mut self, opcode: &'static str) -> Self {
        if self.0.opcode.is_none() {
            self.edit().opcode = Some(opcode);
        }
        self
    }

    /// Adds the tensor's name (or dotted path), unless it is known already.
    pub(crate) fn in_tensor(mut self, name: &str) -> Self {
        if self.0.tensor.is_none() {
            self.edit().tensor = Some(name.to_owned());
        }
        self
    }

    /// Who has to act.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert_eq!(error.kind(), torch_checkpoint::ErrorKind::Malformed);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The sentence without its context.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert!(error.message().starts_with("a tensor of shape [7]"));
    /// assert!(error.to_string().ends_with(error.message()));
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file, when it was opened by path.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert!(error.path().unwrap().ends_with("x_view_past_storage.pt"));
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The record of the archive, as `archive/data.pkl`.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert_eq!(error.record(), Some("archive/data.pkl"));
    /// ```
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        self.0.record.as_deref()
    }

    /// The offset in bytes from the start of the record, or of the file where no record is named.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert_eq!(error.offset(), Some(157));
    /// ```
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The pickle opcode's name as Python's `pickletools` gives it.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert_eq!(error.opcode(), Some("REDUCE"));
    /// ```
    #[must_use]
    pub fn opcode(&self) -> Option<&'static str> {
        self.0.opcode
    }

    /// The tensor's name.
    ///
    /// ```
    /// let error = torch_checkpoint::load_state_dict("fixtures/refused/x_view_past_storage.pt", "cpu").unwrap_err();
    /// assert_eq!(error.tensor(), Some("w"));
    /// ```
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        self.0.tensor.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", Shown(&path.to_string_lossy()))?;
        }
        if let Some(record) = &self.record {
            write!(f, "{}", Shown(record))?;
        }
        if let Some(offset) = self.offset {
            f.write_str(if self.record.is_some() { " at byte " } else { "at byte " })?;
            write!(f, "{offset}")?;
        }
        if let Some(opcode) = self.opcode {
            write!(f, " ({opcode})")?;
        }
        if self.record.is_some() || self.offset.is_some() {
            f.write_str(": ")?;
        }
        if let Some(tensor) = &self.tensor {
            write!(f, "tensor `{}`: ", Shown(tensor))?;
        }
        f.write_str(&self.message)
    }
}

/// Text from a file, made safe to print: control and direction characters escaped, length capped.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl Shown<'_> {
    const MAX_CHARS: usize = 200;
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (n, c) in self.0.chars().enumerate() {
            if n == Self::MAX_CHARS {
                return f.write_char('…');
            }
            let directional = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || directional {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_sentence_with_its_place_in_front() {
        let error = Error::malformed("_rebuild_tensor_v2 needs 6 arguments, found 0")
            .in_opcode("REDUCE")
            .at(419)
            .in_record("archive/data.pkl")
            .in_path(Path::new("model.pt"));
        assert_eq!(
            error.to_string(),
            "model.pt: archive/data.pkl at byte 419 (REDUCE): _rebuild_tensor_v2 needs 6 arguments, found 0"
        );
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_innermost_context_stays() {
        let error = Error::limit("too much").at(1).at(2).in_record("a").in_record("b");
        assert_eq!((error.offset(), error.record()), (Some(1), Some("a")));
        assert_eq!(error.to_string(), "a at byte 1: too much");
        assert_eq!(error.inside("shard").to_string(), "shard: a at byte 1: too much");
    }

    #[test]
    fn names_from_files_cannot_forge_output() {
        let error = Error::malformed("bad").in_tensor("a\n\u{202e}b");
        assert_eq!(error.to_string(), "tensor `a\\u{a}\\u{202e}b`: bad");
        assert!(Shown(&"x".repeat(5000)).to_string().chars().count() <= 201);
    }
}
