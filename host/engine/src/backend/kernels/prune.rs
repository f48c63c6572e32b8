//! Folders of kernels that are unused: every program, compiler and kind of device has its own.

use super::store::EXTENSION;
use a2d_system::files::sweep;
use std::cmp::Reverse;
use std::fs::{DirEntry, read_dir, remove_dir, remove_file};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A folder that no process has opened for this long is removed.
const UNUSED: Duration = Duration::from_secs(60 * 24 * 3600);

/// The most bytes of all folders.
const MOST: u64 = 1 << 30;

/// A folder of kernels.
struct Folder {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Removes the folders of kernels beside `own` that are long unused, and of the others those that were used first, until all
/// have room. What is not a folder of kernels stays, and so do foreign files in one. A process that reads a folder meanwhile
/// compiles anew.
pub fn prune(own: &Path) {
    let beside = entries(own.parent().unwrap_or(own)).filter(|entry| entry.path() != own);
    let mut beside: Vec<_> = beside.filter_map(|entry| folder(&entry)).collect();
    beside.sort_by_key(|folder| Reverse(folder.used));
    let mut room = MOST.saturating_sub(bytes(own));
    for Folder { path, used, bytes } in beside {
        // The clock may have been set back.
        let recent = used.elapsed().map_or(true, |age| age < UNUSED);
        match room.checked_sub(bytes) {
            Some(rest) if recent => room = rest,
            _ => {
                // Those that were used before it have no room either.
                room = 0;
                remove(&path);
            }
        }
    }
}

fn folder(entry: &DirEntry) -> Option<Folder> {
    let (path, is) = (entry.path(), entry.metadata().ok()?);
    let name = path.file_name()?.to_str()?;
    let (compiler, program) = name.rsplit_once('-')?;
    let named = compiler.starts_with("sm_") && compiler.contains("-nvrtc-") && is_hash(program);
    let used = is.modified().ok()?;
    (is.is_dir() && named).then(|| Folder { bytes: bytes(&path), path, used })
}

/// Bytes of a folder's kernels.
fn bytes(folder: &Path) -> u64 {
    let kernels = entries(folder).filter(|entry| is_kernels(&entry.path()));
    kernels.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Removes a folder's kernels, and the folder if it has nothing else.
fn remove(folder: &Path) {
    sweep(folder);
    for path in entries(folder).map(|entry| entry.path()).filter(|path| is_kernels(path)) {
        let _ = remove_file(path);
    }
    let _ = remove_dir(folder);
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    read_dir(folder).into_iter().flatten().flatten()
}

fn is_kernels(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(is_hash) && path.extension().is_some_and(|of| of == EXTENSION)
}

/// Whether a name is a hash in hexadecimal.
fn is_hash(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
