//! A folder of files that is written at once.

use a2d_system::error::{Error, Result};
use a2d_system::files;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A new folder. Its files are complete or missing.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates the folder at `path`, or takes an empty one.
    ///
    /// # Errors
    ///
    /// Misuse: there is a file of that name, or a folder that is not empty. The folder cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        check_free(path)?;
        files::make_folder(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Writes the file `name`.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, or the disk is full.
    pub fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        files::write_whole(&self.0.join(name), fill)
    }

    /// Writes the file `name` with these bytes.
    ///
    /// # Errors
    ///
    /// As [`Folder::write`].
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, |out| out.write_all(bytes))
    }
}

fn check_free(path: &Path) -> Result<()> {
    let shown = path.display();
    match std::fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::misuse(format!("{shown} is not empty: choose another folder"))),
        Err(_) if path.exists() => {
            Err(Error::misuse(format!("{shown} is no folder: choose another name")))
        }
        Err(_) => Ok(()),
    }
}
