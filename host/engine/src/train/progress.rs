//! The progress of a training, stored in a checkpoint beside weights and moments.

use super::selection::Standing;
use super::window::Sums;
use a2d_run::config::TrainConfig;
use a2d_system::display::End;
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
    /// Scheduled validations since the best one, from the end of the warm-up on; compared with `patience`.
    pub without_better: u64,
    /// Number of retries from an earlier checkpoint after a NaN loss. Each halves the learning rate.
    pub retries: u32,
    /// Sums for the next line of the log.
    pub window: Sums,
    /// Whether a limit was reached.
    pub finished: bool,
}

impl Progress {
    /// Whether the warm-up of the learning rate is over. Before, a model says little of what it can become.
    pub fn is_warm(&self, train: &TrainConfig) -> bool {
        self.update >= train.warmup_updates
    }

    /// Where the limits end the training, if an epoch has `epoch_updates` updates. Every epoch has the same number:
    /// batches depend on the lengths of the pairs alone.
    pub fn end(&self, train: &TrainConfig, epoch_updates: u64) -> End {
        let begun = self.update.saturating_sub(self.position);
        let epochs = Some(train.max_epoch as u64).filter(|&limit| limit > 0);
        let by_epochs = epochs
            .map(|last| begun + last.saturating_sub(self.epoch).saturating_mul(epoch_updates));
        let by_updates = Some(train.max_update).filter(|&limit| limit > 0);
        let update = by_epochs.into_iter().chain(by_updates).min();
        let left = |update: u64| update.saturating_sub(begun).div_ceil(epoch_updates.max(1));
        let epoch = update.map(|update| self.epoch + left(update));
        let seconds = Some(train.time_limit_seconds).filter(|&limit| limit > 0.0);
        End { update, epoch, seconds }
    }
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
