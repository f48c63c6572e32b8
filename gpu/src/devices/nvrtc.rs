//! The choice among the NVRTC libraries of this machine.
//!
//! The loader's is taken, by its search path. Where it finds none, one in a toolkit's folder is loaded by its path, and is
//! found by its name from then on: the newest that the driver takes, as it loads no kernels of a newer one.

use super::compiler::Version;
use cudarc::nvrtc::sys;
use libloading::Library;
use std::path::{Path, PathBuf};

/// The folders of a toolkit that have its libraries.
const FOLDERS: [&str; 3] = ["lib64", "lib", "targets/x86_64-linux/lib"];

/// An NVRTC in a toolkit's folder, loaded while this lives.
struct Found {
    version: Version,
    folder: PathBuf,
    library: Library,
}

/// Loads NVRTC for a driver that takes kernels up to version `driver`, and returns its version. None if there is none.
pub fn load(driver: Version) -> Option<Version> {
    if !is_there() {
        let mut all = installed();
        let fits = all.iter().rposition(|found| found.version <= driver).unwrap_or(0);
        if fits < all.len() {
            // It stays loaded. The others do not, or they would be found in its place.
            std::mem::forget(all.swap_remove(fits).library);
        }
    }
    is_there().then(|| version(loaded())).flatten()
}

/// The folder of the newest NVRTC that the driver takes, of those in folders of toolkits.
pub fn folder(driver: Version) -> Option<PathBuf> {
    let fits = installed().into_iter().rfind(|found| found.version <= driver);
    fits.map(|found| found.folder)
}

/// Those in the folders of toolkits, oldest first.
fn installed() -> Vec<Found> {
    let folders = toolkits().into_iter().flat_map(|of| FOLDERS.map(|folder| of.join(folder)));
    let mut all: Vec<_> = folders.filter_map(|folder| open(&folder)).collect();
    all.sort_by_key(|found| found.version);
    all
}

/// The folder that `CUDA_PATH` names or that is usual, and those of several versions beside each other.
fn toolkits() -> Vec<PathBuf> {
    let beside = std::fs::read_dir("/usr/local").into_iter().flatten().flatten();
    let beside = beside.filter(|of| of.file_name().to_string_lossy().starts_with("cuda-"));
    cubecl::cuda::install::cuda_path().into_iter().chain(beside.map(|of| of.path())).collect()
}

fn open(folder: &Path) -> Option<Found> {
    // SAFETY: loads the compiler's library, which allows that at any time.
    let library = unsafe { Library::new(folder.join("libnvrtc.so")) }.ok()?;
    Some(Found { version: version(&library)?, folder: folder.to_owned(), library })
}

fn is_there() -> bool {
    // SAFETY: loads the compiler's library, which allows that at any time, and calls nothing.
    unsafe { sys::is_culib_present() }
}

/// The library that is there, and compiles kernels.
fn loaded() -> &'static Library {
    // SAFETY: as above.
    unsafe { sys::culib() }
}

fn version(library: &Library) -> Option<Version> {
    type Ask = unsafe extern "C" fn(*mut i32, *mut i32) -> sys::nvrtcResult;
    let [mut major, mut minor] = [0; 2];
    // SAFETY: the function of this name has this type, and writes two numbers.
    let told = unsafe { library.get::<Ask>(b"nvrtcVersion").ok()?(&mut major, &mut minor) };
    (told == sys::nvrtcResult::NVRTC_SUCCESS).then_some(Version(major, minor))
}
