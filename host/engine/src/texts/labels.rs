//! The labels that a text model gives.

use super::Read;
use a2d_data::vocab::Vocab;
use a2d_score::{Confusion, calibration_error};
use a2d_system::error::{Error, Result};

/// The probabilities of the labels of a text, the most probable first.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled(pub Vec<(u32, f32)>);

impl Labelled {
    /// From logits. Of equal ones the first label comes first.
    pub fn of(logits: &[f32]) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let mut all: Vec<_> = (0..).zip(powers.iter().map(|power| (power / sum) as f32)).collect();
        all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Self(all)
    }

    /// The most probable label.
    pub fn best(&self) -> u32 {
        self.0.first().map_or(0, |(label, _)| *label)
    }

    /// Its probability.
    fn probability(&self) -> f64 {
        self.0.first().map_or(0.0, |(_, probability)| f64::from(*probability))
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
    /// Of the logits of texts, and their labels by number.
    pub fn of(read: &Read, truth: &[u32]) -> Self {
        let found: Vec<Labelled> = read.rows().map(Labelled::of).collect();
        let labels: Vec<u32> = found.iter().map(Labelled::best).collect();
        let right: Vec<bool> = labels.iter().zip(truth).map(|(one, other)| one == other).collect();
        let sure = found.iter().zip(&right).map(|(of, right)| (of.probability(), *right));
        let calibration = calibration_error(&sure.collect::<Vec<_>>());
        let confusion = Confusion::new(read.width, truth, &labels);
        Self { labels, right, confusion, calibration }
    }

    /// The accuracy in percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.confusion.accuracy()
    }
}

/// The labels of `read` beside the true ones, by name.
///
/// # Errors
///
/// Misuse: a label that the model does not know.
pub fn confusion(vocab: &Vocab, read: &Read, truth: &[String]) -> Result<Confusion> {
    Ok(Judged::of(read, &numbers(vocab, truth)?).confusion)
}

/// The numbers of labels.
///
/// # Errors
///
/// Misuse: a label that the model does not know.
pub fn numbers(vocab: &Vocab, names: &[String]) -> Result<Vec<u32>> {
    let labels = vocab.labels().ok_or_else(|| Error::misuse("the model has no labels"))?;
    let number = |(name, line): (&String, usize)| {
        let unknown = || Error::misuse(format!("line {line}: the model has no label {name:?}"));
        labels.number(name).ok_or_else(unknown)
    };
    names.iter().zip(1..).map(number).collect()
}
