//! The time and the memory of a training's processes.

use a2d_system::error::Result;
use a2d_system::files::{self, write_whole};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the processes of a training took, over all its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Seconds from start to end.
    pub seconds: f64,
    /// The largest memory in bytes, if the system reports it.
    pub peak_memory_bytes: Option<u64>,
}

impl Usage {
    /// Reads a file; nothing is known if it is missing.
    pub fn read(path: &Path) -> Self {
        let bytes = files::read(path).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Two parts together.
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
        }
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, |out| Ok(serde_json::to_writer(out, self)?))
    }
}
