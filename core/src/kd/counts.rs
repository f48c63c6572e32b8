//! What an update is made of.

use crate::batch::Batch;

/// What one update is made of: sums over its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// B
    pub sentences: usize,
    /// Real source tokens.
    pub source_tokens: usize,
    /// Real target tokens.
    pub target_tokens: usize,
}

impl Counts {
    /// Of one batch.
    pub fn of<I>(batch: &Batch<I>) -> Self {
        Self {
            sentences: batch.sentences,
            source_tokens: batch.source_tokens,
            target_tokens: batch.target_tokens,
        }
    }

    /// Of two together.
    pub fn and(self, other: Self) -> Self {
        Self {
            sentences: self.sentences + other.sentences,
            source_tokens: self.source_tokens + other.source_tokens,
            target_tokens: self.target_tokens + other.target_tokens,
        }
    }
}
