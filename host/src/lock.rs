//! Files that one process at a time works on.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// How often a file is tried before it is another process's: who looks by [`is_taken`] holds it for a moment ...
const TRIES: usize = 10;
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

/// Whether a process works on the file at `path`, as far as this one can tell: where it cannot, one may.
pub fn is_taken(path: &Path) -> bool {
    match File::open(path) {
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
