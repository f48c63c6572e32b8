//! JSON Lines files, read tolerantly: a run may still be writing one, or may have been killed while writing.

use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::Path;

/// An object of a JSON Lines file.
pub type LogLine = Map<String, Value>;

/// The content of a JSON Lines file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogLines {
    /// The objects, in order.
    pub lines: Vec<LogLine>,
    /// The numbers (from 1) of lines that are not JSON objects.
    pub unreadable: Vec<usize>,
}

impl LogLines {
    /// Reads a file; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Misuse: the file exists and cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match files::read(path) {
            Ok(bytes) => Ok(Some(Self::parse(&bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::input("read", path, &error)),
        }
    }

    /// Parses the lines of `bytes`.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for (i, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(Value::Object(object)) => found.lines.push(object),
                _ if line.trim_ascii().is_empty() => {}
                _ => found.unreadable.push(i + 1),
            }
        }
        found
    }

    /// A note about unreadable lines, if any.
    pub fn note(&self, name: &str) -> Option<String> {
        let first = self.unreadable.first()?;
        Some(match self.unreadable.len() {
            1 => format!("line {first} of {name} cannot be read and is left out"),
            n => {
                format!("{n} lines of {name} cannot be read and are left out, the first is {first}")
            }
        })
    }
}

/// The finite number under `key`, if any.
pub fn number(line: &LogLine, key: &str) -> Option<f64> {
    line.get(key)?.as_f64().filter(|x| x.is_finite())
}

/// The unsigned integer under `key`, if any.
pub fn count(line: &LogLine, key: &str) -> Option<u64> {
    line.get(key)?.as_u64()
}
