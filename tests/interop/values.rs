//! Values of JSON files.

use serde_json::Value;
use std::fs;
use std::path::Path;

/// The document in a file.
pub fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of a list; none if it is missing.
pub fn rows<'v>(document: &'v Value, list: &str) -> &'v [Value] {
    document[list].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text of a row.
pub fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_else(|| panic!("no text `{key}`: {row}"))
}

/// The ids of a list.
pub fn ids(list: &Value) -> Vec<usize> {
    let list = list.as_array().expect("a list of ids");
    list.iter().map(|id| id.as_u64().expect("an id") as usize).collect()
}

/// A decoded text as a single line: control characters become spaces.
pub fn line(text: &str) -> String {
    let ends = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
    text.replace(ends, " ")
}
