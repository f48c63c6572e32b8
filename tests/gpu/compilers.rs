//! Which NVRTC compiles kernels.

use crate::kept::{end, process};
use a2d_gpu::{Compiler, Version};
use a2d_tests::helpers::skip::skipped;
use std::env::{join_paths, split_paths, var, var_os};
use std::fs::{copy, write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The name under which all look for it.
const NAME: &str = "libnvrtc.so";

/// The stand-in for the driver, which is one for NVRTC where it has that name.
fn stand_in() -> Option<PathBuf> {
    var("A2D_TEST_DEVICE").ok().filter(|device| device.starts_with("cuda"))?;
    let folders = var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut libraries = split_paths(&folders).map(|folder| folder.join("libcuda.so"));
    libraries.find(|path| path.is_file() && path.with_file_name("libnccl.so.2").is_file())
}

/// Computes with a driver that takes kernels up to a version, where the loader finds the NVRTC of `folder` first.
fn compute(folder: &Path, driver: &str, told: Option<&str>) -> (bool, String) {
    let folders = var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = [folder.to_owned()].into_iter().chain(split_paths(&folders));
    let mut process = process(Path::new(""));
    process.env("LD_LIBRARY_PATH", join_paths(folders).unwrap()).env("A2D_CUDA_VERSION", driver);
    process.envs(told.map(|version| ("A2D_CUDA_NVRTC", version)));
    end(process.spawn().unwrap())
}

/// The toolkit's compiles in place of one that is first in the loader's path.
pub fn the_toolkits_replaces_one_that_is_newer_than_the_driver() {
    let (Some(library), Some(_)) = (stand_in(), var_os("CUDA_PATH")) else {
        skipped("no stand-in for NVRTC, or no toolkit: tests/cuda/run.sh has both");
        return;
    };
    let folder = TempDir::new().unwrap();
    // No link: the loader would take it for the driver.
    copy(library, folder.path().join(NAME)).unwrap();
    let newest = "98000";
    for too_new_or_broken in [Some("99000"), None] {
        let (well, said) = compute(folder.path(), newest, too_new_or_broken);
        assert!(well && said.contains("NVRTC ") && !said.contains("NVRTC 99"), "{said}");
        assert!(!said.contains("warning"), "{said}");
    }
    // The stand-in compiles nothing: that is how it shows that it was taken.
    let (well, said) = compute(folder.path(), "99000", Some("99000"));
    assert!(!well && said.contains("NVRTC 99.0") && !said.contains("warning"), "{said}");
    let (well, said) = compute(folder.path(), "9000", Some("99000"));
    assert!(!well && said.contains("warning: NVRTC 99.0 is newer than the driver"), "{said}");
    assert!(said.contains("install NVRTC of CUDA 9.0 or older"), "{said}");

    write(folder.path().join(NAME), "no library").unwrap();
    let (well, said) = compute(folder.path(), newest, None);
    assert!(well && !said.contains("warning"), "{said}");
}

pub fn one_newer_than_the_driver_is_told() {
    let of = |nvrtc, older: Option<&str>| Compiler {
        nvrtc,
        driver: Version(12, 4),
        capability: Version(9, 0),
        older: older.map(Into::into),
    };
    assert_eq!(of(Version(12, 4), None).note(), None);
    assert_eq!(of(Version(12, 4), None).to_string(), "NVRTC 12.4");
    assert_eq!(
        of(Version(13, 0), None).to_string(),
        "NVRTC 13.0 (newer than the driver: CUDA 12.4)"
    );
    assert_eq!(of(Version(11, 8), None).note(), None);
    assert_eq!(of(Version(12, 4), None).key(), "sm_90-nvrtc-12.4");
    let note = of(Version(13, 0), Some("/usr/local/cuda-12.4/lib64")).note().unwrap();
    assert_eq!(
        note,
        "NVRTC 13.0 is newer than the driver, which takes CUDA 12.4: if kernels do not load, \
         put /usr/local/cuda-12.4/lib64 first in LD_LIBRARY_PATH"
    );
    let note = of(Version(12, 10), None).note().unwrap();
    assert!(note.ends_with("install NVRTC of CUDA 12.4 or older, or a newer driver"), "{note}");
}
