//! Atomic files: written to a temporary name, synced, renamed.

use crate::error::{Error, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// Prefix of the names of temporary files.
const UNFINISHED: &str = ".writing-";

/// Writes `path` atomically through `fill`. An earlier file stays in place until the new one is synced to disk.
///
/// # Errors
///
/// The folder cannot be written, or the disk is full. `path` is then unchanged.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let mut unfinished = Unfinished::begin(path)?;
    fill(&mut unfinished.file).map_err(|e| Error::output("write", path, &e))?;
    unfinished.finish()
}

/// A temporary file. [`Unfinished::finish`] renames it to its final path; dropping it deletes it.
pub struct Unfinished {
    path: PathBuf,
    /// The temporary file, buffered and seekable.
    pub file: BufWriter<NamedTempFile>,
}

impl Unfinished {
    /// Creates a temporary file in the folder of `path`.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn begin(path: &Path) -> Result<Self> {
        let file = beside(path).map_err(|e| Error::output("write", path, &e))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 20, file) })
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file to disk and renames it to its final path.
    ///
    /// # Errors
    ///
    /// As [`write_whole`].
    pub fn finish(self) -> Result<()> {
        let Self { path, file } = self;
        let placed = (|| {
            let file = file.into_inner().map_err(|e| e.into_error())?;
            allow_reading(file.as_file())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            // The rename itself must survive a power failure.
            File::open(folder_of(&path))?.sync_all()
        })();
        placed.map_err(|e| Error::output("write", &path, &e))
    }
}

/// The name of a temporary file; see [`temporary`]. Dropping it deletes the file.
#[derive(Debug)]
pub struct Temporary(TempPath);

/// Creates a temporary file in the folder of `path`, for reading and writing.
///
/// # Errors
///
/// The folder cannot be written.
pub fn temporary(path: &Path) -> std::io::Result<(File, Temporary)> {
    let (file, name) = beside(path)?.into_parts();
    Ok((file, Temporary(name)))
}

impl Temporary {
    /// Syncs the file to disk, renames it to `path` and keeps it.
    ///
    /// # Errors
    ///
    /// A file of that name exists, which stays as it is; the folder cannot be written.
    pub fn keep(self, path: &Path) -> std::io::Result<()> {
        let file = File::open(&self.0)?;
        allow_reading(&file)?;
        file.sync_all()?;
        self.0.persist_noclobber(path).map_err(|e| e.error)
    }
}

fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(path))
}

/// Writes a user's output to `path`. Devices and pipes are written directly, links are followed, and files are written
/// atomically.
///
/// # Errors
///
/// As [`write_whole`].
pub fn write_output(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    if !is_special(path) {
        return write_whole(&path.canonicalize().unwrap_or(path.to_owned()), fill);
    }
    let written = OpenOptions::new().write(true).open(path).and_then(|file| {
        let mut buffered = BufWriter::new(file);
        fill(&mut buffered)?;
        buffered.flush()
    });
    written.map_err(|e| Error::output("write", path, &e))
}

/// Whether `path` is a device or a pipe.
pub fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Reads a file of a run or data folder. Devices and pipes are rejected: a folder from another source may contain an
/// endless device or a pipe without a writer.
///
/// # Errors
///
/// The file cannot be read, or is not a regular file.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    is_plain(&std::fs::metadata(path)?)?;
    std::fs::read(path)
}

/// Opens a file under the same rules as [`read`].
///
/// # Errors
///
/// As [`read`].
pub fn open(path: &Path) -> std::io::Result<File> {
    is_plain(&std::fs::metadata(path)?)?;
    File::open(path)
}

/// Fills `bytes` from offset `start`. Thread-safe.
///
/// # Errors
///
/// The file ends before, or cannot be read.
#[cfg(unix)]
pub fn read_at(file: &File, bytes: &mut [u8], start: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

/// Fills `bytes` from offset `start`. Thread-safe.
///
/// # Errors
///
/// The file ends before, or cannot be read.
#[cfg(windows)]
pub fn read_at(file: &File, mut bytes: &mut [u8], mut start: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, start)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        start += read as u64;
    }
    Ok(())
}

/// Opens a file for reading and appending, and creates it if missing. Links are not followed: in a folder from another
/// source, a link may point to any file of the user.
///
/// # Errors
///
/// The file cannot be opened, is a link, or is not a regular file.
pub fn append(path: &Path) -> std::io::Result<File> {
    is_own(path)?;
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

/// Opens a file for reading and writing anywhere in it, under the same rules as [`append`].
///
/// # Errors
///
/// As [`append`].
pub fn update(path: &Path) -> std::io::Result<File> {
    is_own(path)?;
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

/// Whether `path` is a regular file, or nothing yet.
fn is_own(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(foreign("a link, which is not written to")),
        Ok(found) => is_plain(&found),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Checks that the disk of `path` has room for `bytes` more; `how` to need less goes into the error.
///
/// # Errors
///
/// Misuse: it has not.
pub fn has_room(path: &Path, bytes: u64, how: &str) -> Result<()> {
    let free =
        fs4::available_space(folder_of(path)).map_err(|e| Error::output("write", path, &e))?;
    if bytes <= free {
        return Ok(());
    }
    let path = path.display();
    Err(Error::misuse(format!(
        "{path} takes {bytes} more bytes, and the disk has {free} free: {how}"
    )))
}

/// Folders pass: opening one fails with its own error.
fn is_plain(found: &Metadata) -> std::io::Result<()> {
    match found.is_file() || found.is_dir() {
        true => Ok(()),
        false => Err(foreign("a device or a pipe, no file")),
    }
}

fn foreign(is: &str) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidInput, format!("it is {is}"))
}

/// Removes the temporary files that a killed process left in `folder`. Files that cannot be removed stay.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether `path` is an essential file of a run: one of four names, beside a `config.toml`.
pub fn is_part_of_run(path: &Path) -> bool {
    let parts = ["config.toml", "tokenizer.json", "best.safetensors", "last.safetensors"];
    let named = parts.iter().any(|part| path.file_name().is_some_and(|name| name == *part));
    named && path.is_file() && path.with_file_name("config.toml").is_file()
}

/// Checks before long work that its output can be written.
///
/// # Errors
///
/// The folder of `path` does not exist, or `path` is a folder. Misuse: `path` is part of a run.
pub fn has_place(path: &Path) -> Result<()> {
    if is_part_of_run(path) {
        let text = "is a part of the run beside it: choose another output";
        return Err(Error::misuse(format!("{} {text}", path.display())));
    }
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

/// Temporary files are private by default. The final file is world-readable.
#[cfg(unix)]
fn allow_reading(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn allow_reading(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Removes a file if it exists.
///
/// # Errors
///
/// It cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::output("remove", path, &e)),
        _ => Ok(()),
    }
}

/// Creates the folder of the file `path`, and its parents.
///
/// # Errors
///
/// It cannot be created.
pub fn make_folder_of(path: &Path) -> Result<()> {
    make_folder(folder_of(path))
}

/// Creates `path` and its parents.
///
/// # Errors
///
/// It cannot be created.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::output("create", path, &e))
}
