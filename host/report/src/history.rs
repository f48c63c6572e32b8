//! The log of a run: losses by update, and validations.

use super::jsonl::{LogLine, LogLines, count, number};
use super::numbers::rounded;
use a2d_core::kd;
use a2d_system::error::Result;
use serde_json::{Map, Value};
use std::path::Path;

/// Fields of a training window shown besides the losses.
const WINDOW: [&str; 7] =
    ["update", "epoch", "nll", "lr", "gradient_norm", "tokens_per_second", "seconds"];

/// Fields of a validation shown.
const VALIDATION: [&str; 8] =
    ["update", "epoch", "valid_loss", "valid_nll", "bleu", "accuracy", "macro_f1", "seconds"];

/// The event after which training continues.
const ROLLED_BACK: &str = "rolled back";

/// The most points of a curve. In longer logs, neighbours are averaged.
const MOST_POINTS: usize = 1000;

/// What validations are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// The field of a validation.
    pub key: &'static str,
    /// The name for people.
    pub title: &'static str,
}

impl Quality {
    /// Of translations.
    pub const BLEU: Self = Self { key: "bleu", title: "BLEU" };
    /// Of labels, in percent.
    pub const ACCURACY: Self = Self { key: "accuracy", title: "accuracy" };
    /// The loss.
    const LOSS: Self = Self { key: "valid_loss", title: "loss" };
}

/// The qualities, in the order of preference. Models that make vectors have a loss alone.
const QUALITIES: [Quality; 3] = [Quality::BLEU, Quality::ACCURACY, Quality::LOSS];

/// The best validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// What it is compared by.
    pub quality: Quality,
    /// The value of that.
    pub value: f64,
    /// Completed updates.
    pub update: u64,
}

/// The log of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Training windows: means over the updates since the previous line.
    pub windows: Vec<LogLine>,
    /// Validations.
    pub validations: Vec<LogLine>,
    /// A note about unreadable lines, if any.
    pub note: Option<String>,
    /// The last line, if it records that training stopped before it was finished.
    pub stopped: Option<LogLine>,
}

impl History {
    /// Reads the log at `path`; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Misuse: the file exists and cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        Ok(LogLines::read(path)?.map(Self::of))
    }

    fn of(mut found: LogLines) -> Self {
        found.lines.retain(|line| count(line, "update").is_some());
        let note = found.note("log.jsonl");
        let stopped = found.lines.last().filter(|line| {
            let event = line.get("event").and_then(Value::as_str);
            event.is_some_and(|event| event != ROLLED_BACK)
        });
        let stopped = stopped.cloned();
        let is_validation =
            |line: &LogLine| ["bleu", "valid_loss"].iter().any(|key| line.contains_key(*key));
        let (validations, windows) = found.lines.into_iter().partition(is_validation);
        Self { windows, validations, note, stopped }
    }

    /// The last logged update.
    pub fn update(&self) -> u64 {
        self.last_of("update").unwrap_or(0.0) as u64
    }

    /// The epoch of the last line, from 1.
    pub fn epoch(&self) -> u64 {
        self.last_of("epoch").unwrap_or(0.0) as u64
    }

    /// Seconds spent in updates.
    pub fn seconds(&self) -> f64 {
        self.last_of("seconds").unwrap_or(0.0)
    }

    /// The larger value of `key` in the last window and the last validation.
    fn last_of(&self, key: &str) -> Option<f64> {
        let last = [self.windows.last(), self.validations.last()];
        last.into_iter().flatten().filter_map(|line| number(line, key)).reduce(f64::max)
    }

    /// The best validation.
    pub fn best(&self) -> Option<Best> {
        let best = |line: &&LogLine| line.get("best") == Some(&Value::Bool(true));
        let line = self.validations.iter().rfind(best)?;
        let found = |quality: Quality| Some((quality, number(line, quality.key)?));
        let (quality, value) = QUALITIES.into_iter().find_map(found)?;
        Some(Best { quality, value, update: count(line, "update")? })
    }

    /// Target tokens, or texts, per second in training: the median of the windows.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let mut all: Vec<_> =
            self.windows.iter().filter_map(|line| number(line, "tokens_per_second")).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// The curves as JSON: lists by name.
    pub fn json(&self) -> Value {
        let counts = |line: &LogLine, name| number(line, name).is_some_and(|value| value != 0.0);
        let losses = kd::names().map(|named| named.name);
        // Terms that the model does not have are 0 throughout.
        let losses = losses.filter(|name| self.windows.iter().any(|line| counts(line, name)));
        let windows = columns(WINDOW.into_iter().chain(losses), &thinned(&self.windows));
        let validations = columns(VALIDATION.into_iter(), &thinned(&self.validations));
        Map::from_iter([("windows".to_owned(), windows), ("validations".to_owned(), validations)])
            .into()
    }
}

/// A list for each name that occurs in a line.
fn columns(names: impl Iterator<Item = &'static str>, lines: &[LogLine]) -> Value {
    let column = |name: &str| {
        let values = lines.iter().map(|line| number(line, name).map_or(Value::Null, rounded));
        let values: Vec<_> = values.collect();
        let any = values.iter().any(|value| !value.is_null());
        any.then(|| (name.to_owned(), Value::Array(values)))
    };
    Value::Object(names.filter_map(column).collect())
}

/// At most [`MOST_POINTS`] lines: means of neighbours, at the position of the last of them.
fn thinned(lines: &[LogLine]) -> Vec<LogLine> {
    let group = lines.len().div_ceil(MOST_POINTS).max(1);
    lines.chunks(group).filter_map(mean).collect()
}

fn mean(lines: &[LogLine]) -> Option<LogLine> {
    let (last, _) = lines.split_last()?;
    let mean = |(key, value): (&String, &Value)| {
        let values: Vec<_> = lines.iter().filter_map(|line| number(line, key)).collect();
        let kept = ["update", "epoch", "seconds"].contains(&&**key) || values.len() < 2;
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        (key.clone(), if kept { value.clone() } else { mean.into() })
    };
    Some(last.iter().map(mean).collect())
}
