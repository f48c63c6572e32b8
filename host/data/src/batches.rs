//! Batches: sentence pairs of similar length under a token budget.

use a2d_core::rng::{derive, scramble};

/// The batches of an epoch, as pair indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// The pairs of each batch, from the longest source to the shortest.
    pub batches: Vec<Vec<u32>>,
    /// Pairs that exceed the budget on their own. No batch contains them.
    pub too_long: Vec<u32>,
}

/// Cuts pairs with these `(source, target)` lengths into batches of at most `max_tokens`: rows × the longest sentence
/// of either side.
///
/// Pairs are sorted by length, ties are in random order, and the batches are shuffled. The result depends only on the
/// arguments, not on threads, machine or earlier epochs.
pub fn batches(lengths: &[(u32, u32)], max_tokens: usize, seed: u64, epoch: u64) -> Batches {
    let mut random = Random::new(seed, epoch);
    let ties = random.next();
    let mut cut = cut(lengths, max_tokens, |i| scramble(ties ^ scramble(u64::from(i))));
    random.shuffle(&mut cut.batches);
    cut
}

/// [`batches`] in order of length, for validation. The result has no randomness.
pub fn fixed_batches(lengths: &[(u32, u32)], max_tokens: usize) -> Batches {
    cut(lengths, max_tokens, u64::from)
}

fn cut(lengths: &[(u32, u32)], max_tokens: usize, tie: impl Fn(u32) -> u64) -> Batches {
    let size = |i: u32| lengths[i as usize];
    let longest = |i: u32| size(i).0.max(size(i).1).max(1) as usize;
    let all = 0..u32::try_from(lengths.len()).expect("a corpus has fewer than 2^32 pairs");
    let (mut order, too_long): (Vec<_>, Vec<_>) = all.partition(|i| longest(*i) <= max_tokens);
    // Keys are unique, so an unstable sort is deterministic. They are not stored, to save memory.
    order.sort_unstable_by_key(|&i| (size(i).1, size(i).0, tie(i), i));

    let mut batches = Vec::new();
    let mut batch: Vec<u32> = Vec::new();
    let mut width = 0;
    for i in order {
        let wider = width.max(longest(i));
        if wider * (batch.len() + 1) > max_tokens {
            batches.push(std::mem::take(&mut batch));
            width = longest(i);
        } else {
            width = wider;
        }
        batch.push(i);
    }
    batches.extend((!batch.is_empty()).then_some(batch));
    for batch in &mut batches {
        batch.sort_by_key(|&i| std::cmp::Reverse(size(i)));
    }
    Batches { batches, too_long }
}

/// A stream of random numbers.
struct Random {
    key: u64,
    drawn: u64,
}

impl Random {
    fn new(seed: u64, epoch: u64) -> Self {
        Self { key: scramble(seed) ^ scramble(!epoch), drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        derive(self.key, self.drawn - 1)
    }

    /// A number below `end`. The bias, `end` / 2⁶⁴, is negligible.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.below(end));
        }
    }
}
