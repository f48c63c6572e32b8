//! The target tokens of shortlists.

use crate::matrix::{Matrix, Memory};
use crate::weights::Weights;
use a2d_core::bits;
use a2d_core::image::Shortlist;
use a2d_core::micro::Parameter;
use alloc::vec;
use alloc::vec::Vec;

/// The output projection onto the tokens of a sentence's shortlist.
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
        let table = weights.weight(table);
        let tokens = tokens(list, source, table.shape().rows());
        let row = |at: usize| tokens[at] as usize;
        let matrix = Matrix::of_rows(&table, weights.isa, tokens.len(), row)?;
        let bias = bias.map(|bias| {
            let bias = weights.vector(bias);
            tokens.iter().map(|token| bias[*token as usize]).collect()
        });
        Ok(Self { table: matrix, bias, tokens })
    }
}

/// The tokens, out of `vocabulary`, that `list` has for `source`, ascending.
fn tokens(list: &Shortlist<'_>, source: &[u32], vocabulary: usize) -> Vec<u32> {
    let mut set = vec![0; bits::words(vocabulary)];
    list.mark(source, &mut set);
    let mut tokens = Vec::with_capacity(bits::count(&set));
    tokens.extend(bits::each(&set).map(|token| token as u32));
    tokens
}

/// The shortlists of the sentences of a search.
#[derive(Default)]
pub(crate) struct Choice {
    /// Of each sentence; empty without shortlists.
    pub lists: Vec<Chosen>,
    /// The sentences of the rows, and the number of rows of each.
    runs: Vec<(usize, usize)>,
}

impl Choice {
    /// Sets the sentence of each row.
    pub fn set_rows(&mut self, sentences: impl Iterator<Item = usize>) {
        self.runs.clear();
        for sentence in sentences {
            match self.runs.last_mut() {
                Some((last, rows)) if *last == sentence => *rows += 1,
                _ => self.runs.push((sentence, 1)),
            }
        }
    }

    /// The shortlists of the rows, and the number of rows of each.
    pub fn runs(&self) -> impl Iterator<Item = (&Chosen, usize)> {
        self.runs.iter().map(|(sentence, rows)| (&self.lists[*sentence], *rows))
    }

    /// The most tokens of a row.
    pub fn widest(&self) -> usize {
        self.runs().map(|(chosen, _)| chosen.tokens.len()).max().unwrap_or(0)
    }
}
