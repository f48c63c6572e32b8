//! The choice among a teacher's hypotheses by their likeness to the reference.

use crate::translate::Hypothesis;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Chrf, Metric};
use a2d_system::error::Result;

/// The hypothesis closest to the reference by smoothed sentence BLEU, then by chrF, then by search score. `said` gives
/// the text of a hypothesis.
///
/// # Errors
///
/// Those of `said`.
pub(super) fn closest(
    hypotheses: &[Hypothesis],
    reference: &str,
    said: impl Fn(&[u32]) -> Result<String>,
    tokenizer: Tokenizer,
) -> Result<usize> {
    let bleu = Bleu { effective_order: true, tokenizer, ..Bleu::default() };
    let metrics: [&dyn Metric; 2] = [&bleu, &Chrf::default()];
    let mut best = (0, [f64::MIN; 2]);
    for (i, hypothesis) in hypotheses.iter().enumerate() {
        let text = said(&hypothesis.tokens)?;
        let scores = metrics.map(|metric| metric.score(&metric.count(&text, &[reference])));
        if scores > best.1 {
            best = (i, scores);
        }
    }
    Ok(best.0)
}
