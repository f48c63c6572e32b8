//! The progress of a training, stored in a checkpoint beside weights and moments.

use super::selection::Standing;
use super::window::Sums;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Counters of a training. They do not depend on the clock, so a resumed run has the same counters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Updates done.
    pub update: u64,
    /// Whole epochs done.
    pub epoch: u64,
    /// Updates done in the current epoch.
    pub position: u64,
    /// Scores of the best validation; empty before the first one.
    #[serde(flatten)]
    pub best: Standing,
    /// The update of the best validation.
    pub best_update: u64,
    /// The update of the last validation.
    pub validated: u64,
    /// Scheduled validations since the best one; compared with `patience`.
    pub without_better: u64,
    /// Number of retries from an earlier checkpoint after a NaN loss. Each halves the learning rate.
    pub retries: u32,
    /// Sums for the next line of the log.
    pub window: Sums,
    /// Whether a limit was reached.
    pub finished: bool,
}

/// Formats as JSON.
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
