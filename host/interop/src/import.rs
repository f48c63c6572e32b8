//! Reading a model of any known kind.

use crate::model::Imported;
use crate::{hf, marian};
use a2d_system::error::{Error, Result};
use std::path::Path;

/// Reads the model at `path`: a Hugging Face folder, a folder with Marian's files, or an `.npz` file among them.
///
/// # Errors
///
/// Misuse: `path` is neither, or as [`hf::import`] and [`marian::import`].
pub fn import(path: &Path) -> Result<Imported> {
    if path.join("config.json").is_file() {
        return hf::import(path);
    }
    let is_npz = |path: &Path| path.extension().is_some_and(|end| end == "npz");
    let mut entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    if path.is_file() && is_npz(path) || entries.any(|entry| is_npz(&entry.path())) {
        return marian::import(path);
    }
    let known = "expected a Hugging Face Marian folder (config.json) or a Marian model (.npz)";
    Err(Error::misuse(format!("{} is no model that can be imported: {known}", path.display())))
}
