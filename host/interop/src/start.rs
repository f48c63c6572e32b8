//! The order of tokens in models that start from a zero embedding: Marian's, here and in files.
//!
//! Here the decoder starts from token 0, token 1 is padding, 2 the end, 3 the unknown token; the other tokens keep their
//! order. In a file of Hugging Face one token, `<pad>`, is both start and padding; in one of Marian there is neither.

use crate::model::Parameters;
use a2d_core::config::token;
use a2d_run::checkpoint::Tensor;
use std::collections::HashSet;

/// The end of a sentence.
pub const EOS: &str = "</s>";
/// The unknown token.
pub const UNK: &str = "<unk>";
/// Padding.
pub const PAD: &str = "<pad>";
/// The start of the decoder.
pub const START: &str = "<s>";

/// The tokens that no file of Marian's has: the start, and padding.
pub const ADDED: usize = 2;

/// The bias of the logits of the tokens that are never written: takes them out of a softmax.
pub const NEVER: f32 = -30.0;

/// The name of the bias of the logits.
pub const BIAS: &str = "decoder.output_projection.bias";
/// The name of the source's table.
pub const SOURCE: &str = "encoder.embed_tokens.weight";
/// The name of the target's table, where the source has one of its own.
pub const TARGET: &str = "decoder.embed_tokens.weight";

/// The tokens of a vocabulary of a file, in the order of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The number in the file of each token from the third on.
    ids: Vec<usize>,
    /// The texts of all tokens.
    pub pieces: Vec<String>,
}

/// Why a vocabulary cannot be used.
pub type Refused = String;

impl Order {
    /// The order of `pieces`, of which those in `special` come first and `left_out` is left out.
    ///
    /// # Errors
    ///
    /// A special token is missing.
    pub fn new(pieces: &[String], left_out: Option<usize>) -> Result<Self, Refused> {
        let find = |special: &str| {
            let at = pieces.iter().position(|piece| piece == special);
            at.ok_or_else(|| format!("has no `{special}`"))
        };
        let special = [find(EOS)?, find(UNK)?];
        let others = (0..pieces.len()).filter(|id| !special.contains(id) && Some(*id) != left_out);
        let ids: Vec<usize> = special.into_iter().chain(others).collect();
        let texts = ids.iter().map(|id| named(*id, &pieces[*id]));
        let pieces = [START, PAD].map(String::from).into_iter().chain(texts).collect();
        Ok(Self { ids, pieces })
    }

    /// Rows of `width` values of a file in the order of this program, with rows of `first` before them.
    pub fn arrange(&self, rows: &[f32], width: usize, first: f32) -> Vec<f32> {
        let mut out = Vec::with_capacity((ADDED + self.ids.len()) * width);
        out.resize(ADDED * width, first);
        for id in &self.ids {
            out.extend_from_slice(&rows[id * width..][..width]);
        }
        out
    }
}

/// The text of token `id` of a file. Where a file has an ordinary token of the name of an added one, its number is
/// added: two tokens of one text could not be told apart.
fn named(id: usize, piece: &str) -> String {
    match [START, PAD].contains(&piece) {
        true => format!("{piece}:{id}"),
        false => piece.to_owned(),
    }
}

/// The first text that is there twice.
pub fn repeated(pieces: &[String]) -> Option<&str> {
    let mut seen = HashSet::new();
    pieces.iter().map(String::as_str).find(|piece| !seen.insert(*piece))
}

/// The table of the target.
pub fn target_table(parameters: &Parameters) -> Option<&Tensor> {
    parameters.get(TARGET).or_else(|| parameters.get(SOURCE))
}

/// Whether the decoder starts from an embedding of zeros, `start` being its token.
pub fn is_zero_start(parameters: &Parameters, start: u32) -> bool {
    let row = |(shape, values): &Tensor| {
        let width = *shape.get(1)?;
        values.get(start as usize * width..)?.get(..width).map(|row| row.iter().all(|x| *x == 0.0))
    };
    start != token::EOS && target_table(parameters).and_then(row) == Some(true)
}
