//! What would happen if a file were loaded with Python's pickle? Every pickle in the file is followed without running it,
//! and every name that it mentions is judged by one [table].

mod archives;
mod collect;
mod dig;
mod folder;
mod judge;
mod name;
mod pickles;
mod results;
mod standard;
mod states;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::limits::Limits;
use crate::source::{Backing, Source};

/// How safe it is to load a file with Python's pickle, or with `torch.load(weights_only=False)`. Ordered: the worse is the
/// greater.
///
/// ```
/// use torch_checkpoint::{Verdict, scan};
/// let worst = scan("fixtures/zip/torch-2.15/python_functions.pt")[0].verdict;
/// assert_eq!(worst, Verdict::NeedsTrust);
/// assert!(worst > Verdict::Safe && worst < Verdict::Dangerous);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// It mentions no names but those that `torch.load(weights_only=True)` accepts.
    Safe,
    /// It could not be read, or not to its end, and nothing worse was found.
    Unreadable,
    /// It mentions other names. None of them is known to be harmful, but code of other packages may run.
    NeedsTrust,
    /// Loading it would call, or hand to the program, what can run anything.
    Dangerous,
}

impl Verdict {
    /// In one word: `safe`, `unreadable`, `needs_trust`, `dangerous`.
    ///
    /// ```
    /// assert_eq!(torch_checkpoint::Verdict::NeedsTrust.as_str(), "needs_trust");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unreadable => "unreadable",
            Self::NeedsTrust => "needs_trust",
            Self::Dangerous => "dangerous",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a name stands.
///
/// ```
/// use torch_checkpoint::{NameClass, scan};
/// let report = &scan("fixtures/zip/torch-2.15/python_namespaces.pt")[0];
/// let namespace = report.findings.iter().find(|finding| finding.global == "argparse.Namespace").unwrap();
/// assert_eq!(namespace.class, NameClass::Harmless);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NameClass {
    /// On the list that `torch.load(weights_only=True)` accepts (torch 2.15).
    Listed,
    /// Not on that list, and known to be harmless in the use that the pickle makes of it.
    Harmless,
    /// Of another package: as harmful as that.
    Unknown,
    /// Known to be harmful, or of Python's standard library, torch or numpy and not known to be harmless.
    Dangerous,
}

impl NameClass {
    /// In one word: `listed`, `harmless`, `unknown`, `dangerous`.
    ///
    /// ```
    /// assert_eq!(torch_checkpoint::NameClass::Harmless.as_str(), "harmless");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Harmless => "harmless",
            Self::Unknown => "unknown",
            Self::Dangerous => "dangerous",
        }
    }
}

/// What a pickle does with a name.
///
/// ```
/// use torch_checkpoint::{ScanOptions, Usage};
/// let report = ScanOptions::new().scan_bytes(b"cos\nsystem\n(S'ls'\ntR.");
/// assert_eq!(report.findings[0].usage, Usage::Called);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Usage {
    /// It is imported, and kept as a value.
    Mentioned,
    /// An object of the class is made without its constructor, and perhaps given a state.
    Made,
    /// It is called, or given to something that calls it.
    Called,
    /// Its attributes are changed, for the whole program.
    Changed,
}

impl Usage {
    /// In one word: `mentioned`, `made`, `called`, `changed`.
    ///
    /// ```
    /// assert_eq!(torch_checkpoint::Usage::Called.as_str(), "called");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mentioned => "mentioned",
            Self::Made => "made",
            Self::Called => "called",
            Self::Changed => "changed",
        }
    }
}

/// A name that a pickle mentions, and what it does with it.
///
/// ```
/// use torch_checkpoint::ScanOptions;
/// let finding = &ScanOptions::new().scan_bytes(b"cos\nsystem\n(S'ls'\ntR.").findings[0];
/// assert_eq!((finding.global.as_str(), finding.offset), ("os.system", 0));
/// println!("{}: {}", finding.global, finding.reason);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The record that holds the pickle, empty if it is the file itself: `archive/data.pkl`, `data.pkl: bytes at 1024`.
    pub record: String,
    /// The byte offset in the record of the opcode that mentions it first, or that does what is found.
    pub offset: u64,
    /// Module and name as pickled, joined with a dot; in parentheses what has no name.
    pub global: String,
    /// Where the name stands in the worst use that the pickle makes of it.
    pub class: NameClass,
    /// That use.
    pub usage: Usage,
    /// Why it stands there.
    pub reason: String,
}

impl Finding {
    fn new(offset: u64, global: &str, class: NameClass, usage: Usage, reason: &str) -> Self {
        Self { record: String::new(), offset, global: global.to_owned(), class, usage, reason: reason.to_owned() }
    }

    /// Whether `torch.load(weights_only=True)` refuses a file for this name.
    ///
    /// ```
    /// let report = &torch_checkpoint::scan("fixtures/zip/torch-2.15/python_namespaces.pt")[0];
    /// let refused =
    ///     |name| report.findings.iter().any(|found| found.global == name && found.is_refused_by_weights_only());
    /// assert!(refused("argparse.Namespace") && !refused("torch._utils._rebuild_tensor_v2"));
    /// ```
    #[must_use]
    pub fn is_refused_by_weights_only(&self) -> bool {
        self.class != NameClass::Listed
    }
}

/// What was found in a file.
///
/// ```
/// let report = &torch_checkpoint::scan("fixtures/zip/torch-2.15/python_namespaces.pt")[0];
/// for finding in &report.findings {
///     println!("{} is {}: {}", finding.global, finding.class.as_str(), finding.reason);
/// }
/// assert_eq!((report.pickles, report.errors.len()), (1, 0));
/// assert!(!report.weights_only.is_empty()); // torch.load would ask for weights_only=False
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The file, when it was scanned by path.
    pub path: Option<PathBuf>,
    /// The sum of it.
    pub verdict: Verdict,
    /// Every name in every pickle, harmless ones included, at most [`Report::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub errors: Vec<Error>,
    /// Why `torch.load(weights_only=True)` refuses it, as far as names and opcodes tell: one sentence for each name and for
    /// the first unknown opcode of each pickle. Empty if it would load.
    pub weights_only: Vec<String>,
    /// How many pickles were read.
    pub pickles: usize,
    /// What the file is, if it is no checkpoint and was only found beside others.
    pub note: Option<String>,
}

impl Report {
    /// A file that mentions more names than this gives its worst ones among them, and an error.
    ///
    /// ```
    /// use torch_checkpoint::{Report, scan};
    /// let report = &scan("fixtures/zip/torch-2.15/python_functions.pt")[0];
    /// assert!(report.findings.len() < Report::MAX_FINDINGS); // so these are all
    /// ```
    pub const MAX_FINDINGS: usize = 10_000;
}

/// How to scan files.
///
/// ```
/// use torch_checkpoint::{Limits, ScanOptions, Verdict};
///
/// let report = ScanOptions::new().limits(Limits::default()).scan_bytes(b"cos\nsystem\n(S'ls'\ntR.");
/// assert_eq!(report.verdict, Verdict::Dangerous);
/// assert_eq!(report.findings[0].global, "os.system");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ScanOptions {
    limits: Limits,
    backing: Backing,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ScanOptions {
    /// Files are mapped, the limits are the default ones.
    ///
    /// ```
    /// let reports = torch_checkpoint::ScanOptions::new().scan("fixtures/zip/torch-2.15/state_dict.pt");
    /// assert_eq!(reports[0].verdict, torch_checkpoint::Verdict::Safe);
    /// ```
    pub fn new() -> Self {
        Self { limits: Limits::default(), backing: Backing::Mapped }
    }

    /// How much a file may cost.
    ///
    /// ```
    /// use torch_checkpoint::{ErrorKind, Limits, ScanOptions};
    /// let mut limits = Limits::default();
    /// limits.pickle_bytes = 100;
    /// let reports = ScanOptions::new().limits(limits).scan("fixtures/zip/torch-2.15/state_dict.pt");
    /// assert_eq!(reports[0].errors[0].kind(), ErrorKind::Limit);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether a file is mapped or read into memory. Default [`Backing::Mapped`].
    ///
    /// ```
    /// use torch_checkpoint::{Backing, ScanOptions, Verdict};
    /// let reports = ScanOptions::new().backing(Backing::Owned).scan("fixtures/zip/torch-2.15/state_dict.pt");
    /// assert_eq!(reports[0].verdict, Verdict::Safe);
    /// ```
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = backing;
        self
    }

    /// Scans a file, or every file in a folder and those below it, in the order of their names.
    ///
    /// ```
    /// use torch_checkpoint::{ScanOptions, Verdict};
    /// let reports = ScanOptions::new().scan("fixtures/pickle");
    /// assert!(reports.len() > 10 && reports.is_sorted_by_key(|report| report.path.clone()));
    /// ```
    #[must_use]
    pub fn scan(&self, path: impl AsRef<Path>) -> Vec<Report> {
        folder::scan(self, path.as_ref())
    }

    /// Scans a file that is in memory.
    ///
    /// ```
    /// use torch_checkpoint::{ScanOptions, Verdict};
    /// let upload = std::fs::read("fixtures/zip/torch-2.15/state_dict.pt")?;
    /// assert_eq!(ScanOptions::new().scan_bytes(upload).verdict, Verdict::Safe);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn scan_bytes(&self, bytes: impl Into<Source>) -> Report {
        dig::file(&bytes.into(), &self.limits, false)
    }

    fn scan_file(&self, path: &Path, beside_others: bool) -> Report {
        let mut report = match Source::open(path, self.backing) {
            Ok(source) => dig::file(&source, &self.limits, beside_others),
            Err(error) => unreadable(error),
        };
        report.path = Some(path.to_owned());
        report.errors = report.errors.into_iter().map(|error| error.in_path(path)).collect();
        report
    }
}

fn unreadable(error: Error) -> Report {
    Report {
        path: None,
        verdict: Verdict::Unreadable,
        findings: Vec::new(),
        errors: vec![error],
        weights_only: Vec::new(),
        pickles: 0,
        note: None,
    }
}

/// Scans a file, or every file of a folder: which Python names its pickles mention, which of them would run code if the file
/// were loaded with Python's pickle, and which `torch.load(weights_only=True)` would refuse. Nothing is run.
///
/// Every pickle is read, whatever the file says of itself: records under any name, listed or not, several pickles one behind
/// the other, pickles in byte strings of pickles, archives in archives. What a pickle calls from Python's standard library,
/// torch or numpy is [dangerous](NameClass::Dangerous) unless it is on a short list of names that are known to be harmless;
/// what it calls from elsewhere needs trust.
///
/// A file that cannot be read is a report with errors, not an error. Loading with this crate runs nothing, whatever the
/// verdict; it is about what Python would do.
///
/// ```
/// use torch_checkpoint::Verdict;
///
/// let reports = torch_checkpoint::scan("fixtures/zip/torch-2.15/state_dict.pt");
/// assert_eq!(reports[0].verdict, Verdict::Safe);
/// for finding in &reports[0].findings {
///     println!("{} in {} at byte {}: {}", finding.global, finding.record, finding.offset, finding.reason);
/// }
/// ```
#[must_use]
pub fn scan(path: impl AsRef<Path>) -> Vec<Report> {
    ScanOptions::new().scan(path)
}
