//! Vectors of texts: rank correlation of similarities, and search.

use rayon::prelude::*;

/// Spearman's rank correlation, -1 to 1; equal numbers share the mean of their ranks. `None` if one side has fewer than two
/// different numbers, or a NaN. Panics if the sides are of unequal length.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "pairs of numbers");
    if a.iter().chain(b).any(|number| number.is_nan()) {
        return None;
    }
    // Ranks add up to the same on both sides.
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let [a, b] = [a, b].map(|side| ranks(side).into_iter().map(|rank| rank - mean));
    let [mut both, mut of_a, mut of_b] = [0.0; 3];
    for (a, b) in a.zip(b) {
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    (of_a > 0.0 && of_b > 0.0).then(|| both / (of_a * of_b).sqrt())
}

/// The rank of each number, from 1.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        before += equal.len();
    }
    ranks
}

/// The cosine of two vectors; 0 if one is 0.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

/// The share of queries, 0 to 1, whose true neighbour is among the `k` keys with the largest cosine; of equal ones the first
/// is nearer. 0 without queries.
///
/// `queries` is `[Q, width]`, `keys` `[N, width]`, and `truth` has a key for each query. Panics if it has not, or names
/// none.
pub fn recall(queries: &[f32], keys: &[f32], width: usize, truth: &[usize], k: usize) -> f64 {
    let queries = queries.par_chunks_exact(width);
    assert_eq!(queries.len(), truth.len(), "a neighbour for each query");
    let is_found = |(query, &neighbour): (&[f32], &usize)| {
        let near = cosine(query, &keys[neighbour * width..][..width]);
        let nearer = keys.chunks_exact(width).enumerate().filter(|&(i, key)| {
            let other = cosine(query, key);
            other > near || other == near && i < neighbour
        });
        nearer.take(k).count() < k
    };
    let found = queries.zip(truth).filter(|&pair| is_found(pair)).count();
    found as f64 / truth.len().max(1) as f64
}
