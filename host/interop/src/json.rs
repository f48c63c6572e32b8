//! JSON files.

use crate::line::misuse;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
///
/// Misuse: it cannot be read, or is not JSON of the expected form.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| misuse(path, &format!("is not usable: {e}")))
}

/// The text of `value` as Python's `json.dump` writes it: indented, in ASCII. Other characters stand only in texts, where
/// they are escaped, so that line ends of other kinds stay inside.
pub fn text(value: &impl Serialize) -> String {
    let mut units = [0; 2];
    let mut escaped = |c: char| match c.is_ascii() && c != '\x7f' {
        true => c.to_string(),
        false => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    // The values that are written here cannot fail.
    serde_json::to_string_pretty(value).unwrap_or_default().chars().map(&mut escaped).collect()
}
