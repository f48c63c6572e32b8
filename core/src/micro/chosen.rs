//! The target tokens of a sentence's shortlist.

use super::memory::Words;

/// The rows of the output projection that are in the shortlist.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The tokens, as a set of [`crate::bits`].
    pub bits: Words,
    /// The number of tokens.
    pub count: usize,
}
