//! Why values were chosen.

use super::Corpus;
use super::tiers::FILLED;
use crate::config::RunConfig;
use a2d_system::output::thousands;

/// What is written above each key, or above the first of several.
pub(super) fn reasons(
    run: &RunConfig,
    corpus: &Corpus,
    epoch: usize,
) -> Vec<(&'static str, String)> {
    let (train, pairs) = (&run.train, thousands(corpus.train));
    let updates = thousands(train.max_epoch.saturating_mul(epoch));
    let in_batch = FILLED * train.max_tokens as f64 / corpus.longer;
    let dropout = run.teacher.model.dropout;
    let mut reasons = vec![
        ("model.d_model", "The student: what is to be small and fast.".to_owned()),
        (
            "train.max_tokens",
            format!("Some {in_batch:.0} pairs an update, {} updates an epoch.", thousands(epoch)),
        ),
        ("train.lr", "The wider a model, the lower its learning rate.".to_owned()),
        ("train.warmup_updates", "A sixth of all updates, at most 4,000.".to_owned()),
        (
            "train.max_epoch",
            format!(
                "{updates} updates: fewer pairs are seen more often. `train.patience` ends it earlier."
            ),
        ),
        ("train.validate_interval", "Epochs between validations.".to_owned()),
        (
            "train.beam",
            "Validations are greedy, which is faster; translations have a beam of 5.".to_owned(),
        ),
        (
            "teacher.model.d_model",
            format!(
                "The teacher: as large as {pairs} pairs can fill. Dropout {dropout}: the fewer pairs, the more."
            ),
        ),
        ("teacher.train.lr", "All other keys of [train] hold for the teacher too.".to_owned()),
    ];
    if let Some(vocab) = &corpus.vocab {
        let (words, letters) = (vocab.words, thousands(vocab.alphabet));
        let text = format!(
            "{pairs} pairs of {words:.1} words, {letters} different characters: subwords that occur often enough to be learnt."
        );
        reasons.push(("data.vocab_size", text));
    }
    if train.valid_bleu_sentences > 0 {
        let valid = thousands(corpus.valid);
        let text = format!("Of {valid} sentences: enough to tell models apart.");
        reasons.push(("train.valid_bleu_sentences", text));
    }
    if train.validate_interval_updates > 0 {
        let text = "An epoch is long: validations between, too.".to_owned();
        reasons.push(("train.validate_interval_updates", text));
    }
    reasons
}
