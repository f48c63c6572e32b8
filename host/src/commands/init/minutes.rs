//! The time that a configuration takes.

use crate::bench::estimate::{Times, validated};
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
        let epoch = proposal.updates_per_epoch;
        let updates = train.max_epoch * epoch;
        let valid = corpus.pairs.valid;
        let scored = if corpus.pairs.test == 0 { valid } else { corpus.pairs.test };
        let validated = validated(train, updates as u64, epoch as u64, valid);
        let (sentences, updates) = (validated + scored as f64, updates as f64);
        let sentence = teacher.sentence + student.sentence;
        Self {
            teacher: updates * teacher.step / 60.0,
            student: updates * student.step / 60.0,
            translation: sentences * sentence / 60.0,
        }
    }
}
