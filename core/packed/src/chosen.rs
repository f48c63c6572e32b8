//! The target tokens of a sentence's shortlist.

use crate::matrix::{Matrix, Memory};
use crate::weights::Weights;
use a2d_core::image::Shortlist;
use a2d_core::micro::Parameter;
use alloc::vec::Vec;

/// The output projection onto the tokens of a shortlist.
pub(crate) struct Chosen {
    /// The tokens, ascending.
    pub tokens: Vec<u32>,
    pub table: Matrix,
    pub bias: Option<Vec<f32>>,
}

impl Chosen {
    /// The tokens that `list` has for the tokens of `source`.
    pub fn new(
        weights: &Weights<'_>,
        (table, bias): (&Parameter, Option<&Parameter>),
        list: &Shortlist<'_>,
        source: &[u32],
    ) -> Result<Self, Memory> {
        let of_source = source.iter().flat_map(|token| list.of(*token as usize));
        let mut tokens: Vec<u32> = list.always().chain(of_source).map(|id| id as u32).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let table = weights.weight(table);
        let row = |at: usize| tokens[at] as usize;
        let matrix = Matrix::of_rows(&table, weights.isa, tokens.len(), row)?;
        let bias = bias.map(|bias| {
            let bias = weights.vector(bias);
            tokens.iter().map(|token| bias[*token as usize]).collect()
        });
        Ok(Self { table: matrix, bias, tokens })
    }
}
