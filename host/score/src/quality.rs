//! How good the translations of a text are, and which score can tell.

use super::{Bleu, Score, chrf, corpus};
use a2d_system::error::Result;

/// BLEU and chrF of a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Corpus BLEU.
    pub bleu: Score,
    /// Corpus chrF2, with sacreBLEU's default settings.
    pub chrf: Score,
}

impl Quality {
    /// Of a corpus with one reference, by BLEU with these settings.
    ///
    /// # Errors
    /// As [`corpus`].
    pub fn of<S: AsRef<str> + Sync>(
        metric: &Bleu,
        hypotheses: &[S],
        references: &[Vec<S>],
    ) -> Result<Self> {
        let bleu = corpus(metric, hypotheses, references)?;
        Ok(Self { bleu, chrf: chrf(hypotheses, references)? })
    }
}

/// A score that can tell models apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// BLEU.
    Bleu,
    /// chrF.
    Chrf,
}

/// What tells models with these scores, BLEU and chrF, apart: the first of the two that all have above 0, or nothing. A
/// score that cannot tell is absent, as BLEU is where no reference has four words.
pub fn judge(models: &[(Option<f64>, Option<f64>)]) -> Option<Judge> {
    let above = |score: Option<f64>| score.is_some_and(|score| score > 0.0);
    if models.iter().all(|(bleu, _)| above(*bleu)) {
        Some(Judge::Bleu)
    } else {
        models.iter().all(|(_, chrf)| above(*chrf)).then_some(Judge::Chrf)
    }
}
