//! Scores equal to sacreBLEU 2.6.0: BLEU, chrF and TER, and whether two systems differ in them.
//!
//! A [`Metric`] counts some numbers of every line. A corpus' score is computed from their sums
//! ([`corpus`]), a line's from its own ([`sentences`]), and a test of significance from the sums
//! over lines drawn at random ([`significance`]). Numbers are counted by all threads but added in
//! the order of the lines, so no score depends on the threads.

#![deny(unsafe_code)]

mod bleu;
mod chrf;
pub mod command;
pub mod compare;
mod input;
mod ngrams;
mod options;
mod pcg64;
mod rounding;
pub mod significance;
mod table;
mod ter;
pub mod tokenize;
pub mod triples;

use std::fmt;

use a2d_system::error::{Error, Result};

pub use bleu::{Bleu, Smoothing};
pub use chrf::Chrf;
pub use options::{METRICS, Options};
pub use pcg64::{Coin, Pcg64};
pub use rounding::{Rounded, Rounding};
pub use table::Table;
pub use ter::Ter;

/// A way to score translations, with its settings.
pub trait Metric: Send + Sync {
    /// What the score is called: `BLEU`, `chrF2++`.
    fn name(&self) -> String;

    /// The settings as `key:value` pairs joined by `|`, as they stand in a signature.
    fn settings(&self) -> String;

    /// The numbers of a line; those of a corpus are their sums.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64>;

    /// The score of a line or a corpus from its numbers, every step rounded as `rounding` says.
    fn rounded_score(&self, numbers: &[f64], rounding: Rounding) -> Rounded;

    /// What stands after the score in the line that is printed, if anything.
    fn detail(&self, _numbers: &[f64]) -> String {
        String::new()
    }

    /// The score of a line or a corpus from its numbers.
    fn score(&self, numbers: &[f64]) -> f64 {
        self.rounded_score(numbers, Rounding::Double).value
    }
}

/// A score and the settings it was computed with.
///
/// Displayed as the line that sacreBLEU prints: `name|signature = score detail`. The score is
/// rounded to one decimal place, or to the precision asked for (`{:.2}`).
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// What the metric is called.
    pub name: String,
    /// Not rounded; from 0 to 100, but for TER, which has no upper end.
    pub score: f64,
    /// The settings as `key:value` pairs joined by `|`, in sacreBLEU's order, our version last.
    pub signature: String,
    /// What stands after the score in the line: the precisions and lengths of BLEU, or nothing.
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
/// `references[k]` is the k-th reference of every line. Words are split by `13a`, case counts, an
/// order without a match is smoothed exponentially, and the reference length of a line is the one
/// closest to the hypothesis (the shorter of two equally close). Without any common word it is 0.
///
/// # Errors
/// As [`corpus`].
pub fn bleu<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    corpus(&Bleu::default(), hypotheses, references)
}

/// Corpus chrF2 from 0 to 100, with sacreBLEU's default settings.
///
/// `references[k]` is the k-th reference of every line; of several, the one with which a line
/// scores best counts (the first on ties). White space is ignored, case is not, and the average is
/// over the orders that occur on both sides.
///
/// # Errors
/// As [`corpus`].
pub fn chrf<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    corpus(&Chrf::default(), hypotheses, references)
}

/// The score of a corpus; `references[k]` is the k-th reference of every line.
///
/// # Errors
/// [`Misuse`](a2d_system::error::Error::Misuse) if there is nothing to score or a reference has more or
/// fewer lines than there are hypotheses.
pub fn corpus<S: AsRef<str> + Sync>(
    metric: &dyn Metric,
    hypotheses: &[S],
    references: &[Vec<S>],
) -> Result<Score> {
    let sums = Table::of(metric, hypotheses, references)?.sums();
    Ok(scored(metric, &sums, references.len()))
}

/// The score of every line by itself.
///
/// # Errors
/// As [`corpus`].
pub fn sentences<S: AsRef<str> + Sync>(
    metric: &dyn Metric,
    hypotheses: &[S],
    references: &[Vec<S>],
) -> Result<Vec<Score>> {
    let table = Table::of(metric, hypotheses, references)?;
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

/// The signature of a metric; `test` says how systems were compared, each setting with `|` after it.
fn signature(metric: &dyn Metric, references: usize, test: &str) -> String {
    let (settings, version) = (metric.settings(), env!("CARGO_PKG_VERSION"));
    format!("nrefs:{references}|{test}{settings}|version:a2d-{version}")
}

/// How signatures say whether something holds.
fn yes_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// How signatures say whether case counts.
fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

/// Refuses a corpus without lines or references, or with streams of different lengths.
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
