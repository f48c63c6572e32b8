//! BLEU (Papineni et al., 2002): clipped n-gram precisions and a brevity penalty.

use std::borrow::Cow;

use super::ngrams::{Numbers, matches, ngrams};
use super::tokenize::{Tokenizer, words};
use super::{Metric, Rounded, Rounding, case, yes_no};

/// The highest n-gram order.
const ORDER: usize = 4;
/// Bits of a word's number. Four fit into a 128-bit n-gram.
const BITS: u32 = 32;

/// BLEU from 0 to 100 and its settings. The defaults are sacreBLEU's for a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bleu {
    /// The tokeniser.
    pub tokenizer: Tokenizer,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// The smoothing of orders without a match.
    pub smoothing: Smoothing,
    /// Whether to skip orders longer than the line. Used for sentence scores.
    pub effective_order: bool,
}

/// How BLEU smooths the precision of an order without a match (Chen and Cherry, 2014).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Smoothing {
    /// No smoothing: the score is 0.
    None,
    /// This value in place of 0 matches.
    Floor(f64),
    /// Add this value to the matches and the n-grams of every order but the first.
    AddK(f64),
    /// Exponential: half an n-gram in the first order without a match, a quarter in the second, and so on.
    #[default]
    Exp,
}

impl Smoothing {
    fn setting(self) -> Cow<'static, str> {
        match self {
            Self::None => "none".into(),
            Self::Floor(value) => format!("floor[{value:.2}]").into(),
            Self::AddK(value) => format!("add-k[{value:.2}]").into(),
            Self::Exp => "exp".into(),
        }
    }
}

impl Metric for Bleu {
    fn name(&self) -> String {
        "BLEU".into()
    }

    fn settings(&self) -> String {
        let (case, eff) = (case(self.lowercase), yes_no(self.effective_order));
        let (tokenizer, smoothing) = (self.tokenizer.name(), self.smoothing.setting());
        format!("case:{case}|eff:{eff}|tok:{tokenizer}|smooth:{smoothing}")
    }

    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let lines: Vec<_> = [hypothesis].iter().chain(references).map(|l| self.line(l)).collect();
        let mut numbers = Numbers::default();
        let mut lines = lines.iter().map(|line| numbers.of(line));
        let hypothesis = lines.next().unwrap_or_default();
        Counts::of(&hypothesis, &lines.collect::<Vec<_>>()).numbers()
    }

    fn rounded_score(&self, numbers: &[f64], rounding: Rounding) -> Rounded {
        // The steps from the logarithms on are in 64 bits for either precision.
        Rounded::double(self.geometric_mean(&Counts::from(numbers), rounding))
    }

    fn detail(&self, numbers: &[f64]) -> String {
        let counts = Counts::from(numbers);
        let (precisions, _) = self.precisions(&counts, Rounding::Double);
        let precisions = precisions.map(|precision| format!("{precision:.1}")).join("/");
        let (penalty, ratio) = (counts.penalty(), counts.ratio());
        let Counts { hypothesis, reference, .. } = counts;
        format!(
            "{precisions} (BP = {penalty:.3} ratio = {ratio:.3} \
             hyp_len = {hypothesis} ref_len = {reference})"
        )
    }
}

impl Bleu {
    /// Whether the corpus score is meaningful: a reference has an n-gram of the highest order. Otherwise a perfect
    /// corpus scores 0, and a longer hypothesis scores more.
    pub fn can_judge<S: AsRef<str>>(&self, references: &[S]) -> bool {
        references.iter().any(|line| words(&self.line(line.as_ref())).count() >= ORDER)
    }

    /// A line with white space between words.
    fn line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if self.lowercase {
            Cow::Owned(self.tokenizer.space(&line.to_lowercase()).into_owned())
        } else {
            self.tokenizer.space(line)
        }
    }

    /// The geometric mean of the precisions times the brevity penalty, 0 to 100.
    fn geometric_mean(&self, counts: &Counts, rounding: Rounding) -> f64 {
        let (precisions, orders) = self.precisions(counts, rounding);
        if precisions[..orders].contains(&0.0) {
            return 0.0;
        }
        let logs: f64 = precisions[..orders].iter().map(|precision| precision.ln()).sum();
        counts.penalty() * (logs / orders as f64).exp()
    }

    /// The precision of each order in per cent, and the number of orders. Precisions are 0 without any match and for
    /// orders longer than every line.
    fn precisions(&self, counts: &Counts, rounding: Rounding) -> ([f64; ORDER], usize) {
        let mut precisions = [0.0; ORDER];
        if counts.matched == [0.0; ORDER] {
            return (precisions, ORDER);
        }
        let mut smoothed = 1.0;
        for n in 0..ORDER {
            let more = match self.smoothing {
                Smoothing::AddK(k) if n > 0 => k,
                _ => 0.0,
            };
            let matched = rounding.of(counts.matched[n] + more);
            let total = rounding.of(counts.total[n] + more);
            if total == 0.0 {
                return (precisions, if self.effective_order { n } else { ORDER });
            }
            let percent = |of: f64, total: f64| rounding.of(rounding.of(100.0 * of) / total);
            precisions[n] = match self.smoothing {
                _ if matched > 0.0 => percent(matched, total),
                Smoothing::Exp => {
                    smoothed *= 2.0;
                    percent(1.0, rounding.of(smoothed * total))
                }
                Smoothing::Floor(value) => percent(value, total),
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            };
        }
        (precisions, ORDER)
    }
}

/// The statistics of a line, or of a corpus as the sum of its lines.
#[derive(Default)]
struct Counts {
    /// Hypothesis length in words.
    hypothesis: f64,
    /// Length in words of the reference closest in length.
    reference: f64,
    /// Matched n-grams of the hypothesis, by order.
    matched: [f64; ORDER],
    /// N-grams of the hypothesis, by order.
    total: [f64; ORDER],
}

impl Counts {
    fn of(hypothesis: &[u32], references: &[Vec<u32>]) -> Self {
        let mut counts = Self {
            hypothesis: hypothesis.len() as f64,
            reference: closest(hypothesis.len(), references) as f64,
            ..Self::default()
        };
        for n in 1..=ORDER.min(hypothesis.len()) {
            let grams = ngrams(hypothesis, n, BITS);
            let others: Vec<_> = references.iter().map(|words| ngrams(words, n, BITS)).collect();
            let others: Vec<&[u128]> = others.iter().map(Vec::as_slice).collect();
            counts.total[n - 1] = grams.len() as f64;
            counts.matched[n - 1] = matches(&grams, &others) as f64;
        }
        counts
    }

    fn numbers(&self) -> Vec<f64> {
        [&[self.hypothesis, self.reference][..], &self.matched, &self.total].concat()
    }

    /// The brevity penalty, 0 to 1: 1 unless the hypotheses are shorter than the references.
    fn penalty(&self) -> f64 {
        match (self.hypothesis, self.reference) {
            (hypothesis, reference) if hypothesis >= reference => 1.0,
            (0.0, _) => 0.0,
            (hypothesis, reference) => (1.0 - reference / hypothesis).exp(),
        }
    }

    fn ratio(&self) -> f64 {
        if self.reference == 0.0 { 0.0 } else { self.hypothesis / self.reference }
    }
}

impl From<&[f64]> for Counts {
    /// The inverse of [`numbers`](Self::numbers).
    fn from(numbers: &[f64]) -> Self {
        Self {
            hypothesis: numbers[0],
            reference: numbers[1],
            matched: std::array::from_fn(|n| numbers[2 + n]),
            total: std::array::from_fn(|n| numbers[2 + ORDER + n]),
        }
    }
}

/// The reference length closest to `length`, the shorter on ties.
fn closest(length: usize, references: &[Vec<u32>]) -> usize {
    let lengths = references.iter().map(Vec::len);
    lengths.min_by_key(|other| (other.abs_diff(length), *other)).unwrap_or(0)
}
