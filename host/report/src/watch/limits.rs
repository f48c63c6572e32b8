//! The limits of a training, and which of them ends it.

use crate::{History, number};
use a2d_run::config::TrainConfig;
use std::fmt;

/// The limits that a configuration sets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// `max_update`.
    update: Option<u64>,
    /// `max_epoch`.
    pub epoch: Option<u64>,
    /// `time_limit_seconds`.
    pub seconds: Option<f64>,
    /// Whether validations come at the end of an epoch only.
    whole_epochs: bool,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    Update,
    Epoch,
    Time,
}

impl Limits {
    pub fn of(train: &TrainConfig) -> Self {
        let number = |limit: u64| Some(limit).filter(|&limit| limit > 0);
        Self {
            update: number(train.max_update),
            epoch: number(train.max_epoch as u64),
            seconds: Some(train.time_limit_seconds).filter(|&limit| limit > 0.0),
            whole_epochs: train.validate_interval_updates == 0,
        }
    }

    /// The last update by `max_update` and `max_epoch`, and which of them it is.
    pub fn last_update(&self, history: &History) -> Option<(Limit, u64)> {
        let by_epoch = || Some(self.epoch_updates(history)?.saturating_mul(self.epoch?));
        let limits = [(Limit::Update, self.update), (Limit::Epoch, by_epoch())];
        let known = limits.into_iter().filter_map(|(limit, update)| Some((limit, update?)));
        known.min_by_key(|&(_, update)| update)
    }

    /// The limit that is reached first at the speed so far, and the seconds to it, without validations.
    pub fn first(&self, history: &History) -> Option<(Limit, f64)> {
        let (done, seconds) = (history.update(), history.seconds());
        let by_update = self.last_update(history).filter(|_| done > 0).map(|(limit, update)| {
            (limit, seconds * update.saturating_sub(done) as f64 / done as f64)
        });
        let by_time = self.seconds.map(|limit| (Limit::Time, (limit - seconds).max(0.0)));
        [by_update, by_time].into_iter().flatten().min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// Updates per epoch. Known, to the interval of the log, once an epoch has ended.
    fn epoch_updates(&self, history: &History) -> Option<u64> {
        let at = |line| Some((number(line, "update")?, number(line, "epoch")?.max(1.0)));
        let lines = || history.windows.iter().chain(&history.validations).filter_map(at);
        let ended = self.whole_epochs && !history.validations.is_empty();
        // An update of epoch n comes after n - 1 whole epochs, and at most n.
        let updates = lines().map(|(update, epoch)| (update / epoch).ceil()).fold(0.0, f64::max);
        (ended || lines().any(|(_, epoch)| epoch > 1.0)).then_some(updates as u64)
    }
}

impl Limit {
    /// The key of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Update => "max_update",
            Self::Epoch => "max_epoch",
            Self::Time => "time_limit_seconds",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Update => "last update",
            Self::Epoch => "last epoch",
            Self::Time => "time limit",
        })
    }
}
