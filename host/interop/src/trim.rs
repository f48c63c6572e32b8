//! A model whose vocabulary holds only what some text needs.

use crate::Foreign;
use crate::model::{Imported, Parameters, Pieces, SentencePiece};
use crate::start::{BIAS, SOURCE, TARGET};
use a2d_data::vocab::spm::{Model, needed, trimmed};
use a2d_data::vocab::{SPECIAL, Subwords, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use a2d_system::text::{Lines, Reader, is_stdin, refused};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Lines that are cut at a time.
const PART: usize = 1 << 14;

impl Imported {
    /// Removes the tokens that neither text, of the source and of the target, nor a single character needs. All bytes, codes
    /// such as `>>de<<` and texts that are kept whole stay.
    ///
    /// # Errors
    ///
    /// As [`crate::Foreign::trim`].
    pub(crate) fn trim_to(&mut self, texts: &[PathBuf]) -> Result<()> {
        let texts = expected(texts, "a text of the source and one of the target")?;
        let before = self.vocab()?;
        self.keep(&self.needed(&before, texts)?)?;
        self.untrimmed.get_or_insert_with(|| before.to_bytes());
        let after = self.vocab()?;
        let sides = before.sides().into_iter().zip(after.sides());
        texts.iter().zip(sides).try_for_each(|(text, sides)| same_tokens(text, sides))
    }

    /// The rows that stay, of the source and of the target.
    fn needed(&self, vocab: &Vocab, texts: &[PathBuf; 2]) -> Result<[Vec<usize>; 2]> {
        let pieces = [&self.pieces.source, &self.pieces.target];
        let mut kept = Vec::new();
        for ((text, side), model) in texts.iter().zip(vocab.sides()).zip(self.models()) {
            kept.push(used(text, side, model)?);
        }
        if pieces[0] == pieces[1] {
            let union: HashSet<u32> = kept.iter().flatten().copied().collect();
            kept = vec![union; 2];
        }
        Ok([0, 1].map(|side| rows(pieces[side], &kept[side])))
    }

    /// Keeps these rows of tokens and parameters.
    fn keep(&mut self, rows: &[Vec<usize>; 2]) -> Result<()> {
        let pieces = [&self.pieces.source, &self.pieces.target];
        let kept = [0, 1].map(|side| {
            let texts = rows[side].iter().map(|row| pieces[side][*row].clone());
            texts.collect::<Vec<_>>()
        });
        let models = self.models();
        let shorter = |side: usize| {
            let [all, kept]: [HashSet<&str>; 2] =
                [pieces[side], &kept[side]].map(|texts| texts.iter().map(String::as_str).collect());
            // A piece that the vocabulary never had is unknown text, and stays so.
            trimmed(models[side], |text| kept.contains(text) || !all.contains(text))
        };
        let (source, target) = (shorter(0)?, shorter(1)?);
        self.sentencepiece = SentencePiece { source, target };
        let [source, target] = kept;
        self.pieces = Pieces { source, target };
        for (name, rows) in [(SOURCE, &rows[0]), (TARGET, &rows[1]), (BIAS, &rows[1])] {
            keep_rows(&mut self.parameters, name, rows);
        }
        Ok(())
    }

    fn models(&self) -> [&[u8]; 2] {
        [&self.sentencepiece.source, &self.sentencepiece.target]
    }
}

/// The texts that a vocabulary is trimmed by, `what` says which.
pub(crate) fn expected<'t, const N: usize>(
    texts: &'t [PathBuf],
    what: &str,
) -> Result<&'t [PathBuf; N]> {
    let other = |_| {
        let count = texts.len();
        Error::misuse(format!("the vocabulary is trimmed by {what}, but {count} texts are named"))
    };
    texts.try_into().map_err(other)
}

/// Keeps some rows of a parameter, if the model has it.
pub(crate) fn keep_rows(parameters: &mut Parameters, name: &str, rows: &[usize]) {
    let Some((shape, data)) = parameters.get_mut(name) else { return };
    let width = data.len() / shape[0].max(1);
    *data = rows.iter().flat_map(|row| data[row * width..][..width].to_vec()).collect();
    shape[0] = rows.len();
}

/// Reads a text part by part: its lines, and the number of lines before them.
fn parts(path: &Path, mut see: impl FnMut(&[&str], usize) -> Result<()>) -> Result<()> {
    if is_stdin(path) {
        let text = "the text of a vocabulary is read twice: name a file, not standard input";
        return Err(Error::misuse(text));
    }
    let (mut reader, mut lines, mut before) = (Reader::open(path)?, Lines::default(), 0);
    loop {
        signals::go_on()?;
        while lines.len() < PART && reader.next(&mut lines)? {}
        if lines.is_empty() {
            return Ok(());
        }
        let text = |i| lines.at(i).text().map_err(|why| refused(path, before + i + 1, why));
        see(&(0..lines.len()).map(text).collect::<Result<Vec<_>>>()?, before)?;
        before += lines.len();
        lines.clear();
    }
}

/// The tokens of a text. It may be larger than memory.
pub(crate) fn tokens(text: &Path, side: &dyn Subwords) -> Result<HashSet<u32>> {
    let mut used = HashSet::new();
    parts(text, |lines, _| {
        used.extend(side.encode_batch(lines)?.into_iter().flatten());
        Ok(())
    })?;
    Ok(used)
}

/// The tokens that `model` needs to cut a text.
fn used(text: &Path, side: &dyn Subwords, model: &[u8]) -> Result<HashSet<u32>> {
    let used = tokens(text, side)?;
    let model = Model::new(model)?;
    let needed = needed(&model, used.iter().filter_map(|id| side.piece(*id)));
    let is_needed = |id: &u32| side.piece(*id).is_some_and(|text| needed.contains(text));
    Ok((0..side.len() as u32).filter(is_needed).collect())
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

/// Checks that each line has the tokens that it had before.
pub(crate) fn same_tokens(
    path: &Path,
    (before, after): (&dyn Subwords, &dyn Subwords),
) -> Result<()> {
    parts(path, |lines, number| {
        let tokens = before.encode_batch(lines)?.into_iter().zip(after.encode_batch(lines)?);
        for (i, (was, is)) in tokens.enumerate() {
            let [was, is] = [texts(before, &was), texts(after, &is)];
            if was != is {
                let lost = was.iter().enumerate().find(|(i, text)| is.get(*i) != Some(text));
                let lost = lost.map_or("", |(_, text)| text);
                let text = format!("the trimmed vocabulary loses the token {lost:?} of this line");
                return Err(refused(path, number + i + 1, &text));
            }
        }
        Ok(())
    })
}

fn texts<'a>(side: &'a dyn Subwords, ids: &[u32]) -> Vec<&'a str> {
    ids.iter().map(|id| side.piece(*id).unwrap_or_default()).collect()
}
