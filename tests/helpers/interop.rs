//! Golden values of other toolkits, which lie in two folders.

use super::skip::skipped;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The environment variable that names a folder of further values.
const VARIABLE: &str = "A2D_INTEROP";

/// The folder of the values that may be redistributed.
pub fn fixtures() -> PathBuf {
    Path::new(ROOT).join("fixtures/interop")
}

/// The folder that `A2D_INTEROP` names, absolute or relative to the repository's root. Reports the calling test as
/// skipped if the variable is not set.
///
/// # Panics
///
/// The variable names no folder.
pub fn named() -> Option<PathBuf> {
    let Some(name) = std::env::var_os(VARIABLE) else {
        skipped(&format!("{VARIABLE} names no folder of golden values"));
        return None;
    };
    // Relative to the root, as for cargo's caller.
    let folder = Path::new(ROOT).join(name);
    assert!(folder.is_dir(), "{VARIABLE}: no folder {}", folder.display());
    Some(folder)
}

/// The trained model of OPUS-MT's kind in [`named`]. Reports the calling test as skipped if it is not there.
pub fn trained() -> Option<PathBuf> {
    let model = named()?.join("hf-marian/model");
    let there = model.is_dir();
    if !there {
        skipped(&format!("{VARIABLE} names a folder without hf-marian/model"));
    }
    there.then_some(model)
}
