//! What every writer relies on.

use crate::model::Portable;
use crate::start::{self, EOS, PAD, UNK};
use a2d_core::config::token;
use a2d_run::checkpoint::Tensor;
use a2d_run::model::plan;
use a2d_system::error::{Error, Result};

impl<'a> Portable<'a> {
    /// Checks that parameters and tokens are those of the configuration.
    ///
    /// # Errors
    ///
    /// Misuse: a parameter is missing or has another shape; a vocabulary has another size, a token twice, or other special
    /// tokens than `<pad>`, `</s>` and `<unk>`.
    pub fn check(&self) -> Result<()> {
        for (name, spec) in plan(&self.config, None)?.params() {
            let (shape, values) = self.parameter(name)?;
            let expected = spec.shape.dims();
            if shape != expected || values.len() != spec.shape.len() {
                let text = format!("the model has `{name}` as {shape:?}, expected {expected:?}");
                return Err(Error::misuse(text));
            }
        }
        let sizes = [self.config.source_vocabulary, self.config.target_vocabulary];
        let sides = [("source", &self.pieces.source), ("target", &self.pieces.target)];
        sides.into_iter().zip(sizes).try_for_each(|((side, pieces), size)| {
            let checked = check_pieces(pieces, size);
            checked.map_err(|why| Error::misuse(format!("the {side} vocabulary {why}")))
        })
    }

    /// The parameter `name`.
    ///
    /// # Errors
    ///
    /// Misuse: it is missing.
    pub fn parameter(&self, name: &str) -> Result<&'a Tensor> {
        let missing = || Error::misuse(format!("the model has no parameter `{name}`"));
        self.parameters.get(name).ok_or_else(missing)
    }
}

fn check_pieces(pieces: &[String], size: usize) -> Result<(), String> {
    if pieces.len() != size {
        return Err(format!("has {} tokens, but the model {size}", pieces.len()));
    }
    if let Some(piece) = start::repeated(pieces) {
        return Err(format!("has {piece:?} twice: other toolkits tell tokens by their text"));
    }
    let special = [(token::PAD, PAD), (token::EOS, EOS), (token::UNK, UNK)];
    let other = special
        .into_iter()
        .find(|(id, text)| pieces.get(*id as usize).map(String::as_str) != Some(*text));
    match other {
        Some((id, text)) => Err(format!("has another token than {text} at {id}")),
        None => Ok(()),
    }
}
