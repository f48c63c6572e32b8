//! The choice among the NVRTC libraries of this machine.
//!
//! The loader's is taken, by its search path, if the driver takes its kernels. In place of one that is missing, broken or too
//! new, one in a toolkit's folder is: the newest that the driver takes.

use super::alias;
use super::compiler::Version;
use cudarc::nvrtc::sys;
use libloading::Library;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The name that cudarc looks for first, and toolkits have.
const NAME: &str = "libnvrtc.so";

/// The folders of a toolkit that have its libraries.
const FOLDERS: [&str; 3] = ["lib64", "lib", "targets/x86_64-linux/lib"];

/// An NVRTC in a toolkit's folder.
struct Found {
    version: Version,
    folder: PathBuf,
}

/// Loads NVRTC for a driver that takes kernels up to version `driver`, and returns its version. None if there is none.
pub fn load(driver: Version) -> Option<Version> {
    static LOADED: OnceLock<Option<Version>> = OnceLock::new();
    *LOADED.get_or_init(|| {
        let better = match loaders() {
            Some(version) if version <= driver => None,
            Some(_) => best(driver),
            None => best(driver).or_else(|| installed().into_iter().next()),
        };
        if let Some(Found { folder, .. }) = better {
            let path = folder.join(NAME);
            // Where that fails, it is found by its own SONAME if the loader has none; else the version of the loader's tells.
            if alias::name(&path, NAME).is_err() {
                // SAFETY: loads the compiler's library, which allows that at any time.
                let _ = unsafe { Library::new(path) }.map(std::mem::forget);
            }
        }
        is_there().then(|| version(loaded())).flatten()
    })
}

/// The folder of [`best`].
pub fn folder(driver: Version) -> Option<PathBuf> {
    best(driver).map(|found| found.folder)
}

/// The newest NVRTC that the driver takes, of those in folders of toolkits.
fn best(driver: Version) -> Option<Found> {
    installed().into_iter().rfind(|found| found.version <= driver)
}

/// The version of the library that cudarc would load. It does not stay loaded: its name would be taken.
fn loaders() -> Option<Version> {
    let names = cudarc::get_lib_name_candidates("nvrtc");
    // SAFETY: loads the compiler's library, which allows that at any time.
    let library = names.into_iter().find_map(|name| unsafe { Library::new(name) }.ok());
    version(&library?)
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
    let library = unsafe { Library::new(folder.join(NAME)) }.ok()?;
    Some(Found { version: version(&library)?, folder: folder.to_owned() })
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
