//! chrF (Popović, 2015): the F-score of character n-grams, recall weighing more than precision.

use rayon::prelude::*;

use super::ngrams::{matches, ngrams};
use super::tokenize::is_space;
use super::{Score, check, signature};
use crate::error::Result;

/// The longest n-grams counted.
const ORDER: usize = 6;
/// Bits of a Unicode scalar value: six of them fit into the 128 of an n-gram.
const BITS: u32 = 21;
/// The square of beta = 2, the weight of recall.
const BETA_SQUARED: f64 = 4.0;

/// Corpus chrF2 from 0 to 100, as sacreBLEU 2.6.0 computes it by default.
///
/// `references[k]` is the k-th reference of every line; of several, the one with which a line
/// scores best counts (the first on ties). White space is ignored, case is not, and the average is
/// over the orders that occur on both sides.
///
/// # Errors
/// [`Misuse`](crate::error::Error::Misuse) if there is nothing to score or a reference has more or
/// fewer lines than there are hypotheses.
pub fn chrf<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    check(hypotheses, references)?;
    let counts = (0..hypotheses.len())
        .into_par_iter()
        .map(|line| count(&hypotheses[line], references.iter().map(|stream| &stream[line])))
        .reduce(Counts::default, sum);
    Ok(Score {
        name: "chrF2".into(),
        score: score(&counts),
        signature: signature(references.len(), "eff:yes|nc:6|nw:0|space:no"),
        detail: String::new(),
    })
}

/// By order, of a line or as the sum over a corpus.
type Counts = [Count; ORDER];

/// The n-grams of one order.
#[derive(Default, Clone, Copy)]
struct Count {
    hypothesis: u64,
    reference: u64,
    matched: u64,
}

/// The counts with the reference that scores best.
fn count<'a, S: AsRef<str> + 'a>(
    hypothesis: &S,
    references: impl Iterator<Item = &'a S>,
) -> Counts {
    let hypothesis = all_ngrams(hypothesis.as_ref());
    let mut best = Counts::default();
    let mut best_score = -1.0;
    for reference in references {
        let reference = all_ngrams(reference.as_ref());
        let counts = std::array::from_fn(|n| compare(&hypothesis[n], &reference[n]));
        let score = score(&counts);
        if score > best_score {
            (best, best_score) = (counts, score);
        }
    }
    best
}

fn all_ngrams(line: &str) -> [Vec<u128>; ORDER] {
    let symbols: Vec<u32> = line.chars().filter(|c| !is_space(*c)).map(u32::from).collect();
    std::array::from_fn(|n| ngrams(&symbols, n + 1, BITS))
}

/// Hypothesis n-grams of an order that the reference is too short for do not count.
fn compare(hypothesis: &[u128], reference: &[u128]) -> Count {
    Count {
        hypothesis: if reference.is_empty() { 0 } else { hypothesis.len() as u64 },
        reference: reference.len() as u64,
        matched: matches(hypothesis, &[reference]),
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    std::array::from_fn(|n| Count {
        hypothesis: a[n].hypothesis + b[n].hypothesis,
        reference: a[n].reference + b[n].reference,
        matched: a[n].matched + b[n].matched,
    })
}

/// The F-score, 0 to 100, of the mean precision and the mean recall over the orders.
fn score(counts: &Counts) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for count in counts.iter().filter(|count| count.hypothesis > 0 && count.reference > 0) {
        precision += count.matched as f64 / count.hypothesis as f64;
        recall += count.matched as f64 / count.reference as f64;
        orders += 1.0;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    100.0 * ((1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall))
}
