//! McNemar's exact test of two classifiers on the same texts.

/// The p-value of McNemar's exact test (two-sided): the probability of a split at least this uneven if both systems are
/// alike. `first` and `second` count the texts that only that system has right. 1 without any.
pub fn mcnemar(first: u64, second: u64) -> f64 {
    let (all, few) = (first + second, first.min(second));
    // The logarithm of the binomial probability of 0, 1 … of `all` texts: the first ones are too small for a float.
    let mut log = -(all as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for i in 0..=few {
        tail += log.exp();
        log += ((all - i) as f64 / (i + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

/// The texts that only the first of two systems has right, and those that only the second has: of each text, whether it is right.
pub fn only_right(first: &[bool], second: &[bool]) -> [u64; 2] {
    let only = |one: &[bool], other: &[bool]| {
        one.iter().zip(other).filter(|(one, other)| **one && !**other).count() as u64
    };
    [only(first, second), only(second, first)]
}
