//! What the folders of golden values hold.

use crate::values::json;
use a2d_tests::helpers::interop;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Every folder below those of golden values, themselves included, sorted.
pub fn all() -> &'static [PathBuf] {
    static ALL: OnceLock<Vec<PathBuf>> = OnceLock::new();
    ALL.get_or_init(found)
}

fn found() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for root in [Some(interop::fixtures()), interop::named()].into_iter().flatten() {
        let before = folders.len();
        walk(&root, &mut folders);
        assert!(folders[before..].iter().any(|folder| has_model(folder)), "{}", root.display());
    }
    folders
}

/// Whether a folder holds anything that is tested: else the wrong one was named.
fn has_model(folder: &Path) -> bool {
    let is_model = |path: &PathBuf| path.extension().is_some_and(|end| end == "model");
    folder.join("config.json").is_file() || entries(folder).iter().any(is_model)
}

fn walk(folder: &Path, folders: &mut Vec<PathBuf>) {
    folders.push(folder.to_owned());
    let mut below = entries(folder);
    below.retain(|path| path.is_dir());
    below.iter().for_each(|path| walk(path, folders));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The files whose names end with `end`: folder, and name without it.
pub fn files(end: &str) -> impl Iterator<Item = (&'static Path, String)> {
    all().iter().flat_map(move |folder| {
        let name = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(end)?.to_owned();
            path.is_file().then_some((folder.as_path(), name))
        };
        entries(folder).into_iter().filter_map(name).collect::<Vec<_>>()
    })
}

/// `model_type` of the `config.json` of a folder, if it has one.
pub fn kind(folder: &Path) -> Option<String> {
    let path = folder.join("config.json");
    let config = path.is_file().then(|| json(&path))?;
    config["model_type"].as_str().map(String::from)
}

/// Whether a folder is a Marian model with its weights.
pub fn is_marian(folder: &Path) -> bool {
    let weights = ["model.safetensors", "pytorch_model.bin"];
    kind(folder).as_deref() == Some("marian")
        && weights.iter().any(|name| folder.join(name).is_file())
}

/// The folders with an `expected.json` that `is_of` is true of, and that file.
pub fn expected(is_of: impl Fn(&Value) -> bool) -> Vec<(PathBuf, Value)> {
    let with = |folder: &PathBuf| {
        let path = folder.join("expected.json");
        let value = path.is_file().then(|| json(&path)).filter(&is_of)?;
        Some((folder.clone(), value))
    };
    all().iter().filter_map(with).collect()
}

/// The end of a path, for messages.
pub fn label(path: &Path) -> String {
    let parts: Vec<_> = path.iter().rev().take(3).collect();
    parts.into_iter().rev().collect::<PathBuf>().display().to_string()
}
