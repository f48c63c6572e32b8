//! Which tokens leave, and what the decoder starts from.

use crate::model::Portable;
use crate::start::{self, EOS, START};
use a2d_core::config::token;

/// The tokens of a model that CTranslate2 gets: all but padding, and but a start that is zeros.
pub struct Leaving {
    /// Tokens that stay.
    left_out: Vec<usize>,
    /// Whether the decoder starts from an embedding of zeros.
    pub from_zero: bool,
    /// The text of the token that the decoder starts from; of no meaning if that is zeros.
    pub start: String,
}

impl Leaving {
    /// The tokens of `model` that leave.
    pub fn new(model: &Portable<'_>) -> Self {
        let special = model.config.special;
        let from_zero = start::is_zero_start(model.parameters, special.start);
        let start = if special.start == token::BOS && !from_zero { START } else { EOS };
        let zero = from_zero.then_some(special.start as usize);
        let left_out = [special.pad as usize].into_iter().chain(zero).collect();
        Self { left_out, from_zero, start: start.to_owned() }
    }

    /// The texts that leave.
    pub fn pieces<'p>(&self, pieces: &'p [String]) -> impl Iterator<Item = &'p str> {
        let kept = pieces.iter().enumerate().filter(|(id, _)| !self.left_out.contains(id));
        kept.map(|(_, piece)| piece.as_str())
    }

    /// The rows of a table of `width` columns that leave.
    pub fn rows(&self, table: &[f32], width: usize) -> Vec<f32> {
        let rows = table.chunks(width.max(1)).enumerate();
        rows.filter(|(id, _)| !self.left_out.contains(id))
            .flat_map(|(_, row)| row)
            .copied()
            .collect()
    }
}
