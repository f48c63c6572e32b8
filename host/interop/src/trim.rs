//! A model whose vocabulary holds only what some text needs.

use crate::model::{Imported, Pieces};
use crate::start::{BIAS, SOURCE, TARGET};
use a2d_data::vocab::spm::trimmed;
use a2d_data::vocab::{SPECIAL, Vocab};
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
        let before = tokens(&self.vocab()?, texts)?;
        let pieces = [&self.pieces.source, &self.pieces.target];
        let mut kept = before.each_ref().map(|lines| lines.iter().flatten().copied().collect());
        if pieces[0] == pieces[1] {
            let [source, target] = kept;
            let union: HashSet<u32> = &source | &target;
            kept = [union.clone(), union];
        }
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
        for (name, rows) in [(SOURCE, &rows[0]), (TARGET, &rows[1]), (BIAS, &rows[1])] {
            self.keep_rows(name, rows);
        }
        same_tokens(&before, &tokens(&self.vocab()?, texts)?, &rows)
    }

    /// Keeps some rows of a parameter, if the model has it.
    fn keep_rows(&mut self, name: &str, rows: &[usize]) {
        let Some((shape, data)) = self.parameters.get_mut(name) else { return };
        let width = data.len() / shape[0].max(1);
        *data = rows.iter().flat_map(|row| data[row * width..][..width].to_vec()).collect();
        shape[0] = rows.len();
    }
}

/// The tokens of each line, of both sides.
type Tokens = [Vec<Vec<u32>>; 2];

fn tokens(vocab: &Vocab, texts: Texts<'_>) -> Result<Tokens> {
    let (source, target) = (vocab.source(), vocab.target());
    Ok([source.encode_batch(texts.source)?, target.encode_batch(texts.target)?])
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

/// Checks that each line has the tokens that it had before, which are now numbered by `rows`.
fn same_tokens(before: &Tokens, after: &Tokens, rows: &[Vec<usize>; 2]) -> Result<()> {
    for ((before, after), rows) in before.iter().zip(after).zip(rows) {
        let is_same = |(was, is): (&Vec<u32>, &Vec<u32>)| {
            was.iter().map(|id| *id as usize).eq(is.iter().map(|id| rows[*id as usize]))
        };
        if let Some(line) = before.iter().zip(after).position(|lines| !is_same(lines)) {
            let text = "is cut otherwise with the smaller vocabulary";
            return Err(Error::misuse(format!("line {} of the text {text}", line + 1)));
        }
    }
    Ok(())
}
