//! The numbers of sentences and tokens of an update.

use crate::batch::Batch;

/// The numbers of sentences and tokens of one update, summed over its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// B
    pub sentences: usize,
    /// Source tokens without padding.
    pub source_tokens: usize,
    /// Target tokens without padding.
    pub target_tokens: usize,
}

impl Counts {
    /// The counts of one batch.
    pub fn of<I>(batch: &Batch<I>) -> Self {
        Self {
            sentences: batch.sentences,
            source_tokens: batch.source_tokens,
            target_tokens: batch.target_tokens,
        }
    }

    /// The sum of two counts.
    pub fn and(self, other: Self) -> Self {
        Self {
            sentences: self.sentences + other.sentences,
            source_tokens: self.source_tokens + other.source_tokens,
            target_tokens: self.target_tokens + other.target_tokens,
        }
    }
}
