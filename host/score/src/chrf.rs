//! chrF (Popović, 2015): the F-score of character n-grams, with recall weighted by beta. chrF++ (Popović, 2017) adds
//! word n-grams.

use super::ngrams::{Numbers, matches, ngrams};
use super::tokenize::{is_space, words};
use super::{Metric, Rounded, Rounding, case, yes_no};

/// Bits of a Unicode scalar value. Six fit into a 128-bit n-gram.
const CHAR_BITS: u32 = 21;
/// Bits of a word's number. Four fit into a 128-bit n-gram.
const WORD_BITS: u32 = 32;
/// The value used in place of 0 by epsilon smoothing.
const EPSILON: f64 = 1e-16;
/// Statistics per order: n-grams of the hypothesis, of the reference, and common n-grams.
const NUMBERS: usize = 3;

/// chrF from 0 to 100 and its settings. The defaults are sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chrf {
    /// The longest character n-grams, 1 to [`MOST_CHARS`](Self::MOST_CHARS).
    pub char_order: usize,
    /// The longest word n-grams, 0 to [`MOST_WORDS`](Self::MOST_WORDS).
    pub word_order: usize,
    /// Beta: the weight of recall relative to precision.
    pub beta: usize,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// Whether white space is part of n-grams.
    pub whitespace: bool,
    /// Whether to average the F-scores of all orders, almost 0 for orders without n-grams. Otherwise precision and
    /// recall are averaged over the orders that occur on both sides.
    pub eps_smoothing: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self {
            char_order: 6,
            word_order: 0,
            beta: 2,
            lowercase: false,
            whitespace: false,
            eps_smoothing: false,
        }
    }
}

impl Metric for Chrf {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    fn settings(&self) -> String {
        let (case, eff) = (case(self.lowercase), yes_no(!self.eps_smoothing));
        let (nc, nw) = (self.char_order, self.word_order);
        let space = yes_no(self.whitespace);
        format!("case:{case}|eff:{eff}|nc:{nc}|nw:{nw}|space:{space}")
    }

    /// The statistics with the best-scoring reference.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let lines: Vec<_> = [hypothesis].iter().chain(references).map(|l| self.line(l)).collect();
        let mut numbers = Numbers::default();
        let mut lines = lines.iter().map(|line| self.all_ngrams(line, &mut numbers));
        let hypothesis = lines.next().unwrap_or_default();
        let mut best = (-1.0, Vec::new());
        for reference in lines {
            let counts: Vec<f64> = hypothesis.iter().zip(&reference).flat_map(compare).collect();
            let score = self.score(&counts);
            if score > best.0 {
                best = (score, counts);
            }
        }
        best.1
    }

    fn rounded_score(&self, numbers: &[f64], rounding: Rounding) -> Rounded {
        let value = if self.eps_smoothing {
            self.mean_f_score(numbers, rounding)
        } else {
            self.f_score_of_means(numbers, rounding)
        };
        // sacreBLEU returns a literal 0 here, in 64 bits.
        Rounded { value, rounding: if value == 0.0 { Rounding::Double } else { rounding } }
    }
}

/// Sorted n-grams by order: characters, then words.
type Ngrams = Vec<Vec<u128>>;

impl Chrf {
    /// The most characters in an n-gram.
    pub const MOST_CHARS: usize = (u128::BITS / CHAR_BITS) as usize;
    /// The most words in an n-gram.
    pub const MOST_WORDS: usize = (u128::BITS / WORD_BITS) as usize;

    fn line(&self, line: &str) -> String {
        let line = line.trim_end_matches(is_space);
        if self.lowercase { line.to_lowercase() } else { line.to_owned() }
    }

    fn all_ngrams<'a>(&self, line: &'a str, numbers: &mut Numbers<'a>) -> Ngrams {
        let counted = |c: &char| self.whitespace || !is_space(*c);
        let symbols: Vec<u32> = line.chars().filter(counted).map(u32::from).collect();
        let mut all: Ngrams =
            (1..=self.char_order).map(|n| ngrams(&symbols, n, CHAR_BITS)).collect();
        if self.word_order > 0 {
            let parts = words(line).flat_map(split_mark).flatten();
            let words: Vec<u32> = parts.map(|word| numbers.number(word)).collect();
            all.extend((1..=self.word_order).map(|n| ngrams(&words, n, WORD_BITS)));
        }
        all
    }

    /// The F-score, 0 to 100, of the mean precision and the mean recall over the orders.
    fn f_score_of_means(&self, numbers: &[f64], rounding: Rounding) -> f64 {
        let r = |x| rounding.of(x);
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for order in numbers.chunks_exact(NUMBERS).filter(|of| of[0] > 0.0 && of[1] > 0.0) {
            precision = r(precision + r(order[2] / order[0]));
            recall = r(recall + r(order[2] / order[1]));
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (r(precision / orders), r(recall / orders));
        r(100.0 * self.f_score(precision, recall, rounding))
    }

    /// The mean over all orders of their F-scores, 0 to 100.
    fn mean_f_score(&self, numbers: &[f64], rounding: Rounding) -> f64 {
        let r = |x| rounding.of(x);
        let share = |matched: f64, of: f64| if of > 0.0 { r(matched / of) } else { EPSILON };
        let mut sum = 0.0;
        for order in numbers.chunks_exact(NUMBERS) {
            let (precision, recall) = (share(order[2], order[0]), share(order[2], order[1]));
            let none = self.factor() * precision + recall <= 0.0;
            sum = r(sum + if none { EPSILON } else { self.f_score(precision, recall, rounding) });
        }
        r(r(100.0 * sum) / (self.char_order + self.word_order) as f64)
    }

    /// The F-score, 0 to 1; one of `precision` and `recall` is not 0.
    fn f_score(&self, precision: f64, recall: f64, rounding: Rounding) -> f64 {
        let (r, factor) = (|x| rounding.of(x), self.factor());
        let above = r(r((1.0 + factor) * precision) * recall);
        r(above / r(r(factor * precision) + recall))
    }

    fn factor(&self) -> f64 {
        (self.beta * self.beta) as f64
    }
}

/// The statistics of an order. Hypothesis n-grams do not count if the reference is too short for the order.
fn compare((hypothesis, reference): (&Vec<u128>, &Vec<u128>)) -> [f64; NUMBERS] {
    let counted = if reference.is_empty() { 0 } else { hypothesis.len() };
    let matched = matches(hypothesis, &[reference]);
    [counted as f64, reference.len() as f64, matched as f64]
}

/// Splits one ASCII punctuation character off a word: at its end, else at its start.
fn split_mark(word: &str) -> [Option<&str>; 2] {
    let last = word.char_indices().next_back().filter(|&(at, _)| at > 0);
    let (first, second) = match last {
        Some((at, c)) if c.is_ascii_punctuation() => word.split_at(at),
        Some(_) if word.starts_with(|c: char| c.is_ascii_punctuation()) => word.split_at(1),
        _ => return [Some(word), None],
    };
    [Some(first), Some(second)]
}
