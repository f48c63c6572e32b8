//! A folder of files that are whole.
//!
//! A file holds what one process has compiled, and its name has the hash of its bytes. So files are never changed, several
//! processes write beside each other, and what is damaged, cut or foreign is not read.

use super::prune::prune;
use a2d_system::error::Result;
use a2d_system::files::{make_folder, read, write_whole};
use a2d_system::hash;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The extension of the files.
pub const EXTENSION: &str = "kernels";

/// The most bytes that are read of a folder.
const MOST: u64 = 1 << 28;

/// A folder of bytes that are kept whole or not at all.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in `folder`, which is made when something is written.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All that was written, in any order. The folder counts as used now.
    pub fn read(&self) -> Vec<u8> {
        // One of another user's, or that cannot be written, is read all the same.
        let _ = File::open(&self.folder).and_then(|of| of.set_modified(SystemTime::now()));
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let size = entry.metadata().map_or(MOST, |of| of.len());
            if size <= MOST.saturating_sub(all.len() as u64) {
                all.extend(whole(&entry.path()).unwrap_or_default());
            }
        }
        all
    }

    /// Adds `bytes`, unless there are none, and removes unused folders beside this one.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // Another process may remove the folder meanwhile.
        self.add(bytes).or_else(|_| self.add(bytes))?;
        prune(&self.folder);
        Ok(())
    }

    fn add(&self, bytes: &[u8]) -> Result<()> {
        make_folder(&self.folder)?;
        write_whole(&self.folder.join(name(bytes)), |out| out.write_all(bytes))
    }
}

/// The bytes of a file that has its own name.
fn whole(path: &Path) -> Option<Vec<u8>> {
    let bytes = read(path).ok()?;
    (path.file_name()? == name(&bytes).as_str()).then_some(bytes)
}

/// The name of a file with these bytes.
fn name(bytes: &[u8]) -> String {
    format!("{}.{EXTENSION}", hash::hex(hash::bytes(bytes)))
}
