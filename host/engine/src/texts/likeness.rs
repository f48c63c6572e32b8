//! How alike the vectors of two models are.

use super::Read;
use a2d_score::{cosine, spearman};

/// The most texts of which all pairs are compared.
const PAIRED: usize = 1000;

/// The likeness of the vectors of the same texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// The mean cosine of both vectors of a text; `None` if the widths differ.
    pub cosine: Option<f64>,
    /// Spearman's correlation of the cosines of all pairs of texts, of the first 1,000; `None` if it is not defined.
    pub rank: Option<f64>,
}

impl Likeness {
    /// Of the vectors of two models.
    pub fn of(one: &Read, other: &Read) -> Self {
        let mean = || {
            let sum: f64 = one.rows().zip(other.rows()).map(|(a, b)| cosine(a, b)).sum();
            sum / one.rows().len().max(1) as f64
        };
        let cosine = (one.width == other.width).then(mean);
        Self { cosine, rank: spearman(&pairs(one), &pairs(other)) }
    }
}

/// The cosine of each pair of the first texts.
fn pairs(of: &Read) -> Vec<f64> {
    let rows: Vec<&[f32]> = of.rows().take(PAIRED).collect();
    let later = |i: usize| rows[i + 1..].iter().map(move |other| (i, *other));
    (0..rows.len()).flat_map(later).map(|(i, other)| cosine(rows[i], other)).collect()
}
