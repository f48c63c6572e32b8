//! The program under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of this build's binaries, such as `target/release`.
///
/// # Panics
///
/// This test was not built by Cargo.
pub fn profile() -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    this.ancestors().nth(2).expect("a test lies in the folder `deps`").to_owned()
}

/// The binary under test: `A2D_TEST_HOST` if set, else `host`, built with the profile and features of this test.
///
/// # Panics
///
/// The program does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("A2D_TEST_HOST") {
        Some(path) => path.into(),
        None => built("host"),
    })
}

/// The binary that users install: `a2d` beside [`binary`], which is the same program if there is none.
pub fn a2d() -> PathBuf {
    let a2d = binary().with_file_name(format!("a2d{}", std::env::consts::EXE_SUFFIX));
    if a2d.is_file() { a2d } else { binary().to_owned() }
}

fn built(name: &str) -> PathBuf {
    let folder = profile();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut build = Command::new(env!("CARGO"));
    // Together with the tests' own crate, whose features its dependencies have here: else they are compiled anew.
    build.args(["build", "--bins", "-p", "a2d-host", "-p", "a2d-tests", "--profile", profile]);
    build.arg("--target-dir");
    build.arg(folder.parent().unwrap_or(&folder)).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !a2d_host::backend::gpu::BUILT {
        build.arg("--no-default-features");
    }
    if a2d_host::train::ranks::BUILT {
        build.args(["--features", "distributed"]);
    }
    let built = build.output().expect("Cargo starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
