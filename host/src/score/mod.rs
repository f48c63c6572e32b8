//! Corpus scores, equal to sacreBLEU 2.6.0: [`bleu()`] and [`chrf()`].
//!
//! Both count how often the n-grams of a hypothesis occur in its references. The counts are summed
//! over the corpus as integers, so a score depends neither on threads nor on the order of lines.

mod bleu;
mod chrf;
pub mod command;
mod ngrams;
mod tokenize;

use std::fmt;

use crate::error::{Error, Result};

pub use bleu::bleu;
pub use chrf::chrf;
pub use tokenize::tokenize_13a;

/// A corpus score and the settings it was computed with.
///
/// Displayed as the line that sacreBLEU prints: `name|signature = score detail`. The score is
/// rounded to one decimal place, or to the precision asked for (`{:.2}`).
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// `BLEU` or `chrF2`.
    pub name: String,
    /// From 0 to 100, not rounded.
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

/// The signature of a metric whose own settings are `settings`.
fn signature(references: usize, settings: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("nrefs:{references}|case:mixed|{settings}|version:a2d-{version}")
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
