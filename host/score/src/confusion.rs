//! Classifications: accuracy, F1 and the confusion matrix.

use super::{Metric, Rounded, Rounding};
use std::collections::HashMap;

/// How often each label was predicted for each label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    labels: usize,
    /// `[labels, labels]`: a row for each true label.
    counts: Vec<u64>,
}

impl Confusion {
    /// Counts predictions, as numbers of labels. Panics if there are not as many as true labels, or on a number that is
    /// `labels` or more.
    pub fn new(labels: usize, truth: &[u32], predicted: &[u32]) -> Self {
        assert_eq!(truth.len(), predicted.len(), "a prediction for each text");
        let mut counts = vec![0; labels * labels];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            assert!((truth as usize) < labels && (predicted as usize) < labels, "a known label");
            counts[truth as usize * labels + predicted as usize] += 1;
        }
        Self { labels, counts }
    }

    /// The texts of each true label, by the label that was predicted.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.labels.max(1))
    }

    /// The share of texts with the right label, 0 to 1; 0 without texts.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.labels).map(|label| self.right(label)).sum();
        share(right, self.counts.iter().sum())
    }

    /// The mean of the F1 of the labels that a text has or that were predicted, 0 to 1: `f1_score(average="macro")` of
    /// scikit-learn. Labels of neither kind do not count. 0 without texts.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.labels).filter_map(|label| self.f1(label)).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }

    /// The F1 of a label, 0 to 1; `None` if no text has it and it was never predicted.
    pub fn f1(&self, label: usize) -> Option<f64> {
        let all = self.texts(label) + self.predictions(label);
        (all > 0).then(|| share(2 * self.right(label), all))
    }

    /// The texts with a label.
    pub fn texts(&self, label: usize) -> u64 {
        self.counts[label * self.labels..][..self.labels].iter().sum()
    }

    /// How often a label was predicted.
    pub fn predictions(&self, label: usize) -> u64 {
        self.rows().map(|row| row[label]).sum()
    }

    fn right(&self, label: usize) -> u64 {
        self.counts[label * self.labels + label]
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
