//! The numbers of sentences and tokens of an update.

use crate::batch::{Batch, entries};

/// The numbers of sentences and tokens of one update, summed over its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// B
    pub sentences: usize,
    /// Source tokens without padding.
    pub source_tokens: usize,
    /// Target tokens without padding.
    pub target_tokens: usize,
    /// Pairs of a query and a key that it sees, without padding: in the encoder, in the decoder, and between them.
    pub entries: [usize; 3],
}

impl Counts {
    /// The counts of one batch.
    pub fn of<I>(batch: &Batch<I>) -> Self {
        Self {
            sentences: batch.sentences,
            source_tokens: batch.source_tokens,
            target_tokens: batch.target_tokens,
            entries: batch.entries,
        }
    }

    /// The counts of one pair of sentences.
    pub const fn pair(source: usize, target: usize) -> Self {
        let entries = entries(source, target);
        Self { sentences: 1, source_tokens: source, target_tokens: target, entries }
    }

    /// The sum of two counts.
    pub fn and(self, other: Self) -> Self {
        Self {
            sentences: self.sentences + other.sentences,
            source_tokens: self.source_tokens + other.source_tokens,
            target_tokens: self.target_tokens + other.target_tokens,
            entries: core::array::from_fn(|kind| self.entries[kind] + other.entries[kind]),
        }
    }
}
