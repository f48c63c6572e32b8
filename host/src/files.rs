//! Files that are whole or not there: written to a temporary name, synced, renamed.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

/// Writes `path` through `fill`. The earlier file stays whole until the new one is complete on disk.
///
/// Errors: the folder cannot be written, or the disk is full; `path` is then as it was.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let folder = folder_of(path);
    let written = (|| {
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        let mut buffered = BufWriter::with_capacity(1 << 20, file.as_file_mut());
        fill(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        allow_reading(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        // The rename itself must survive a power cut.
        File::open(folder)?.sync_all()
    })();
    written.map_err(|e| Error::output("write", path, &e))
}

/// Writes what a user asked to have in `path`: a device or a pipe as it is, the target of a link, or a whole file.
///
/// Errors: as [`write_whole`].
pub fn write_output(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let special = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if !special {
        return write_whole(&path.canonicalize().unwrap_or(path.to_owned()), fill);
    }
    let written = OpenOptions::new().write(true).open(path).and_then(|file| {
        let mut buffered = BufWriter::new(file);
        fill(&mut buffered)?;
        buffered.flush()
    });
    written.map_err(|e| Error::output("write", path, &e))
}

/// Looks before long work whether its output has a place.
///
/// Errors: the folder of `path` does not exist, or `path` is a folder.
pub fn has_place(path: &Path) -> Result<()> {
    let found = std::fs::metadata(folder_of(path)).and_then(|folder| match folder.is_dir() {
        false => Err(ErrorKind::NotADirectory.into()),
        true if path.is_dir() => Err(ErrorKind::IsADirectory.into()),
        true => Ok(()),
    });
    found.map_err(|e| Error::output("write", path, &e))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files are private; what replaces a user's file is as readable as any other.
#[cfg(unix)]
fn allow_reading(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn allow_reading(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Creates `path` and its parents.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::output("create", path, &e))
}
