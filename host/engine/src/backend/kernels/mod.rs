//! Compiled kernels, in a folder for those of one program, compiler and compute capability.
//!
//! A folder that is long unused is removed.

mod prune;
mod store;

pub use store::Store;

use a2d_gpu::compiled::{fresh, recall};
use a2d_gpu::{Compiler, Info};
use a2d_system::{hash, output};
use std::cell::Cell;
use std::env::var_os;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The variable that names another folder than the user's; empty: nothing is kept.
const FOLDER: &str = "A2D_CACHE";

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
        let store = Store::at(folder(info.compiler.as_ref()?)?);
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

/// The folder of this program's kernels.
fn folder(compiler: &Compiler) -> Option<PathBuf> {
    let name = format!("{}-{}", compiler.key(), program()?);
    Some(cache()?.join("kernels").join(name))
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
