//! `log.jsonl`: the measurements of training, one JSON object per line, append-only.

use crate::tensorboard::Events;
use a2d_system::error::{Error, Result};
use a2d_system::files::append;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The open log of a run.
pub struct Log {
    /// `None` writes nothing.
    file: Option<File>,
    path: PathBuf,
    /// `seconds` of the last line that has it, at opening.
    seconds: f64,
    /// The TensorBoard event file.
    events: Option<Events>,
}

impl Log {
    /// Opens the log and truncates it to training lines up to `update` and validations up to `validated`: lines after
    /// the checkpoint and an incomplete last line are removed. At update 0 the log is emptied.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written.
    pub fn resume(path: &Path, update: u64, validated: u64) -> Result<Self> {
        let file = append(path).map_err(|e| Error::output("write", path, &e))?;
        let kept = if update == 0 { Ok((0, 0.0)) } else { kept(&file, update, validated) };
        let (kept, seconds) = kept.map_err(|e| Error::input("read", path, &e))?;
        file.set_len(kept).map_err(|e| Error::output("write", path, &e))?;
        Ok(Self { file: Some(file), path: path.to_owned(), seconds, events: None })
    }

    /// The log of a rank that writes nothing.
    pub fn none() -> Self {
        Self { file: None, path: PathBuf::new(), seconds: 0.0, events: None }
    }

    /// Copies existing and future lines to TensorBoard event files in `folder`.
    ///
    /// # Errors
    ///
    /// The event file cannot be written.
    pub fn with_events(self, folder: &Path) -> Result<Self> {
        Ok(Self { events: Some(Events::replay(folder, &self.path)?), ..self })
    }

    /// The last value of `seconds` when the log was opened.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Syncs the log to disk.
    ///
    /// # Errors
    ///
    /// The log cannot be written.
    pub fn sync(&self) -> Result<()> {
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
        synced.map_err(|e| Error::output("write", &self.path, &e))
    }

    /// Appends one line in a single write, so concurrent readers see complete lines.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, line: &Value) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let text = format!("{line}\n");
        let written = file.write_all(text.as_bytes());
        written.map_err(|e| Error::output("write", &self.path, &e))?;
        self.events.as_mut().map_or(Ok(()), |events| events.write(line))
    }
}

/// The length in bytes of the lines up to a checkpoint, and the last `seconds` among them.
fn kept(file: &File, update: u64, validated: u64) -> std::io::Result<(u64, f64)> {
    let mut reader = BufReader::new(file);
    let (mut kept, mut seconds, mut line) = (0, 0.0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        let whole = serde_json::from_slice(&line).ok().filter(|_| line.ends_with(b"\n"));
        let Some(object) = whole.filter(|object| belongs(object, update, validated)) else { break };
        seconds = object.get("seconds").and_then(Value::as_f64).unwrap_or(seconds);
        kept += line.len() as u64;
        line.clear();
    }
    Ok((kept, seconds))
}

/// Whether a line was written before a checkpoint.
fn belongs(object: &Value, update: u64, validated: u64) -> bool {
    let at = object.get("update").and_then(Value::as_u64).unwrap_or(0);
    let last = if object.get("bleu").is_some() { validated } else { update };
    at <= last
}
