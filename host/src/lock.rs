//! Files that one process at a time works on.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Why a file is not this process's own.
#[derive(Debug)]
pub enum Refused {
    /// Another process works on it.
    Taken,
    /// It cannot be opened or locked.
    Failed(std::io::Error),
}

/// The file that `open` opens at `path`, kept from other processes until it is dropped, or the process ends in any way.
///
/// Who worked on it before may have removed it after it was opened here: it is then opened anew.
///
/// # Errors
/// Another process works on it; it cannot be opened or locked.
pub fn take(path: &Path, mut open: impl FnMut() -> std::io::Result<File>) -> Result<File, Refused> {
    loop {
        let file = open().map_err(Refused::Failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Refused::Taken,
            TryLockError::Error(error) => Refused::Failed(error),
        })?;
        if is_at(&file, path).map_err(Refused::Failed)? {
            return Ok(file);
        }
    }
}

/// Whether `path` names this very file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let place = |found: std::fs::Metadata| (found.dev(), found.ino());
    match std::fs::metadata(path) {
        Ok(found) => Ok(place(found) == place(file.metadata()?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere a file that is open cannot lose its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> std::io::Result<bool> {
    Ok(true)
}
