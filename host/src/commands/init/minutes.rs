//! The time that a configuration takes.

use crate::bench::estimate::Times;
use crate::data::prepare::Outline;
use crate::run::proposal::Proposal;

/// The time of all epochs, in minutes. Patience may end them earlier.
pub(super) struct Minutes {
    /// Updates of the teacher.
    pub teacher: f64,
    /// Updates of the student.
    pub student: f64,
    /// Translation of the validation sentences, after each validation, and of the test sentences.
    pub translation: f64,
}

impl Minutes {
    pub fn new(proposal: &Proposal, corpus: &Outline, [teacher, student]: &[Times; 2]) -> Self {
        let train = &proposal.run.train;
        let updates = (train.max_epoch * proposal.updates_per_epoch) as f64;
        let between = match train.validate_interval_updates {
            0 => 0.0,
            interval => updates / interval as f64,
        };
        let validations = (train.max_epoch / train.validate_interval) as f64 + between;
        let all = corpus.pairs.valid;
        let valid =
            if train.valid_bleu_sentences == 0 { all } else { all.min(train.valid_bleu_sentences) };
        let scored = if corpus.pairs.test == 0 { all } else { corpus.pairs.test };
        let sentences = validations * valid as f64 + scored as f64;
        let sentence = teacher.sentence + student.sentence;
        Self {
            teacher: updates * teacher.step / 60.0,
            student: updates * student.step / 60.0,
            translation: sentences * sentence / 60.0,
        }
    }
}
