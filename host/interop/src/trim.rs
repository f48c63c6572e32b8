//! A model whose vocabulary holds only what some text needs.

use crate::model::{Imported, Pieces};
use crate::start::{BIAS, SOURCE, TARGET};
use a2d_data::vocab::spm::trimmed;
use a2d_data::vocab::{SPECIAL, Subwords, Vocab};
use a2d_system::error::{Error, Result};
use std::collections::HashSet;

/// Text of the source and of the target.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Source lines.
    pub source: &'a [String],
    /// Target lines.
    pub target: &'a [String],
}

impl Imported {
    /// Removes the tokens that neither `texts` nor a single character needs. All bytes, codes such as `>>de<<` and texts
    /// that are kept whole stay. The text has the same tokens as before.
    ///
    /// # Errors
    ///
    /// Misuse: the SentencePiece models are not of the unigram kind, or would cut the text otherwise.
    pub fn trim(&mut self, texts: Texts<'_>) -> Result<()> {
        let before = self.vocab()?;
        let [source, target] = [texts.source, texts.target];
        let mut kept = [used(before.source(), source)?, used(before.target(), target)?];
        let joint = self.pieces.source == self.pieces.target;
        if joint {
            let [source, target] = kept;
            let union: HashSet<u32> = source.union(&target).copied().collect();
            kept = [union.clone(), union];
        }
        let pieces = [&self.pieces.source, &self.pieces.target];
        let rows: [Vec<usize>; 2] = [0, 1].map(|side| rows(pieces[side], &kept[side]));
        let [source, target] = [0, 1].map(|side| {
            let texts = rows[side].iter().map(|row| pieces[side][*row].clone());
            texts.collect::<Vec<_>>()
        });
        let pieces = Pieces { source, target };
        // A piece that the vocabulary never had is unknown text, and stays so.
        let shorter = |model: &[u8], all: &[String], kept: &[String]| {
            let [all, kept] =
                [all, kept].map(|texts| texts.iter().map(String::as_str).collect::<HashSet<_>>());
            trimmed(model, |text| kept.contains(text) || !all.contains(text))
        };
        let models = [
            shorter(&self.sentencepiece.source, &self.pieces.source, &pieces.source)?,
            shorter(&self.sentencepiece.target, &self.pieces.target, &pieces.target)?,
        ];
        [self.sentencepiece.source, self.sentencepiece.target] = models;
        self.pieces = pieces;
        let target_table = if self.model.share_embeddings { SOURCE } else { TARGET };
        self.keep_rows(SOURCE, &rows[0]);
        if target_table == TARGET {
            self.keep_rows(TARGET, &rows[1]);
        }
        self.keep_rows(BIAS, &rows[1]);
        same_tokens(&before, &self.vocab()?, texts)
    }

    fn keep_rows(&mut self, name: &str, rows: &[usize]) {
        let Some((shape, data)) = self.parameters.get_mut(name) else { return };
        let width = data.len() / shape[0].max(1);
        *data = rows.iter().flat_map(|row| data[row * width..][..width].to_vec()).collect();
        shape[0] = rows.len();
    }
}

/// The tokens of some lines.
fn used(side: &dyn Subwords, lines: &[String]) -> Result<HashSet<u32>> {
    Ok(side.encode_batch(lines)?.into_iter().flatten().collect())
}

/// The rows that stay, in order.
fn rows(pieces: &[String], used: &HashSet<u32>) -> Vec<usize> {
    let stays = |row: &usize| {
        let text = &pieces[*row];
        let is_byte = text.starts_with("<0x") && text.ends_with('>');
        let is_code = text.starts_with(">>") && text.ends_with("<<");
        let is_short = text.trim_start_matches('▁').chars().count() <= 1;
        *row < SPECIAL.len() || used.contains(&(*row as u32)) || is_byte || is_code || is_short
    };
    (0..pieces.len()).filter(stays).collect()
}

/// Checks that the text has the tokens, by their text, that it had before.
fn same_tokens(before: &Vocab, after: &Vocab, texts: Texts<'_>) -> Result<()> {
    let sides = before.sides().into_iter().zip(after.sides());
    for ((before, after), lines) in sides.zip([texts.source, texts.target]) {
        let [was, is] = [before.encode_batch(lines)?, after.encode_batch(lines)?];
        for (number, (was, is)) in was.iter().zip(&is).enumerate() {
            let same = was.len() == is.len()
                && was.iter().zip(is).all(|(a, b)| before.piece(*a) == after.piece(*b));
            if !same {
                let text = "is cut otherwise with the smaller vocabulary";
                return Err(Error::misuse(format!("line {} of the text {text}", number + 1)));
            }
        }
    }
    Ok(())
}
