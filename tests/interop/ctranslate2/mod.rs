//! Models as CTranslate2's converter writes them, and what CTranslate2 gives for them.

mod files;
mod searches;

use crate::folders::{self, label};
use crate::values::{json, text};
use a2d_tests::helpers::skip::skipped;
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
    /// `None` if the model that was converted is not there.
    fn read(folder: &Path, name: &str) -> Option<Self> {
        let listed = json(&folder.join(format!("{name}.variables.json")));
        let source = folder.parent().unwrap().join(text(&listed, "source"));
        if !folders::is_marian(&source) {
            skipped(&format!(
                "{}: no Marian model {}",
                label(&folder.join(name)),
                source.display()
            ));
            return None;
        }
        Some(Self { source, folder: folder.join(name), name: name.to_owned(), listed })
    }
}

/// Every model that was converted.
fn all() -> Vec<Converted> {
    folders::files(".variables.json")
        .filter(|(_, name)| name != "model.safetensors")
        .filter_map(|(folder, name)| Converted::read(folder, &name))
        .collect()
}
