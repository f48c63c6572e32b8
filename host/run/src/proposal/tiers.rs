//! Sizes for corpora of up to a number of pairs.

/// The share of a batch that is no padding, about.
pub(super) const FILLED: f64 = 0.9;

/// Sizes for corpora of up to a number of pairs.
pub(super) struct Tier {
    most_pairs: usize,
    pub vocab_size: usize,
    pub max_tokens: usize,
    pub teacher: Size,
    pub student: Size,
}

/// The size of a model, and its dropout.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub d_model: usize,
    pub layers: usize,
    pub dropout: f64,
}

const fn size(d_model: usize, layers: usize, dropout: f64) -> Size {
    Size { d_model, layers, dropout }
}

const fn tier(most_pairs: usize, sizes: [usize; 2], teacher: Size, student: Size) -> Tier {
    let [vocab_size, max_tokens] = sizes;
    Tier { most_pairs, vocab_size, max_tokens, teacher, student }
}

/// The fewer the pairs, the fewer the subwords, which must occur to be learnt, the smaller the batches, so that there are
/// enough of them, and the more dropout.
const TIERS: [Tier; 6] = [
    tier(5_000, [1_000, 512], size(128, 3, 0.3), size(64, 2, 0.2)),
    tier(15_000, [2_000, 1024], size(128, 3, 0.2), size(64, 2, 0.1)),
    tier(100_000, [4_000, 1024], size(128, 3, 0.1), size(64, 2, 0.1)),
    tier(500_000, [8_000, 2048], size(256, 4, 0.1), size(128, 3, 0.1)),
    tier(3_000_000, [16_000, 4096], size(512, 6, 0.1), size(256, 3, 0.1)),
    tier(usize::MAX, [32_000, 4096], size(512, 6, 0.1), size(256, 4, 0.1)),
];

/// The most subwords.
const MOST_SUBWORDS: usize = 32_000;

pub(super) fn tier_of(pairs: usize) -> &'static Tier {
    let found = TIERS.iter().find(|tier| pairs <= tier.most_pairs);
    found.unwrap_or(&TIERS[TIERS.len() - 1])
}

/// The size of the vocabulary for a corpus of so many pairs and distinct characters. At most half of a vocabulary is
/// characters, so many of them take a larger one.
pub fn vocab_size(pairs: usize, alphabet: usize) -> usize {
    let for_letters = (2 * alphabet).next_multiple_of(500);
    tier_of(pairs).vocab_size.max(for_letters).min(MOST_SUBWORDS)
}
