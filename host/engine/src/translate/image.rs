//! Translation with an image: the bits of a board.

use super::packed::{Arithmetic, PackedModel};
use super::{Hypothesis, SearchOptions, Translated, Watch, translate_encoded};
use a2d_core::micro::Model;
use a2d_core::search::Search;
use a2d_core::token::{self, Vocabulary};
use a2d_data::vocab::LineForm;
use a2d_run::model::MOST_LAYERS;
use a2d_system::error::{Error, Result};
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A byte buffer with 16-byte alignment.
pub struct Words(Vec<u128>, usize);

impl Words {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let whole = bytes.chunks(16).map(|chunk| {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_ne_bytes(word)
        });
        Self(whole.collect(), bytes.len())
    }

    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// Misuse: it cannot be read. There is not enough memory.
    pub fn read(path: &Path) -> Result<Self> {
        let misuse = |e| Error::input("read", path, &e);
        let mut file = File::open(path).map_err(misuse)?;
        let metadata = file.metadata().map_err(misuse)?;
        if !metadata.is_file() {
            let mut all = Vec::new();
            file.read_to_end(&mut all).map_err(misuse)?;
            return Ok(Self::new(&all));
        }
        let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let (mut words, count) = (Vec::new(), len.div_ceil(16));
        words.try_reserve_exact(count).map_err(|_| {
            let why = format!("not enough memory for its {len} bytes");
            Error::failed(format!("cannot read {}: {why}", path.display()))
        })?;
        words.resize(count, 0);
        let mut all = Self(words, len);
        file.read_exact(all.bytes_mut()).map_err(misuse)?;
        Ok(all)
    }

    /// `len` zero bytes.
    pub fn zeros(len: usize) -> Self {
        Self(vec![0; len.div_ceil(16)], len)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &zerocopy::IntoBytes::as_bytes(self.0.as_slice())[..self.1]
    }

    /// The bytes, mutable.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut zerocopy::IntoBytes::as_mut_bytes(self.0.as_mut_slice())[..self.1]
    }
}

/// Whether `path` is an image: a file, not a run's folder.
pub fn is_image(path: &Path) -> bool {
    path.is_file()
}

/// Reads the model in the bytes of an image.
///
/// # Errors
///
/// Misuse: the bytes are not an image, or the image is damaged. The message names `path`.
pub fn model<'a>(path: &Path, bytes: &'a [u8]) -> Result<Model<'a, MOST_LAYERS>> {
    Model::new(bytes).map_err(|e| Error::misuse(format!("{}: {e}", path.display())))
}

/// The vocabularies of source and target text in an image.
///
/// # Errors
///
/// Misuse: it has none. The message names `path`.
pub fn vocabularies<'a>(
    path: &Path,
    model: &Model<'a, MOST_LAYERS>,
) -> Result<[Vocabulary<'a>; 2]> {
    let sides = model.source().copied().zip(model.target().copied());
    let lacks = || Error::misuse(format!("{}: the image has no vocabulary", path.display()));
    sides.map(|(source, target)| [source, target]).ok_or_else(lacks)
}

/// A line as the vocabulary of an image takes it. The device's tokenizer does the rest of the normalisation.
pub fn composed<'l>(of: &Vocabulary<'_>, line: &'l str, buffer: &'l mut String) -> &'l str {
    match of.normalization() {
        token::Normalization::Nfkc => LineForm::Nfkc.apply(line, buffer),
        _ => line,
    }
}

/// Translates text with an image.
pub struct Runner<'a> {
    /// The model.
    pub packed: PackedModel<'a>,
    source: Vocabulary<'a>,
    target: Vocabulary<'a>,
}

impl<'a> Runner<'a> {
    /// Reads the bytes of an image, and packs its weights.
    ///
    /// # Errors
    ///
    /// As [`model`] and [`vocabularies`]; there is not enough memory.
    pub fn new(path: &Path, bytes: &'a [u8], arithmetic: Arithmetic) -> Result<Self> {
        let model = model(path, bytes)?;
        let [source, target] = vocabularies(path, &model)?;
        Ok(Self { packed: PackedModel::new(model, arithmetic)?, source, target })
    }

    /// Length of the longest source sentence in training, in tokens, if the image states it.
    pub fn longest(&self) -> Option<usize> {
        self.packed.model.image().longest_source().map(|tokens| tokens as usize)
    }

    /// Translates sentences of token ids without EOS. Returns the hypotheses of each sentence, best first. `done` is
    /// called with the number of sentences that were just finished.
    ///
    /// # Errors
    ///
    /// The weights contain NaN; the errors of `done`.
    pub fn tokens(
        &self,
        sources: &[Vec<u32>],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let eos = self.packed.model.config().special.eos;
        let search = Search { forbidden: self.target.forbidden(), ..options.search };
        let options = SearchOptions { search, ..*options };
        let ended: Vec<_> = sources.iter().map(|source| [source, &[eos][..]].concat()).collect();
        let mut found = self.packed.search(&ended, &options, done)?;
        let blank = found.iter_mut().zip(sources).filter(|(_, source)| source.is_empty());
        blank.for_each(|(found, _)| found.clear());
        Ok(found)
    }

    /// Translates lines. A blank line gives a blank translation; a line of more than
    /// [`MOST_TOKENS`](super::MOST_TOKENS) tokens is cut.
    ///
    /// # Errors
    ///
    /// As [`Runner::tokens`].
    pub fn lines<S: AsRef<str> + Sync>(
        &self,
        lines: &[S],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Translated> {
        self.search(lines, options, done)?.checked()
    }

    /// [`Runner::lines`], where a line may have no translation.
    pub(super) fn search<S: AsRef<str> + Sync>(
        &self,
        lines: &[S],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Translated> {
        let sources = lines.par_iter().map(|line| self.encode(line.as_ref()));
        let find = |sources: Vec<Vec<u32>>| self.tokens(&sources, options, done);
        translate_encoded(lines, sources.collect::<Result<_>>()?, find, |tokens| {
            self.decode(tokens)
        })
    }

    /// The tokens of a line; empty for a blank line.
    fn encode(&self, line: &str) -> Result<Vec<u32>> {
        if line.trim().is_empty() {
            return Ok(Vec::new());
        }
        let mut buffer = String::new();
        let line = composed(&self.source, line, &mut buffer);
        let mut tokens = vec![0; self.source.room(line.len())];
        let len = self.source.encode(line, &mut tokens);
        tokens.truncate(len.map_err(|e| Error::failed(e.to_string()))?);
        Ok(tokens)
    }

    fn decode(&self, tokens: &[u32]) -> Result<String> {
        let failed = |e: &dyn std::fmt::Display| Error::failed(e.to_string());
        let mut text = vec![0; 16 * tokens.len()];
        let len = match self.target.decode(tokens, &mut text) {
            Err(token::Error::Room { needed }) => {
                text.resize(needed, 0);
                self.target.decode(tokens, &mut text)
            }
            done => done,
        };
        text.truncate(len.map_err(|e| failed(&e))?);
        String::from_utf8(text).map_err(|e| failed(&e))
    }
}
