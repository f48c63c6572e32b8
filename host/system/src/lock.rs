//! Files that one process at a time works on.

use crate::error::Error;
use crate::files::{append, open};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a file is tried before it is another process's: who looks by [`is_taken`] holds it for a moment ...
const TRIES: usize = 5;
/// ... and this long is waited in between.
const PAUSE: Duration = Duration::from_millis(10);

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

/// A folder that is this process's own to work in, until it is dropped.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    stays: bool,
    /// Kept from others as long as it is open.
    _file: File,
}

impl Held {
    /// Keeps other processes away from `folder` by the file `name` in it; `does` says in a message to them what is done
    /// there.
    ///
    /// # Errors
    /// Another process works there (misuse), or the folder cannot be written.
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

    /// Leaves the file there when it is dropped.
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

/// Whether a process works on the file at `path`, as far as this one can tell: where it cannot, one may.
pub fn is_taken(path: &Path) -> bool {
    match open(path) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether `path` names this very file.
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

/// Elsewhere a file that is open cannot lose its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> std::io::Result<bool> {
    Ok(true)
}
