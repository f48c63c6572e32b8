//! What went wrong, and the exit code that says so.

use a2d_core::backend::Lost;
use a2d_core::search;
use std::fmt;
use std::path::Path;

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as the user sees it: one line that names the file, line or key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The program was used wrongly: arguments, configuration, input files. Exit code 2.
    Misuse(String),
    /// The work failed: a full disk, a lost device, a loss that is no number. Exit code 1.
    Failed(String),
    /// Stopped by a signal (its number); what was learned is saved. Exit code 128 + signal.
    Interrupted(i32),
    /// Another rank of this training failed with this exit code, and tells of it; this one has nothing to say.
    Elsewhere(u8),
}

impl Error {
    /// A misuse, from any text.
    pub fn misuse(text: impl Into<String>) -> Self {
        Self::Misuse(text.into())
    }

    /// A failure, from any text.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// An input file that cannot be read: `verb` is what was tried ("read", "open").
    pub fn input(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Misuse(format!("cannot {verb} {}: {}", path.display(), reason(error)))
    }

    /// An output that cannot be written.
    pub fn output(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Failed(format!("cannot {verb} {}: {}", path.display(), reason(error)))
    }

    /// A failure of a device: `text` names it and says why.
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

/// The system's reason without its error number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// A failure: the device that work was begun on has gone.
impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::lost(lost.0)
    }
}

/// A failure: why a search could not be run.
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
