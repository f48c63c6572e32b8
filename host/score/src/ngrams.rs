//! Counts n-grams without hashing: an n-gram is packed exactly into 128 bits, and equal n-grams are adjacent in a
//! sorted list.

use std::collections::HashMap;

use super::tokenize::words;

/// Numbers the words of a line and its references: equal words get equal numbers.
#[derive(Default)]
pub struct Numbers<'a>(HashMap<&'a str, u32>);

impl<'a> Numbers<'a> {
    /// The numbers of a line's words.
    pub fn of(&mut self, line: &'a str) -> Vec<u32> {
        words(line).map(|word| self.number(word)).collect()
    }

    /// The number of a word.
    pub fn number(&mut self, word: &'a str) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(word).or_insert(next)
    }
}

/// All n-grams of `symbols`, sorted, with repetitions.
///
/// Symbols are below `2^bits`, and `n * bits` is at most 128.
pub fn ngrams(symbols: &[u32], n: usize, bits: u32) -> Vec<u128> {
    debug_assert!(n as u32 * bits <= u128::BITS);
    let mut grams: Vec<u128> = symbols.windows(n).map(|gram| pack(gram, bits)).collect();
    grams.sort_unstable();
    grams
}

/// The clipped n-gram matches: each n-gram counts as often as in the hypothesis, but at most as often as in the
/// reference with most occurrences. All lists are sorted.
pub fn matches(hypothesis: &[u128], references: &[&[u128]]) -> u64 {
    let clipped = |equal: &[u128]| {
        let most = references.iter().map(|reference| count(reference, equal[0])).max();
        equal.len().min(most.unwrap_or(0)) as u64
    };
    hypothesis.chunk_by(|a, b| a == b).map(clipped).sum()
}

fn pack(gram: &[u32], bits: u32) -> u128 {
    gram.iter().fold(0, |packed, symbol| packed << bits | u128::from(*symbol))
}

fn count(sorted: &[u128], gram: u128) -> usize {
    let from = sorted.partition_point(|other| *other < gram);
    sorted[from..].iter().take_while(|other| **other == gram).count()
}
