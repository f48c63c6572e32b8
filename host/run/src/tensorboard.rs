//! Writes the log as TensorBoard event files: protocol-buffer records, each with its length and checksums.
//!
//! Only the fields for scalars are declared, with the field numbers of TensorFlow's `event.proto` and `summary.proto`.

use a2d_system::error::{Error, Result};
use a2d_system::files::{append, make_folder, remove};
use prost::Message;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Prefix of the names of event files.
const PREFIX: &str = "events.out.tfevents.";

/// One record of an event file.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The update number.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// The file version, in the first record only.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The scalars.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// The scalars of an update.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// The scalars.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Scalar>,
}

/// A named number.
#[derive(Clone, PartialEq, Message)]
pub struct Scalar {
    /// The name, `group/name`.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The value.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

impl Event {
    /// The record in file format: length, its checksum, the event, its checksum.
    pub fn to_record(&self) -> Vec<u8> {
        let data = self.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        [&length[..], &masked_crc(&length), &data, &masked_crc(&data)].concat()
    }
}

/// CRC-32C, rotated and offset as in TensorFlow.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The event file of a run, open for appending.
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Creates an event file in `folder` with every line of the log, and removes earlier event files. Lines that a
    /// killed run wrote after its checkpoint are thus not shown twice.
    ///
    /// # Errors
    ///
    /// A file cannot be read, written or removed.
    pub fn replay(folder: &Path, log: &Path) -> Result<Self> {
        make_folder(folder)?;
        let entries = std::fs::read_dir(folder).map_err(|e| Error::output("read", folder, &e))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                remove(&entry.path())?;
            }
        }
        // TensorBoard picks the newest file by name.
        let path = folder.join(format!("{PREFIX}{:010}.a2d", now() as u64));
        let file = append(&path).map_err(|e| Error::output("write", &path, &e))?;
        let mut events = Self { file, path };
        let version = Some("brain.Event:2".to_owned());
        events.add(Event { wall_time: now(), file_version: version, ..Event::default() })?;
        let read = |e: std::io::Error| Error::input("read", log, &e);
        for line in BufReader::new(File::open(log).map_err(read)?).lines() {
            if let Ok(line) = serde_json::from_str(&line.map_err(read)?) {
                events.write(&line)?;
            }
        }
        Ok(events)
    }

    /// Appends the numbers of a log line.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, line: &Value) -> Result<()> {
        let group = match line {
            line if line.get("bleu").is_some() => "valid",
            line if line.get("event").is_some() => return Ok(()),
            _ => "train",
        };
        let scalar = |(name, value): (&String, &Value)| {
            let tag = format!("{group}/{}", name.strip_prefix("valid_").unwrap_or(name));
            Some(Scalar { tag, simple_value: Some(value.as_f64()? as f32) })
        };
        let numbers = line.as_object().into_iter().flatten();
        let value = numbers.filter(|(name, _)| *name != "update").filter_map(scalar).collect();
        let step = line.get("update").and_then(Value::as_i64).unwrap_or(0);
        let summary = Some(Summary { value });
        self.add(Event { wall_time: now(), step, summary, ..Event::default() })
    }

    fn add(&mut self, event: Event) -> Result<()> {
        let written = self.file.write_all(&event.to_record());
        written.map_err(|e| Error::output("write", &self.path, &e))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
