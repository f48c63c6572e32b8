//! Files of settings as text: reading them, and the lines that errors name.

use a2d_system::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file in bytes. It excludes other files and endless devices.
const LONGEST: u64 = 1 << 20;

/// The text of a file that `is` names in errors, such as "configuration".
///
/// # Errors
///
/// Misuse: the file cannot be read, is too large or is not UTF-8.
pub fn read_text(path: &Path, is: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::input("read", path, &e))?;
    if bytes.len() as u64 > LONGEST {
        let path = path.display();
        return Err(Error::misuse(format!("{path} has over 1 MiB: it is no {is}")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..valid].iter().filter(|&&b| b == b'\n').count();
        Error::misuse(format!("{}:{line}: not valid UTF-8", path.display()))
    })
}

/// The error that `text`, from a file called `path`, is not TOML or does not have the form that is read.
pub fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let message = message.replace("unknown field", "unknown key");
    Error::misuse(format!("{}:{line}: {message}", path.display()))
}

/// The line of the byte `at`.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&b| b == b'\n').count()
}
