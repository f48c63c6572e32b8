//! Compiled kernels, in a folder for those of one program, compiler and compute capability.
//!
//! A file holds what one process has compiled, and its name has the hash of its bytes. So files are never changed, several
//! processes write beside each other, and what is damaged, cut or foreign is not read.

use a2d_gpu::compiled::{fresh, recall};
use a2d_gpu::{Compiler, Info};
use a2d_system::error::Result;
use a2d_system::files::{make_folder, read, write_whole};
use a2d_system::{hash, output};
use std::cell::Cell;
use std::env::var_os;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The variable that names another folder than the user's; empty: nothing is kept.
const FOLDER: &str = "A2D_CACHE";

/// The extension of the files.
const EXTENSION: &str = "kernels";

/// The most bytes that are read of a folder.
const MOST: u64 = 1 << 28;

/// While a device is used, its kernels are written no more often than this.
const INTERVAL: Duration = Duration::from_secs(10);

/// The compiled kernels of a device.
#[derive(Debug)]
pub struct Kernels {
    store: Store,
    /// When they were last written; none once that has failed.
    written: Cell<Option<Instant>>,
}

impl Kernels {
    /// Opens a device with the kernels that are kept of it. None where none are kept: of other devices than CUDA's, where
    /// that is turned off, and where it is impossible, which a line says.
    pub fn open(info: &Info) -> Option<Self> {
        let store = Store::of(&cache()?, info.compiler.as_ref()?)?;
        match recall(info.id, &store.read()) {
            Ok(()) => Some(Self { store, written: Cell::new(Some(Instant::now())) }),
            Err(why) => {
                warn(&why);
                None
            }
        }
    }

    /// [`Self::keep`], if the last time is long ago.
    pub fn keep_at_times(&self) {
        if self.written.get().is_some_and(|last| last.elapsed() >= INTERVAL) {
            self.keep();
        }
    }

    /// Writes what was compiled since the last call. All that was launched must have been waited for. Where that fails, a
    /// line says so, and nothing more is written.
    pub fn keep(&self) {
        if self.written.get().is_none() {
            return;
        }
        self.written.set(Some(Instant::now()));
        if let Err(error) = self.store.write(&fresh()) {
            warn(&format!("{error}; {FOLDER} names another folder"));
            self.written.set(None);
        }
    }
}

fn warn(why: &str) {
    let _ = writeln!(output::stderr(), "warning: compiled kernels are not kept: {why}");
}

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

    fn of(cache: &Path, compiler: &Compiler) -> Option<Self> {
        let name = format!("{}-{}", compiler.key(), program()?);
        Some(Self::at(cache.join("kernels").join(name)))
    }

    /// All that was written, in any order.
    pub fn read(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let size = entry.metadata().map_or(MOST, |of| of.len());
            if size <= MOST.saturating_sub(all.len() as u64) {
                all.extend(whole(&entry.path()).unwrap_or_default());
            }
        }
        all
    }

    /// Adds `bytes`, unless there are none.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
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

/// The folder of what programs may forget: `A2D_CACHE`, or `a2d` in the user's. None where it is turned off, or there is no user.
fn cache() -> Option<PathBuf> {
    let named = |name| var_os(name).map(PathBuf::from);
    let filled = |path: &PathBuf| !path.as_os_str().is_empty();
    if let Some(folder) = named(FOLDER) {
        return Some(folder).filter(filled);
    }
    let users = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let users = users.or_else(|| Some(named("HOME").filter(filled)?.join(".cache")));
    users.map(|users| users.join("a2d"))
}

/// The hash of this program: kernels have names, and no versions. Under this name it is the file that runs, also after another
/// was put in its place. None on other systems than Linux.
fn program() -> Option<String> {
    let bytes = std::fs::read("/proc/self/exe").ok()?;
    Some(hash::hex(hash::bytes(&bytes)))
}
