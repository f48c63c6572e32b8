//! Reading a model of any known kind.

use crate::foreign::Foreign;
use crate::{bert, hf, marian};
use a2d_system::error::{Error, Result};
use std::path::Path;

/// Reads the model at `path`: a folder of Hugging Face's layout, a folder with Marian's files, or an `.npz` file among them.
///
/// # Errors
///
/// Misuse: `path` is none of these, or as [`hf::import`], [`bert::import`] and [`marian::import`].
pub fn import(path: &Path) -> Result<Box<dyn Foreign>> {
    Ok(match Kind::of(path) {
        Some(Kind::HuggingFace) if hf::is_marian(path)? => Box::new(hf::import(path)?),
        Some(Kind::HuggingFace) => Box::new(bert::import(path)?),
        Some(Kind::Marian) => Box::new(marian::import(path)?),
        None => {
            let known = "expected a Hugging Face folder (config.json) or a Marian model (.npz)";
            let path = path.display();
            return Err(Error::misuse(format!("{path} is no model that can be imported: {known}")));
        }
    })
}

/// Whether [`import`] takes `path` for a model.
pub fn is_model(path: &Path) -> bool {
    Kind::of(path).is_some()
}

enum Kind {
    HuggingFace,
    Marian,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        if bert::is_of_modules(path) || path.join("config.json").is_file() {
            return Some(Self::HuggingFace);
        }
        let is_npz = |path: &Path| path.extension().is_some_and(|end| end == "npz");
        let mut entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let found = path.is_file() && is_npz(path) || entries.any(|entry| is_npz(&entry.path()));
        found.then_some(Self::Marian)
    }
}
