//! Errors and their exit codes.

use a2d_core::backend::Lost;
use a2d_core::search;
use std::fmt;
use std::path::Path;

/// The result of fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as the user sees it: one line that names the file, line or key, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Wrong usage: arguments, configuration or input files. Exit code 2.
    Misuse(String),
    /// The work failed: a full disk, a lost device, a NaN loss. Exit code 1.
    Failed(String),
    /// Stopped by a signal (its number), after saving. Exit code 128 + signal.
    Interrupted(i32),
    /// Another rank of this training failed with this exit code and reports the error. This rank prints nothing.
    Elsewhere(u8),
}

impl Error {
    /// [`Error::Misuse`] with this message.
    pub fn misuse(text: impl Into<String>) -> Self {
        Self::Misuse(text.into())
    }

    /// [`Error::Failed`] with this message.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// An input file that cannot be read. `verb` names the failed operation ("read", "open").
    pub fn input(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Misuse(format!("cannot {verb} {}: {}", path.display(), reason(error)))
    }

    /// An output file that cannot be written. `verb` names the failed operation ("write", "lock").
    pub fn output(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Failed(format!("cannot {verb} {}: {}", path.display(), reason(error)))
    }

    /// A device failure. `text` names the device and the reason.
    pub fn lost(text: &str) -> Self {
        let help = "what was saved is whole; where memory ran out, lower `max_tokens`";
        Self::Failed(format!("{text}; {help}"))
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Misuse(_) => 2,
            Self::Failed(_) => 1,
            Self::Interrupted(signal) => 128 + *signal as u8,
            Self::Elsewhere(code) => *code,
        }
    }
}

/// The operating system's message without its error number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// A lost device is a failure.
impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::lost(lost.0)
    }
}

/// A failed search is a failure.
impl From<search::Error> for Error {
    fn from(error: search::Error) -> Self {
        match error {
            search::Error::Lost(lost) => lost.into(),
            other => Self::failed(other.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(text) | Self::Failed(text) => f.write_str(text),
            Self::Interrupted(2) => f.write_str("interrupted"),
            Self::Interrupted(signal) => write!(f, "stopped by signal {signal}"),
            Self::Elsewhere(code) => write!(f, "another rank failed with exit code {code}"),
        }
    }
}

impl std::error::Error for Error {}
