//! The labels that a text model gives.

use super::{Read, read_lines};
use crate::translate::Watch;
use a2d_core::backend::Decode;
use a2d_data::vocab::{Labels, Vocab};
use a2d_run::model::Model;
use a2d_score::{Confusion, calibration_error};
use a2d_system::error::{Error, Result};

/// The probabilities of the labels of a text, the most probable first.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled(pub Vec<(u32, f32)>);

impl Labelled {
    /// From logits. Of equal ones the first label comes first.
    pub fn of(logits: &[f32]) -> Self {
        let mut all: Vec<_> = (0..).zip(probabilities(logits)).collect();
        all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Self(all)
    }
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

/// The most probable label of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Its number; of equally probable labels the first.
    pub label: u32,
    /// Its probability.
    pub probability: f32,
}

impl Best {
    /// From logits.
    fn of(logits: &[f32]) -> Self {
        let mut all = (0..).zip(probabilities(logits));
        let (mut label, mut probability) = all.next().unwrap_or_default();
        for (other, more) in all {
            if more.total_cmp(&probability).is_gt() {
                (label, probability) = (other, more);
            }
        }
        Self { label, probability }
    }

    /// The most probable label of each of `lines`, one of so many `labels`. `read` gets a part of them at a time, whose logits
    /// fit memory.
    ///
    /// # Errors
    ///
    /// The errors of `read`.
    pub fn of_lines<S>(
        labels: usize,
        lines: &[S],
        mut read: impl FnMut(&[S]) -> Result<Read>,
    ) -> Result<Vec<Self>> {
        let mut all = Vec::with_capacity(lines.len());
        for lines in lines.chunks(Read::most(labels)) {
            all.extend(read(lines)?.rows().map(Self::of));
        }
        Ok(all)
    }
}

/// Labels beside the true ones.
pub struct Judged {
    /// The label of each text.
    pub labels: Vec<u32>,
    /// Whether it is right.
    pub right: Vec<bool>,
    /// How often each label was given for each.
    pub confusion: Confusion,
    /// The expected calibration error, 0 to 1.
    pub calibration: f64,
}

impl Judged {
    /// Of the labels of texts, of so many `labels`, and the true ones by number.
    pub fn of(labels: usize, found: &[Best], truth: &[u32]) -> Self {
        let right: Vec<bool> = found.iter().zip(truth).map(|(of, own)| of.label == *own).collect();
        let sure = found.iter().zip(&right).map(|(of, right)| (f64::from(of.probability), *right));
        let calibration = calibration_error(&sure.collect::<Vec<_>>());
        let found: Vec<u32> = found.iter().map(|of| of.label).collect();
        let confusion = Confusion::new(labels, truth, &found);
        Self { labels: found, right, confusion, calibration }
    }

    /// The accuracy in percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.confusion.accuracy()
    }
}

/// Labels `texts`, and compares the labels with the true ones. `done` is called with the number of texts that were just
/// finished.
///
/// # Errors
///
/// The device was lost; the errors of `done`.
pub fn judge<B: Decode>(
    b: &mut B,
    (model, vocab): (&Model<B::Param>, &Vocab),
    texts: &[String],
    truth: &[u32],
    done: &Watch<'_>,
) -> Result<Judged> {
    let labels = vocab.sizes().target;
    let read = |lines: &[String]| read_lines(b, model, vocab, lines, done);
    Ok(Judged::of(labels, &Best::of_lines(labels, texts, read)?, truth))
}

/// The numbers of labels.
///
/// # Errors
///
/// Misuse: a label that the model does not know.
pub fn numbers(vocab: &Vocab, names: &[String]) -> Result<Vec<u32>> {
    let labels = vocab.labels().ok_or_else(|| Error::misuse("the model has no labels"))?;
    numbers_of(labels, names)
}

/// [`numbers`] of a model with these labels.
///
/// # Errors
///
/// As [`numbers`].
pub fn numbers_of(labels: &Labels, names: &[String]) -> Result<Vec<u32>> {
    let number = |(name, line): (&String, usize)| {
        let unknown = || Error::misuse(format!("line {line}: the model has no label {name:?}"));
        labels.number(name).ok_or_else(unknown)
    };
    names.iter().zip(1..).map(number).collect()
}
