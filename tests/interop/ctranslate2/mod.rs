//! Models as CTranslate2's converter writes them, and what CTranslate2 gives for them.

mod files;
mod searches;

use crate::folders;
use crate::values::{json, text};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A converted model.
struct Converted {
    /// Such as `tiny-int8`.
    name: String,
    /// `NAME.variables.json`
    listed: Value,
    /// The folder that was converted.
    source: PathBuf,
    /// The folder that was written. It may be missing.
    folder: PathBuf,
}

impl Converted {
    fn read(folder: &Path, name: &str) -> Self {
        let listed = json(&folder.join(format!("{name}.variables.json")));
        let root = folder.parent().unwrap();
        Self {
            source: root.join(text(&listed, "source")),
            folder: folder.join(name),
            name: name.to_owned(),
            listed,
        }
    }
}

/// Every model that was converted.
fn all() -> Vec<Converted> {
    folders::files(".variables.json")
        .filter(|(_, name)| name != "model.safetensors")
        .map(|(folder, name)| Converted::read(folder, &name))
        .collect()
}
