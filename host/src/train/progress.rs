//! How far a training has come: what a checkpoint needs beside weights and moments.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Counters of a training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Updates done.
    pub update: u64,
    /// Whole epochs done.
    pub epoch: u64,
    /// Updates done in the epoch after them.
    pub position: u64,
    /// Seconds spent in updates.
    pub seconds: f64,
    /// The best validation BLEU.
    pub best_bleu: Option<f64>,
    /// The update it was found at.
    pub best_update: u64,
    /// The update of the last validation.
    pub validated: u64,
    /// Validations since the best one.
    pub without_better: u64,
    /// Whether a limit was reached.
    pub finished: bool,
}

/// As JSON.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Progress {
    type Err = serde_json::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}
