//! Files and folders in memory (`/dev/shm`, where there is one), for what can only be opened by its path.

use std::path::{Path, PathBuf};

/// An empty folder of this process, removed with the handle.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = Self(parent.join(format!("torch-checkpoint-fuzz-{}", std::process::id())));
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir(&folder.0).expect("a folder for the files");
        folder
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; names that cannot be one, or lead elsewhere, are passed over.
    pub fn with(self, name: &str, data: &[u8]) -> Self {
        let plain = |piece: &str| !matches!(piece, "" | "." | "..") && !piece.contains('\0') && piece.len() < 64;
        if name.split('/').all(plain) {
            let path = self.0.join(name);
            if path.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok()) {
                let _ = std::fs::write(path, data);
            }
        }
        self
    }

    /// The files that `seeds.py` joins: for each the length of its name, the length of its data, name, data.
    pub fn of_joined(mut bytes: &[u8]) -> Self {
        let mut folder = Self::new();
        while let Some(([name_len, a, b], rest)) = bytes.split_first_chunk::<3>().map(|(head, rest)| (*head, rest)) {
            let (name, rest) = rest.split_at(usize::from(name_len).min(rest.len()));
            let (data, rest) = rest.split_at(usize::from(u16::from_le_bytes([a, b])).min(rest.len()));
            folder = folder.with(&String::from_utf8_lossy(name), data);
            bytes = rest;
        }
        folder
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
