//! Errors that quote what a file says, which may be anything.

use a2d_system::error::Error;
use std::path::Path;

/// `text` in one line: its control characters are escaped.
pub fn line(text: &str) -> String {
    let escaped = |c: char| c.escape_debug().collect::<String>();
    text.chars().map(|c| if c.is_control() { escaped(c) } else { c.to_string() }).collect()
}

/// The misuse of a file: `text` follows its name.
pub fn misuse(path: &Path, text: &str) -> Error {
    Error::misuse(format!("{} {}", path.display(), line(text)))
}
