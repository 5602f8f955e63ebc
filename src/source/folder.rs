//! Files of one folder, by names that another file of it says.

use std::path::{Path, PathBuf};

use super::{Backing, Source};
use crate::error::{Error, Shown};
use crate::limits::Limits;

/// A folder with checkpoint files in it.
///
/// A name that a file of it says (an index, a distributed checkpoint's metadata) cannot lead out of the folder: it is
/// relative and has no `..`. A symbolic link in the folder may: the cache of Hugging Face consists of such, and whoever
/// could place a link there could place a file.
pub(crate) struct Folder {
    path: PathBuf,
    backing: Backing,
    /// The names of the files in it, sorted.
    files: Vec<String>,
    /// The names of the folders in it, sorted.
    folders: Vec<String>,
}

impl Folder {
    /// Reads what is in a folder. Names that are not Unicode are left out: nothing could say them.
    ///
    /// # Errors
    /// I/O. Limit: more files than `Limits::records`.
    pub(crate) fn read(path: &Path, backing: Backing, limits: &Limits) -> Result<Self, Error> {
        // The empty path is that of the folder that one is in.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(path).map_err(|e| Error::io("read the folder", e))? {
            let entry = entry.map_err(|e| Error::io("read the folder", e))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Through a link, to what it leads to; a broken one is a file that cannot be opened.
            let is_folder = entry.path().is_dir();
            if is_folder {
                folders.push(name)
            } else {
                files.push(name)
            }
            let count = files.len().saturating_add(folders.len());
            Limits::check("records", u64::try_from(count).unwrap_or(u64::MAX), limits.records)?;
        }
        files.sort_unstable();
        folders.sort_unstable();
        Ok(Self { path: path.to_owned(), backing, files, folders })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.binary_search_by(|name| name.as_str().cmp(file)).is_ok()
    }

    /// Opens a file by a name that another file says.
    ///
    /// # Errors
    /// Malformed: the name leads out of the folder. I/O.
    pub(crate) fn open(&self, declared_name: &str) -> Result<Source, Error> {
        self.inside(declared_name)
            .and_then(|path| Source::open(&path, self.backing))
            .map_err(|e| e.inside(declared_name))
    }

    /// The first bytes of a file, and its length.
    pub(crate) fn head(&self, name: &str, len: u64) -> Result<(Vec<u8>, u64), Error> {
        use std::io::Read as _;
        let read = |path: PathBuf| {
            let mut head = Vec::new();
            let file = std::fs::File::open(path)?;
            let whole = file.metadata()?.len();
            file.take(len).read_to_end(&mut head)?;
            Ok((head, whole))
        };
        let path = self.inside(name)?;
        read(path).map_err(|e| Error::io("open the file", e)).map_err(|e| e.inside(name))
    }

    /// Checks that a name cannot lead out of the folder, on any system.
    ///
    /// # Errors
    /// Malformed: it can.
    pub(crate) fn check_name(declared_name: &str) -> Result<(), Error> {
        if let Some(why) = leads_out(declared_name) {
            return Err(Error::malformed(format!(
                "the file name `{}` {why}: a name has to be relative and lie within the folder",
                Shown(declared_name)
            )));
        }
        Ok(())
    }

    /// The path of a name, if it names a regular file. Another kind of file, a pipe perhaps, is not even opened.
    fn inside(&self, declared_name: &str) -> Result<PathBuf, Error> {
        Self::check_name(declared_name)?;
        let path = self.path.join(declared_name);
        let metadata = std::fs::metadata(&path).map_err(|e| Error::io("open the file", e))?;
        if metadata.is_file() {
            return Ok(path);
        }
        Err(Error::malformed("this is not a regular file"))
    }
}

/// What is wrong with a name, if it can mean something outside, on any system.
fn leads_out(name: &str) -> Option<&'static str> {
    let mut first = name.chars();
    if name.is_empty() {
        Some("is empty")
    } else if name.contains('\0') {
        Some("contains a NUL character")
    } else if name.contains('\\') {
        Some("contains a backslash")
    } else if name.starts_with('/') {
        Some("is absolute")
    } else if first.next().is_some_and(|c| c.is_ascii_alphabetic()) && first.next() == Some(':') {
        Some("begins with a drive letter")
    } else if name.split('/').any(|piece| piece == "..") {
        Some("leads outside (`..`)")
    } else if name.split('/').any(|piece| piece.is_empty() || piece == ".") {
        Some("has an empty piece")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for name in ["model.bin", "a/b.bin", "..model", "a..b", "xx:y", "ä", ".hidden", "C"] {
            assert_eq!(leads_out(name), None, "{name}");
        }
        for name in [
            "",
            "..",
            "../x.bin",
            "a/../../x",
            "a/..",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            "C:x",
            "c:\\x",
            "a\\b",
            "a\0b",
            "\\\\host\\x",
        ] {
            assert!(leads_out(name).is_some(), "{name:?}");
        }
    }
}
