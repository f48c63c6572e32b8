//! Files of one JSON object a line, read as far as they can be: a run may be writing them, or have been killed while it
//! did.

use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::Path;

/// A line of such a file.
pub type LogLine = Map<String, Value>;

/// What such a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogLines {
    /// The objects, in order.
    pub lines: Vec<LogLine>,
    /// The numbers (from 1) of the lines that are none.
    pub unreadable: Vec<usize>,
}

impl LogLines {
    /// The objects of a file; nothing where there is no such file.
    ///
    /// # Errors
    ///
    /// Misuse: it is there and cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match files::read(path) {
            Ok(bytes) => Ok(Some(Self::parse(&bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::input("read", path, &error)),
        }
    }

    /// The objects among the lines of `bytes`.
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

    /// What to say of lines that could not be read.
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

/// A number of a line; nothing for infinities, which JSON does not have.
pub fn number(line: &LogLine, key: &str) -> Option<f64> {
    line.get(key)?.as_f64().filter(|x| x.is_finite())
}

/// A count of a line.
pub fn count(line: &LogLine, key: &str) -> Option<u64> {
    line.get(key)?.as_u64()
}
