//! A training stage on display: its limits and its speed.

use super::layout::Line;
use super::time::duration;
use crate::output::thousands;
use indicatif::ProgressBar;
use std::time::Instant;

/// An update.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its number, from 1.
    pub update: u64,
    /// Its epoch, from 1.
    pub epoch: u64,
    /// The terms of its loss.
    pub terms: &'a [(&'a str, f64)],
    /// The learning rate.
    pub lr: f64,
    /// The speed in target tokens.
    pub tokens_per_second: f64,
    /// Seconds of training so far, as the time limit counts them.
    pub seconds: f64,
}

/// What ends a stage, as far as it is known. Patience may end it earlier.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct End {
    /// Number of the last update.
    pub update: Option<u64>,
    /// Number of the last epoch.
    pub epoch: Option<u64>,
    /// The time limit, in seconds of training.
    pub seconds: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Stage {
    pub label: String,
    /// Updates between two plain lines.
    pub interval: u64,
    pub end: End,
    pub bar: Option<ProgressBar>,
    /// The first step displayed. A resumed stage does not start at 0.
    first: Option<Start>,
}

/// Where a measurement of speed starts.
#[derive(Debug, Clone, Copy)]
struct Start {
    update: u64,
    seconds: f64,
    time: Instant,
}

impl Stage {
    pub fn new(label: &str, interval: u64, bar: Option<ProgressBar>) -> Self {
        let (label, interval) = (label.to_owned(), interval.max(1));
        Self { label, interval, end: End::default(), bar, first: None }
    }

    /// The line that displays `step`.
    pub fn line(&mut self, step: &Step<'_>) -> Line {
        let &Step { update, epoch, terms, lr, tokens_per_second, seconds } = step;
        let start = Start { update, seconds, time: Instant::now() };
        let first = *self.first.get_or_insert(start);
        let epoch = format!("epoch {}", of(epoch, self.end.epoch));
        let speed = format!("{} tokens/s", thousands(tokens_per_second.round() as usize));
        let terms = terms.iter().map(|(name, value)| format!("{name} {value:.3}"));
        Line {
            label: self.label.clone(),
            position: of(update, self.end.update),
            share: self.end.update.map(|end| update as f64 / end.max(1) as f64),
            first: [Some(epoch), self.time(step, first), Some(speed)]
                .into_iter()
                .flatten()
                .collect(),
            rest: [format!("lr {lr:.2e}")].into_iter().chain(terms).collect(),
        }
    }

    /// The time left or, without a limit, the time so far.
    fn time(&self, step: &Step<'_>, first: Start) -> Option<String> {
        if (self.end.update, self.end.seconds) == (None, None) {
            return Some(format!("{} so far", duration(first.time.elapsed().as_secs())));
        }
        self.eta(step, first).map(|eta| format!("eta {}", duration(eta as u64)))
    }

    /// Seconds to the first limit, at the speed since the first step displayed. Validations since then are part of it.
    fn eta(&self, step: &Step<'_>, first: Start) -> Option<f64> {
        let elapsed = first.time.elapsed().as_secs_f64();
        let at = |left: f64, done: f64| (done > 0.0).then(|| elapsed * left.max(0.0) / done);
        let by_updates = self.end.update.and_then(|end| {
            at(end.saturating_sub(step.update) as f64, (step.update - first.update) as f64)
        });
        let by_time =
            self.end.seconds.and_then(|end| at(end - step.seconds, step.seconds - first.seconds));
        [by_updates, by_time].into_iter().flatten().min_by(f64::total_cmp)
    }
}

/// `3/12`, or `3` if the end is unknown.
fn of(value: u64, end: Option<u64>) -> String {
    end.map_or(value.to_string(), |end| format!("{value}/{end}"))
}
