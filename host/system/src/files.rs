//! Files that are whole or not there: written to a temporary name, synced, renamed.

use crate::error::{Error, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How the names of files begin that are being written.
const UNFINISHED: &str = ".writing-";

/// Writes `path` through `fill`. The earlier file stays whole until the new one is complete on disk.
///
/// Errors: the folder cannot be written, or the disk is full; `path` is then as it was.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let mut unfinished = Unfinished::begin(path)?;
    fill(&mut unfinished.file).map_err(|e| Error::output("write", path, &e))?;
    unfinished.finish()
}

/// A file that takes its place when it is finished, and vanishes where it is not.
pub struct Unfinished {
    path: PathBuf,
    /// To write to, at any place.
    pub file: BufWriter<NamedTempFile>,
}

impl Unfinished {
    /// A file that is to be `path`.
    ///
    /// Errors: the folder cannot be written.
    pub fn begin(path: &Path) -> Result<Self> {
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(path));
        let file = file.map_err(|e| Error::output("write", path, &e))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 20, file) })
    }

    /// What it is to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place, complete on disk.
    ///
    /// Errors: as [`write_whole`].
    pub fn finish(self) -> Result<()> {
        let Self { path, file } = self;
        let placed = (|| {
            let file = file.into_inner().map_err(|e| e.into_error())?;
            allow_reading(file.as_file())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            // The rename itself must survive a power cut.
            File::open(folder_of(&path))?.sync_all()
        })();
        placed.map_err(|e| Error::output("write", &path, &e))
    }
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

/// All bytes of a file that the program wrote once. What is none, a device that never ends or a pipe without a writer,
/// is refused: a folder from elsewhere may hold anything under its names.
///
/// Errors: it cannot be read, or is no file.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    is_plain(&std::fs::metadata(path)?)?;
    std::fs::read(path)
}

/// Opens what [`read`] reads.
///
/// Errors: as there.
pub fn open(path: &Path) -> std::io::Result<File> {
    is_plain(&std::fs::metadata(path)?)?;
    File::open(path)
}

/// Opens a file of a folder of the program's own, to read it and to write where it ends; it is made where there is none.
/// A link is not followed: in a folder from elsewhere it may name any file of the user.
///
/// Errors: it cannot be opened, is a link, or no file.
pub fn append(path: &Path) -> std::io::Result<File> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(foreign("a link, which is not written to")),
        Ok(found) => is_plain(&found)?,
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

/// A folder says itself what it is when it is opened.
fn is_plain(found: &Metadata) -> std::io::Result<()> {
    match found.is_file() || found.is_dir() {
        true => Ok(()),
        false => Err(foreign("a device or a pipe, no file")),
    }
}

fn foreign(is: &str) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidInput, format!("it is {is}"))
}

/// Takes away what a killed program was writing in `folder`; what cannot be removed stays.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether `path` is a file that a run cannot do without, beside the configuration of one.
pub fn is_part_of_run(path: &Path) -> bool {
    let parts = ["config.toml", "tokenizer.json", "best.safetensors", "last.safetensors"];
    let named = parts.iter().any(|part| path.file_name().is_some_and(|name| name == *part));
    named && path.is_file() && path.with_file_name("config.toml").is_file()
}

/// Looks before long work whether its output has a place.
///
/// Errors: the folder of `path` does not exist, or `path` is a folder; it is a part of a run (misuse).
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

/// Removes a file, if it is there.
///
/// Errors: it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::output("remove", path, &e)),
        _ => Ok(()),
    }
}

/// Creates `path` and its parents.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::output("create", path, &e))
}
