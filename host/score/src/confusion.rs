//! Classifications: accuracy, F1 and the confusion matrix.

use super::{Metric, Rounded, Rounding};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// How often each label was predicted for each label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    labels: Vec<Counts>,
    /// The texts of each pair of a true and a predicted label that occurs: at most as many pairs as texts.
    pairs: BTreeMap<[u32; 2], u64>,
}

/// The texts of a label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Those that have it.
    texts: u64,
    /// Those that it was predicted for.
    predictions: u64,
    /// Those that have it, and that it was predicted for.
    right: u64,
}

impl Counts {
    fn errors(self) -> u64 {
        self.texts + self.predictions - 2 * self.right
    }
}

impl Confusion {
    /// The most labels of a matrix that people read.
    pub const SHOWN: usize = 30;

    /// Counts predictions, as numbers of labels. Panics if there are not as many as true labels, or on a number that is
    /// `labels` or more.
    pub fn new(labels: usize, truth: &[u32], predicted: &[u32]) -> Self {
        assert_eq!(truth.len(), predicted.len(), "a prediction for each text");
        let mut counts = vec![Counts::default(); labels];
        let mut pairs = BTreeMap::new();
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts[truth as usize].texts += 1;
            counts[predicted as usize].predictions += 1;
            counts[truth as usize].right += u64::from(truth == predicted);
            *pairs.entry([truth, predicted]).or_default() += 1;
        }
        Self { labels: counts, pairs }
    }

    /// The pairs of a true and a predicted label that occur, in order, with the number of their texts.
    pub fn pairs(&self) -> impl Iterator<Item = ([u32; 2], u64)> {
        self.pairs.iter().map(|(pair, texts)| (*pair, *texts))
    }

    /// The texts of each of the true `labels`, by the one of `labels` that was predicted.
    pub fn rows(&self, labels: &[u32]) -> Vec<Vec<u64>> {
        let texts = |pair| self.pairs.get(&pair).copied().unwrap_or(0);
        let row = |truth: &u32| labels.iter().map(|found| texts([*truth, *found])).collect();
        labels.iter().map(row).collect()
    }

    /// The `most` labels with the most errors, of their own texts and of predictions, in the order of their numbers.
    pub fn confused(&self, most: usize) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..).take(self.labels.len()).collect();
        labels.sort_by_key(|label| Reverse(self.labels[*label as usize].errors()));
        labels.truncate(most);
        labels.sort_unstable();
        labels
    }

    /// The `most` pairs of two labels that occur most often.
    pub fn confusions(&self, most: usize) -> Vec<([u32; 2], u64)> {
        let mut pairs: Vec<_> = self.pairs().filter(|([truth, found], _)| truth != found).collect();
        pairs.sort_by_key(|(_, texts)| Reverse(*texts));
        pairs.truncate(most);
        pairs
    }

    /// The share of texts with the right label, 0 to 1; 0 without texts.
    pub fn accuracy(&self) -> f64 {
        let sum = |of: fn(&Counts) -> u64| self.labels.iter().map(of).sum();
        share(sum(|of| of.right), sum(|of| of.texts))
    }

    /// The mean of the F1 of the labels that a text has or that were predicted, 0 to 1: `f1_score(average="macro")` of
    /// scikit-learn. Labels of neither kind do not count. 0 without texts.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.labels.len()).filter_map(|label| self.f1(label)).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }

    /// The F1 of a label, 0 to 1; `None` if no text has it and it was never predicted.
    pub fn f1(&self, label: usize) -> Option<f64> {
        let Counts { texts, predictions, right } = self.labels[label];
        let all = texts + predictions;
        (all > 0).then(|| share(2 * right, all))
    }

    /// The texts with a label.
    pub fn texts(&self, label: usize) -> u64 {
        self.labels[label].texts
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Accuracy from 0 to 100: a line is a label, up to the first tab, as in lines `LABEL<TAB>TEXT` and in those that `a2d predict`
/// writes.
#[derive(Debug, Clone, Copy)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> String {
        "accuracy".to_owned()
    }

    fn settings(&self) -> String {
        "case:mixed".to_owned()
    }

    /// Whether the label is right (a reference), and 1.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let right = references.iter().any(|reference| label(reference) == label(hypothesis));
        vec![f64::from(u8::from(right)), 1.0]
    }

    fn unit(&self) -> Option<&'static str> {
        Some("%")
    }

    fn is_right(&self, numbers: &[f64]) -> Option<bool> {
        Some(numbers[0] > 0.0)
    }

    /// The sums are integers, which 32 bits hold exactly: no step is rounded.
    fn rounded_score(&self, numbers: &[f64], _: Rounding) -> Rounded {
        Rounded::double(100.0 * numbers[0] / numbers[1].max(1.0))
    }
}

/// Macro F1 from 0 to 100 of lines as [`Accuracy`] reads them: [`Confusion::macro_f1`] in percent.
#[derive(Debug, Clone)]
pub struct MacroF1 {
    /// The number of each label.
    numbers: HashMap<String, usize>,
}

impl MacroF1 {
    /// Of these labels. A line with another label is wrong, a reference with another one does not count.
    pub fn new(labels: &[String]) -> Self {
        Self { numbers: labels.iter().cloned().zip(0..).collect() }
    }
}

impl Metric for MacroF1 {
    fn name(&self) -> String {
        "macro F1".to_owned()
    }

    fn settings(&self) -> String {
        format!("case:mixed|labels:{}", self.numbers.len())
    }

    /// For each label, whether the line has it rightly, and how many of line and (first) reference have it.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let mut row = vec![0.0; 2 * self.numbers.len()];
        let number = |line: &str| self.numbers.get(label(line)).copied();
        let [own, truth] = [number(hypothesis), references.first().and_then(|line| number(line))];
        own.into_iter().chain(truth).for_each(|label| row[2 * label + 1] += 1.0);
        if let Some(label) = own.filter(|_| own == truth) {
            row[2 * label] = 1.0;
        }
        row
    }

    fn unit(&self) -> Option<&'static str> {
        Some("%")
    }

    /// As of [`Accuracy`], no step is rounded.
    fn rounded_score(&self, numbers: &[f64], _: Rounding) -> Rounded {
        let f1 = numbers.chunks_exact(2).filter(|of| of[1] > 0.0).map(|of| 2.0 * of[0] / of[1]);
        let (sum, labels) = f1.fold((0.0, 0), |(sum, labels), f1| (sum + f1, labels + 1));
        Rounded::double(100.0 * sum / f64::from(labels.max(1)))
    }
}

fn label(line: &str) -> &str {
    line.split_once('\t').map_or(line, |(label, _)| label)
}
