//! Sets of token ids, as one bit for each token of the vocabulary.

/// The number of words of a set of tokens below `vocabulary`.
pub const fn words(vocabulary: usize) -> usize {
    vocabulary.div_ceil(u32::BITS as usize)
}

/// Adds `tokens` to a set. Tokens beyond it are left out.
pub fn set(bits: &mut [u32], tokens: impl Iterator<Item = usize>) {
    for token in tokens {
        if let Some(word) = bits.get_mut(token / u32::BITS as usize) {
            *word |= 1 << (token % u32::BITS as usize);
        }
    }
}

/// The number of tokens.
pub fn count(bits: &[u32]) -> usize {
    bits.iter().map(|word| word.count_ones() as usize).sum()
}

/// The tokens, ascending.
pub fn each(bits: &[u32]) -> impl Iterator<Item = usize> + '_ {
    bits.iter().enumerate().flat_map(|(at, word)| {
        let first = at.saturating_mul(u32::BITS as usize);
        let mut left = *word;
        core::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left.wrapping_sub(1);
            Some(first.saturating_add(bit))
        })
    })
}

/// The first token from `index` on.
pub fn from(bits: &[u32], index: usize) -> Option<usize> {
    let (mut at, skipped) = (index / u32::BITS as usize, index % u32::BITS as usize);
    let mut word = bits.get(at)? >> skipped << skipped;
    while word == 0 {
        at += 1;
        word = *bits.get(at)?;
    }
    at.checked_mul(u32::BITS as usize)?.checked_add(word.trailing_zeros() as usize)
}

/// The token with rank `rank`, from 0.
pub fn nth(bits: &[u32], rank: usize) -> Option<usize> {
    let mut left = rank;
    for (at, word) in bits.iter().enumerate() {
        let ones = word.count_ones() as usize;
        match left.checked_sub(ones) {
            Some(rest) => left = rest,
            None => {
                return each(core::slice::from_ref(word))
                    .nth(left)?
                    .checked_add(at.checked_mul(u32::BITS as usize)?);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_found_again() {
        let tokens = [0, 1, 2, 3, 31, 32, 63, 64, 95];
        let mut bits = [0; words(96)];
        set(&mut bits, tokens.into_iter().rev().chain([3, 64, 96, 1000]));
        assert_eq!(count(&bits), tokens.len());
        assert!(each(&bits).eq(tokens));
        for (rank, token) in tokens.into_iter().enumerate() {
            assert_eq!(nth(&bits, rank), Some(token));
        }
        assert_eq!(nth(&bits, tokens.len()), None);
        for index in 0..100 {
            assert_eq!(from(&bits, index), tokens.into_iter().find(|token| *token >= index));
        }
    }
}
