//! `log.jsonl`: what training measured, one JSON object a line, appended.

use crate::error::{Error, Result};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The open log of a run.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// An empty log.
    ///
    /// Errors: the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let log = Self::open(path)?;
        log.file.set_len(0).map_err(|e| Error::output("write", path, &e))?;
        Ok(log)
    }

    /// The log up to `update`: what a stopped run wrote after its checkpoint is cut off, and so
    /// is a last line that was never finished.
    ///
    /// Errors: the file cannot be read or written.
    pub fn resume(path: &Path, update: u64) -> Result<Self> {
        let log = Self::open(path)?;
        let kept = kept(&log.file, update).map_err(|e| Error::input("read", path, &e))?;
        log.file.set_len(kept).map_err(|e| Error::output("write", path, &e))?;
        Ok(log)
    }

    fn open(path: &Path) -> Result<Self> {
        let options = OpenOptions::new().create(true).read(true).append(true).open(path);
        let file = options.map_err(|e| Error::output("write", path, &e))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends one line, at once: who reads meanwhile sees whole lines.
    ///
    /// Errors: the file cannot be written.
    pub fn write(&mut self, line: &Value) -> Result<()> {
        let text = format!("{line}\n");
        self.file.write_all(text.as_bytes()).map_err(|e| Error::output("write", &self.path, &e))
    }
}

/// The length in bytes of the lines up to `update`.
fn kept(file: &File, update: u64) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut kept, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 && belongs(&line, update) {
        kept += line.len() as u64;
        line.clear();
    }
    Ok(kept)
}

/// Whether a line is whole and not later than `update`.
fn belongs(line: &[u8], update: u64) -> bool {
    let object: Option<Value> = serde_json::from_slice(line).ok();
    let at = |object: Value| object.get("update").and_then(Value::as_u64).unwrap_or(0);
    line.ends_with(b"\n") && object.is_some_and(|object| at(object) <= update)
}
