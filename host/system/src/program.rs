//! The name that the program was started under, its environment, and commands as text.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The names of the program. The first is that of a process that no binary has started, such as a test.
const NAMES: [&str; 2] = ["a2d", "host"];

static NAME: OnceLock<&str> = OnceLock::new();

/// Sets the name: the one of the two that the program was called by, otherwise `binary`. One file may be linked under
/// both names. A later call changes nothing.
pub fn started_as(binary: &'static str) {
    NAME.get_or_init(|| called_by().unwrap_or(binary));
}

fn called_by() -> Option<&'static str> {
    let path = PathBuf::from(std::env::args_os().next()?);
    NAMES.into_iter().find(|name| path.file_stem().is_some_and(|stem| stem == *name))
}

/// The name: `a2d` or `host`.
pub fn name() -> &'static str {
    NAME.get().copied().unwrap_or(NAMES[0])
}

/// The environment variables as text. What is not UTF-8 is replaced.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// A command of the program as messages quote it, in backquotes: `a2d prepare`.
pub fn command(arguments: &str) -> String {
    format!("`{} {arguments}`", name())
}

/// Quotes a word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=@%:,./".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
