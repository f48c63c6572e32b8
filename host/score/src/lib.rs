//! Scores equal to sacreBLEU 2.6.0: BLEU, chrF and TER, and significance tests between systems. Scores of classifications
//! ([`Confusion`], [`calibration_error`], [`mcnemar()`]) and of vectors ([`spearman`], [`recall`]).
//!
//! A [`Metric`] computes a row of statistics per line. The score of a corpus is computed from their sums ([`corpus`]),
//! the score of a line from its own row ([`sentences`]), and a significance test from sums over random lines
//! ([`significance`]). Rows are computed in parallel and added in line order, so scores do not depend on the number of
//! threads.

#![deny(unsafe_code)]

mod bleu;
mod calibration;
mod chrf;
pub mod command;
pub mod compare;
mod confusion;
mod input;
mod mcnemar;
mod ngrams;
mod options;
mod pcg64;
mod quality;
mod rounding;
pub mod significance;
mod table;
mod ter;
pub mod tokenize;
pub mod triples;
mod vectors;
mod watch;

use std::fmt;

use a2d_system::error::{Error, Result};

pub use bleu::{Bleu, Smoothing};
pub use calibration::{BINS, calibration_error};
pub use chrf::Chrf;
pub use confusion::{Accuracy, Confusion, MacroF1};
pub use mcnemar::{mcnemar, only_right};
pub use options::{METRICS, MetricOptions};
pub use pcg64::{Coin, Pcg64};
pub use quality::{Judge, Quality, judge};
pub use rounding::{Rounded, Rounding};
pub use table::Table;
pub use ter::Ter;
pub use vectors::{cosine, recall, spearman};
pub use watch::Watch;

/// A metric with its settings.
pub trait Metric: Send + Sync {
    /// The name of the score: `BLEU`, `chrF2++`.
    fn name(&self) -> String;

    /// The settings as `key:value` pairs joined by `|`, for the signature.
    fn settings(&self) -> String;

    /// The statistics of a line. Those of a corpus are their sums.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64>;

    /// The score of a line or a corpus from its statistics, with every step rounded to `rounding`.
    fn rounded_score(&self, numbers: &[f64], rounding: Rounding) -> Rounded;

    /// The unit of the score, if it has one.
    fn unit(&self) -> Option<&'static str> {
        None
    }

    /// Whether a line is right, from its statistics, if that is all that its score says.
    fn is_right(&self, _numbers: &[f64]) -> Option<bool> {
        None
    }

    /// Text printed after the score.
    fn detail(&self, _numbers: &[f64]) -> String {
        String::new()
    }

    /// The score of a line or a corpus from its statistics.
    fn score(&self, numbers: &[f64]) -> f64 {
        self.rounded_score(numbers, Rounding::Double).value
    }
}

/// A score and the settings of its computation.
///
/// Displayed as sacreBLEU's line: `name|signature = score detail`. The score is rounded to one decimal place, or to the
/// given precision (`{:.2}`).
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The name of the metric.
    pub name: String,
    /// The unrounded score, from 0 to 100; TER has no upper bound.
    pub score: f64,
    /// The settings as `key:value` pairs joined by `|`, in sacreBLEU's order, followed by the version of this crate.
    pub signature: String,
    /// Text after the score: the precisions and lengths of BLEU, or nothing.
    pub detail: String,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(1);
        write!(f, "{}|{} = {:.places$}", self.name, self.signature, self.score)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " {}", self.detail) }
    }
}

/// Corpus BLEU from 0 to 100, with sacreBLEU's default settings.
///
/// `references[k]` is the k-th reference of every line. Lines are tokenised by `13a`, case matters, orders without a
/// match are smoothed exponentially, and the reference length of a line is the closest to the hypothesis (the shorter
/// on ties). Without any common word the score is 0.
///
/// # Errors
///
/// As [`corpus`].
pub fn bleu<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    corpus(&Bleu::default(), hypotheses, references)
}

/// Corpus chrF2 from 0 to 100, with sacreBLEU's default settings.
///
/// `references[k]` is the k-th reference of every line. The reference with the best score of a line counts (the first
/// on ties). White space is ignored, case matters, and the average is over the orders that occur on both sides.
///
/// # Errors
///
/// As [`corpus`].
pub fn chrf<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    corpus(&Chrf::default(), hypotheses, references)
}

/// The score of a corpus; `references[k]` is the k-th reference of every line.
///
/// # Errors
///
/// [`Misuse`](a2d_system::error::Error::Misuse) if there are no lines or no references, or if the numbers of lines
/// differ.
pub fn corpus<S: AsRef<str> + Sync>(
    metric: &dyn Metric,
    hypotheses: &[S],
    references: &[Vec<S>],
) -> Result<Score> {
    corpus_watched(metric, hypotheses, references, Watch::Nobody)
}

/// As [`corpus`], watched.
///
/// # Errors
///
/// As [`corpus`], and a signal.
pub fn corpus_watched<S: AsRef<str> + Sync>(
    metric: &dyn Metric,
    hypotheses: &[S],
    references: &[Vec<S>],
    watch: Watch,
) -> Result<Score> {
    let sums = Table::watched(metric, hypotheses, references, watch)?.sums();
    Ok(scored(metric, &sums, references.len()))
}

/// The score of every line.
///
/// # Errors
///
/// As [`corpus_watched`].
pub fn sentences<S: AsRef<str> + Sync>(
    metric: &dyn Metric,
    hypotheses: &[S],
    references: &[Vec<S>],
    watch: Watch,
) -> Result<Vec<Score>> {
    let table = Table::watched(metric, hypotheses, references, watch)?;
    Ok(table.rows().map(|row| scored(metric, row, references.len())).collect())
}

fn scored(metric: &dyn Metric, numbers: &[f64], references: usize) -> Score {
    Score {
        name: metric.name(),
        score: metric.score(numbers),
        signature: signature(metric, references, ""),
        detail: metric.detail(numbers),
    }
}

/// The signature of a metric. `test` are the settings of the significance test, each followed by `|`.
pub fn signature(metric: &dyn Metric, references: usize, test: &str) -> String {
    let (settings, version) = (metric.settings(), env!("CARGO_PKG_VERSION"));
    format!("nrefs:{references}|{test}{settings}|version:a2d-{version}")
}

/// A Boolean in signatures.
fn yes_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// Case sensitivity in signatures.
fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

/// Rejects a corpus without lines or references, or with different numbers of lines.
fn check<S>(hypotheses: &[S], references: &[Vec<S>]) -> Result<()> {
    if hypotheses.is_empty() {
        return Err(Error::misuse("nothing to score: there are no hypotheses"));
    }
    if references.is_empty() {
        return Err(Error::misuse("nothing to score against: there are no references"));
    }
    match references.iter().position(|stream| stream.len() != hypotheses.len()) {
        None => Ok(()),
        Some(k) => Err(Error::misuse(format!(
            "{} hypotheses, but {} lines in reference {}",
            hypotheses.len(),
            references[k].len(),
            k + 1
        ))),
    }
}
