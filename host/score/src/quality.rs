//! The translation quality of a corpus, and the score to compare models by.

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
    /// Scores a corpus with one reference, with these settings of BLEU.
    ///
    /// # Errors
    ///
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

/// The score to compare models by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// BLEU.
    Bleu,
    /// chrF.
    Chrf,
}

/// The score to compare models by, from their BLEU and chrF: the first of the two that is above 0 for all models. A
/// score that cannot compare is absent, such as BLEU if no reference has four words.
pub fn judge(models: &[(Option<f64>, Option<f64>)]) -> Option<Judge> {
    let above = |score: Option<f64>| score.is_some_and(|score| score > 0.0);
    if models.iter().all(|(bleu, _)| above(*bleu)) {
        Some(Judge::Bleu)
    } else {
        models.iter().all(|(_, chrf)| above(*chrf)).then_some(Judge::Chrf)
    }
}
