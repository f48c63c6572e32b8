//! Counting n-grams without hashing: an n-gram is packed exactly into 128 bits, and equal ones
//! stand side by side in a sorted list.

use std::collections::HashMap;

use super::tokenize::words;

/// Numbers the words of one line and its references: equal words, equal numbers.
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

/// All n-grams of `symbols`, sorted, repeated ones repeated.
///
/// A symbol is below `2^bits`, and `n * bits` is at most 128.
pub fn ngrams(symbols: &[u32], n: usize, bits: u32) -> Vec<u128> {
    debug_assert!(n as u32 * bits <= u128::BITS);
    let mut grams: Vec<u128> = symbols.windows(n).map(|gram| pack(gram, bits)).collect();
    grams.sort_unstable();
    grams
}

/// How many n-grams of `hypothesis` the references hold: each kind counts as often as it occurs in
/// the hypothesis, but at most as often as in the reference that has most of it. All lists sorted.
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
