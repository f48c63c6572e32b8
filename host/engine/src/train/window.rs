//! Sums over the updates since the last line of the log.

use super::Update;
use a2d_core::kd::Losses;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Sums over several updates. Checkpoints store them, so a log line that spans a checkpoint is unchanged by a resume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sum of each term, in the order of [`Losses::named`].
    terms: Vec<f64>,
    updates: u64,
    norm: f64,
}

/// The updates since the last line of the log, and their speed.
pub(super) struct Window {
    pub(super) sums: Sums,
    /// Losses of the last update, for their names.
    last: Losses,
    tokens: usize,
    since: Instant,
}

impl Sums {
    fn add(&mut self, update: &Update) {
        let terms = update.losses.named();
        self.terms.resize(terms.len(), 0.0);
        self.terms.iter_mut().zip(terms).for_each(|(sum, (_, term))| *sum += term);
        self.updates += 1;
        self.norm += update.gradient_norm;
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.updates.max(1) as f64
    }
}

impl Window {
    /// Continues from the sums of a checkpoint.
    pub(super) fn from(sums: Sums) -> Self {
        Self { sums, last: Losses::default(), tokens: 0, since: Instant::now() }
    }

    pub(super) fn add(&mut self, update: &Update) {
        self.sums.add(update);
        self.last = update.losses.clone();
        self.tokens += update.counts.target_tokens;
    }

    pub(super) fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }

    /// The means, as a line of the log.
    pub(super) fn line(&self, update: u64, epoch: u64, lr: f64, seconds: f64) -> Value {
        let mut line = Map::new();
        line.insert("update".into(), json!(update));
        line.insert("epoch".into(), json!(epoch));
        for ((name, _), sum) in self.last.named().zip(&self.sums.terms) {
            line.insert(name.into(), json!(self.sums.mean(*sum)));
        }
        line.insert("lr".into(), json!(lr));
        line.insert("gradient_norm".into(), json!(self.sums.mean(self.sums.norm)));
        line.insert("tokens_per_second".into(), json!(self.tokens_per_second().round()));
        line.insert("seconds".into(), json!(seconds));
        Value::Object(line)
    }
}
