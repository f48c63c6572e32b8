//! File locks that exclude other processes.

use crate::error::Error;
use crate::files::{append, open};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attempts before a lock counts as taken: [`is_taken`] of another process holds the lock for a moment, which is longer on
/// a busy machine ...
const TRIES: usize = 30;
/// ... and the pause between attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a file could not be locked.
#[derive(Debug)]
pub enum Refused {
    /// Another process holds the lock.
    Taken,
    /// The file cannot be opened or locked.
    Failed(std::io::Error),
}

/// Opens the file at `path` with `open` and locks it until it is dropped or the process ends.
///
/// If the previous holder removed the file after `open`, the file is opened again.
///
/// # Errors
///
/// Another process holds the lock, or the file cannot be opened or locked.
pub fn take(path: &Path, mut open: impl FnMut() -> std::io::Result<File>) -> Result<File, Refused> {
    let mut tries = 1;
    loop {
        let file = open().map_err(Refused::Failed)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path).map_err(Refused::Failed)? => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if tries == TRIES => return Err(Refused::Taken),
            Err(TryLockError::WouldBlock) => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            Err(TryLockError::Error(error)) => return Err(Refused::Failed(error)),
        }
    }
}

/// A folder locked by this process until the value is dropped.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    stays: bool,
    /// The lock is held while this file is open.
    _file: File,
}

impl Held {
    /// Locks `folder` through the lock file `name` in it. `does` describes the work in the error message that other
    /// processes print.
    ///
    /// # Errors
    ///
    /// Misuse: another process holds the lock. Failure: the folder cannot be written.
    pub fn new(folder: &Path, name: &str, does: &str) -> Result<Self, Error> {
        let path = folder.join(name);
        let wrong = |e: std::io::Error| Error::output("lock", &path, &e);
        let mut file = take(&path, || append(&path)).map_err(|refused| match refused {
            Refused::Failed(e) => wrong(e),
            Refused::Taken => {
                let process = std::fs::read_to_string(&path).ok().filter(|text| !text.is_empty());
                let process =
                    process.map_or("another process".into(), |id| format!("process {id}"));
                let how = "wait for it, or choose another --out";
                Error::misuse(format!("{process} {does} {}: {how}", folder.display()))
            }
        })?;
        let told = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        told.map_err(wrong)?;
        Ok(Self { path, stays: false, _file: file })
    }

    /// Keeps the lock file on disk after the drop.
    pub fn stays(mut self) -> Self {
        self.stays = true;
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a process holds the lock of the file at `path`. An unreadable file counts as locked.
pub fn is_taken(path: &Path) -> bool {
    match open(path) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether `path` still names the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let place = |found: std::fs::Metadata| (found.dev(), found.ino());
    match std::fs::metadata(path) {
        Ok(found) => Ok(place(found) == place(file.metadata()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// On other systems an open file cannot be removed or renamed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> std::io::Result<bool> {
    Ok(true)
}
