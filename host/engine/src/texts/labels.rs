//! The labels that a text model gives.

use super::Read;
use a2d_data::vocab::Vocab;
use a2d_score::Confusion;
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
}

/// The labels of `read` beside the true ones, by name.
///
/// # Errors
///
/// Misuse: a label that the model does not know.
pub fn confusion(vocab: &Vocab, read: &Read, truth: &[String]) -> Result<Confusion> {
    let found: Vec<u32> = read.rows().map(|logits| Labelled::of(logits).best()).collect();
    Ok(Confusion::new(read.width, &numbers(vocab, truth)?, &found))
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
