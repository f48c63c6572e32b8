//! BLEU (Papineni et al., 2002): clipped n-gram precisions and a penalty for brevity.

use std::collections::HashMap;
use std::ops::Add;

use rayon::prelude::*;

use super::ngrams::{matches, ngrams};
use super::tokenize::tokenize_13a;
use super::{Score, check, signature};
use crate::error::Result;

/// The longest n-grams counted.
const ORDER: usize = 4;
/// Bits of a word's number: four of them fill the 128 of an n-gram.
const BITS: u32 = 32;

/// Corpus BLEU from 0 to 100, as sacreBLEU 2.6.0 computes it by default.
///
/// `references[k]` is the k-th reference of every line. Words are split by `13a`, case counts, an
/// order without a match is smoothed exponentially, and the reference length of a line is the one
/// closest to the hypothesis (the shorter of two equally close). Without any common word it is 0.
///
/// # Errors
/// [`Misuse`](crate::error::Error::Misuse) if there is nothing to score or a reference has more or
/// fewer lines than there are hypotheses.
pub fn bleu<S: AsRef<str> + Sync>(hypotheses: &[S], references: &[Vec<S>]) -> Result<Score> {
    check(hypotheses, references)?;
    let counts = (0..hypotheses.len())
        .into_par_iter()
        .map(|line| count(&hypotheses[line], references.iter().map(|stream| &stream[line])))
        .reduce(Counts::default, Counts::add);
    Ok(Score {
        name: "BLEU".into(),
        score: counts.score(),
        signature: signature(references.len(), "eff:no|tok:13a|smooth:exp"),
        detail: counts.detail(),
    })
}

/// What BLEU needs to know of a line, or of a corpus as the sum of its lines.
#[derive(Default)]
struct Counts {
    /// Words of the hypothesis.
    hypothesis: u64,
    /// Words of the reference closest in length.
    reference: u64,
    /// N-grams of the hypothesis that a reference has, by order.
    matched: [u64; ORDER],
    /// N-grams of the hypothesis, by order.
    total: [u64; ORDER],
}

fn count<'a, S: AsRef<str> + 'a>(
    hypothesis: &S,
    references: impl Iterator<Item = &'a S>,
) -> Counts {
    let mut numbers = Numbers::default();
    let hypothesis = numbers.of(hypothesis.as_ref());
    let references: Vec<Vec<u32>> = references.map(|line| numbers.of(line.as_ref())).collect();
    let mut counts = Counts {
        hypothesis: hypothesis.len() as u64,
        reference: closest(hypothesis.len(), &references) as u64,
        ..Counts::default()
    };
    for n in 1..=ORDER.min(hypothesis.len()) {
        let grams = ngrams(&hypothesis, n, BITS);
        let others: Vec<_> = references.iter().map(|words| ngrams(words, n, BITS)).collect();
        let others: Vec<&[u128]> = others.iter().map(Vec::as_slice).collect();
        counts.total[n - 1] = grams.len() as u64;
        counts.matched[n - 1] = matches(&grams, &others);
    }
    counts
}

/// Numbers the words of one line and its references: equal words, equal numbers.
#[derive(Default)]
struct Numbers(HashMap<String, u32>);

impl Numbers {
    fn of(&mut self, line: &str) -> Vec<u32> {
        let number = |word| {
            let next = self.0.len() as u32;
            *self.0.entry(word).or_insert(next)
        };
        tokenize_13a(line).into_iter().map(number).collect()
    }
}

/// The length of the reference closest to `length`, the shorter one on ties.
fn closest(length: usize, references: &[Vec<u32>]) -> usize {
    let lengths = references.iter().map(Vec::len);
    lengths.min_by_key(|other| (other.abs_diff(length), *other)).unwrap_or(0)
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hypothesis: self.hypothesis + other.hypothesis,
            reference: self.reference + other.reference,
            matched: sum(self.matched, other.matched),
            total: sum(self.total, other.total),
        }
    }
}

fn sum(a: [u64; ORDER], b: [u64; ORDER]) -> [u64; ORDER] {
    std::array::from_fn(|n| a[n] + b[n])
}

impl Counts {
    /// The geometric mean of the precisions times the penalty, 0 to 100.
    fn score(&self) -> f64 {
        let precisions = self.precisions();
        if precisions.contains(&0.0) {
            return 0.0;
        }
        let logs: f64 = precisions.iter().map(|precision| precision.ln()).sum();
        self.penalty() * (logs / ORDER as f64).exp()
    }

    /// Per cent of the n-grams that match, by order. The k-th order without a match counts as
    /// 1/2^k match; all are 0 where nothing matches, and those for which every line is too short.
    fn precisions(&self) -> [f64; ORDER] {
        let mut precisions = [0.0; ORDER];
        if self.matched == [0; ORDER] {
            return precisions;
        }
        let mut smoothing = 1.0;
        for (n, precision) in precisions.iter_mut().enumerate() {
            let total = self.total[n] as f64;
            *precision = match (self.matched[n], self.total[n]) {
                (_, 0) => 0.0,
                (0, _) => {
                    smoothing *= 2.0;
                    100.0 / (smoothing * total)
                }
                (matched, _) => 100.0 * matched as f64 / total,
            };
        }
        precisions
    }

    /// The brevity penalty, 0 to 1: 1 unless the hypotheses are shorter than the references.
    fn penalty(&self) -> f64 {
        match (self.hypothesis, self.reference) {
            (hypothesis, reference) if hypothesis >= reference => 1.0,
            (0, _) => 0.0,
            (hypothesis, reference) => (1.0 - reference as f64 / hypothesis as f64).exp(),
        }
    }

    fn ratio(&self) -> f64 {
        if self.reference == 0 { 0.0 } else { self.hypothesis as f64 / self.reference as f64 }
    }

    fn detail(&self) -> String {
        let precisions = self.precisions().map(|precision| format!("{precision:.1}")).join("/");
        let (penalty, ratio) = (self.penalty(), self.ratio());
        let (hypothesis, reference) = (self.hypothesis, self.reference);
        format!(
            "{precisions} (BP = {penalty:.3} ratio = {ratio:.3} \
             hyp_len = {hypothesis} ref_len = {reference})"
        )
    }
}
