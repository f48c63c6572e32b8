//! How far a training has come: what a checkpoint needs beside weights and moments.

use super::selection::Standing;
use super::window::Sums;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Counters of a training. Nothing here depends on the clock: a run that was killed and goes on has the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Updates done.
    pub update: u64,
    /// Whole epochs done.
    pub epoch: u64,
    /// Updates done in the epoch after them.
    pub position: u64,
    /// What the best validation found; nothing before the first one.
    #[serde(flatten)]
    pub best: Standing,
    /// The update of the best validation.
    pub best_update: u64,
    /// The update of the last validation.
    pub validated: u64,
    /// Validations since the best one.
    pub without_better: u64,
    /// How often training went back to an earlier checkpoint; each time halves the learning rate.
    pub retries: u32,
    /// What the next line of the log has so far.
    pub window: Sums,
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
