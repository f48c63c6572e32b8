//! Translation of text to text, and of tokens to tokens.

use super::backend::words;
use super::compute::{Compute, Portable};
use super::error::Error;
use super::job::{Begin, Job};
use super::memory::integers;
use super::model::Model;
use super::need::Limits;
use super::slices;
use crate::batch::Run;
use crate::search::Sentence;
use crate::token::is_space;

/// The options of a translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// A hypothesis of n tokens (EOS included) scores its log-probability divided by `n ^ length_penalty`.
    pub length_penalty: f32,
    /// The maximum length of a translation is this factor times the source's tokens (EOS included) ...
    pub max_length_a: f64,
    /// ... plus this number, and at most [`Limits::target`].
    pub max_length_b: f64,
    /// Whether a sentence longer than [`Limits::source`] is cut; otherwise it is an error.
    pub cut: bool,
}

impl Options {
    /// The defaults of `a2d translate`: penalty 1, `1.2 n + 10` tokens; a sentence that is too long is an error.
    pub const DEFAULT: Self =
        Self { length_penalty: 1.0, max_length_a: 1.2, max_length_b: 10.0, cut: false };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Translates sentences one after the other in one arena.
pub struct Translator<'m, 'a, const N: usize = 6> {
    model: &'m Model<'a, N>,
    words: &'m mut [f32],
    limits: Limits,
    options: Options,
    compute: &'m dyn Compute,
}

/// A translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Translated<'o> {
    /// The text; empty for a blank line.
    pub text: &'o str,
    /// Log-probability over length to the length penalty; 0 for a blank line.
    pub score: f32,
    /// Whether the source was cut.
    pub cut: bool,
}

/// A translation in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// The number of tokens, without EOS.
    pub length: usize,
    /// Log-probability over length to the length penalty; 0 for an empty sentence.
    pub score: f32,
    /// Whether the source was cut.
    pub cut: bool,
}

/// A source at the front of the arena.
#[derive(Clone, Copy)]
struct Source {
    /// The number of tokens, without EOS.
    len: usize,
    cut: bool,
}

impl<'m, 'a, const N: usize> Translator<'m, 'a, N> {
    /// A translator in `arena`, whose address is a multiple of 4 and whose size is at least [`Model::arena_bytes`].
    ///
    /// # Errors
    ///
    /// A limit is 0, or the arena is misaligned or too small.
    pub fn new(
        model: &'m Model<'a, N>,
        arena: &'m mut [u8],
        limits: Limits,
        options: Options,
    ) -> Result<Self, Error> {
        if limits.source == 0 || limits.target == 0 || limits.beam == 0 {
            return Err(Error::Limits);
        }
        let missing = model.arena_bytes(&limits).saturating_sub(arena.len());
        if missing > 0 {
            return Err(Error::Arena { missing });
        }
        let words = words(arena)?;
        Ok(Self { model, words, limits, options, compute: &Portable })
    }

    /// Multiplies with `compute` instead of [`Portable`]. The translations are the same.
    #[must_use]
    pub fn computing(self, compute: &'m dyn Compute) -> Self {
        Self { compute, ..self }
    }

    /// Translates a line into `out`. The translation of a blank line is empty.
    ///
    /// Characters outside the vocabulary become bytes if the vocabulary has byte tokens, otherwise unknown tokens.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, the line is too long, its translation does not fit in `out`, or the weights contain
    /// NaN.
    pub fn translate<'o>(
        &mut self,
        text: &str,
        out: &'o mut [u8],
    ) -> Result<Translated<'o>, Error> {
        let mut job = self.start(text)?;
        job.finish()?;
        let (score, cut) = (job.score(), job.cut());
        Ok(Translated { text: job.text(out)?, score, cut })
    }

    /// [`Translator::translate`] into an owned string.
    ///
    /// # Errors
    ///
    /// As [`Translator::translate`], except that the string always fits.
    #[cfg(feature = "alloc")]
    pub fn translate_string(&mut self, text: &str) -> Result<alloc::string::String, Error> {
        let mut job = self.start(text)?;
        job.finish()?;
        let mut out = alloc::vec::Vec::new();
        if let Err(Error::Output { needed }) = job.text(&mut out) {
            out.resize(needed, 0);
        }
        job.text(&mut out)?;
        alloc::string::String::from_utf8(out).map_err(|_| Error::Fault)
    }

    /// Translates tokens (without EOS) into `out`. The translation of no tokens is empty.
    ///
    /// # Errors
    ///
    /// The source is too long or has a token outside the vocabulary, the translation does not fit in `out`, or the
    /// weights contain NaN.
    pub fn translate_tokens(&mut self, source: &[u32], out: &mut [u32]) -> Result<Done, Error> {
        let mut job = self.start_tokens(source)?;
        job.finish()?;
        let length = job.length();
        let out = out.get_mut(..length).ok_or(Error::Output { needed: length })?;
        if job.found().is_some_and(|found| found.tokens(0, 0, out) != length.saturating_add(1)) {
            return Err(Error::Fault);
        }
        Ok(Done { length, score: job.score(), cut: job.cut() })
    }

    /// Starts the translation of a line, to be continued by [`Job::poll`].
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or the line is too long.
    pub fn start(&mut self, text: &str) -> Result<Job<'_, 'a, N>, Error> {
        let source = self.encode(text)?;
        self.begin(source)
    }

    /// Starts the translation of tokens (without EOS), to be continued by [`Job::poll`].
    ///
    /// # Errors
    ///
    /// The source is too long, or has a token outside the vocabulary.
    pub fn start_tokens(&mut self, source: &[u32]) -> Result<Job<'_, 'a, N>, Error> {
        let fits = self.fit(source.len(), source.len())?;
        let vocabulary = self.model.config().source_vocabulary;
        let source = source.get(..fits.len).ok_or(Error::Fault)?;
        if let Some(id) = source.iter().find(|id| **id as usize >= vocabulary) {
            return Err(Error::Token { id: *id });
        }
        let to = integers(self.words)?;
        to.iter_mut().zip(source).for_each(|(to, id)| *to = *id);
        self.begin(fits)
    }

    /// Encodes a line at the front of the arena, which is free.
    fn encode(&mut self, text: &str) -> Result<Source, Error> {
        let vocabulary = self.model.source().ok_or(Error::Tokenizer)?;
        if text.chars().all(is_space) {
            return Ok(Source { len: 0, cut: false });
        }
        let (len, needed) = vocabulary.encode_front(text, integers(self.words)?);
        self.fit(len, needed.unwrap_or(len))
    }

    /// Applies the limit of the source to `len` tokens out of `all`.
    fn fit(&self, len: usize, all: usize) -> Result<Source, Error> {
        let (found, most) = (all.saturating_add(1), self.limits.source);
        let cut = found > most;
        if cut && !self.options.cut {
            return Err(Error::TooLong { found, most });
        }
        Ok(Source { len: len.min(most.saturating_sub(1)), cut })
    }

    /// Starts a job. Moves the source from the front of the arena to the input of the encoder.
    fn begin(&mut self, source: Source) -> Result<Job<'_, 'a, N>, Error> {
        let length = source.len.saturating_add(1);
        let longest = self.options.max_length_a * length as f64 + self.options.max_length_b;
        let sentence = Sentence {
            memory: Run { start: 0, len: length, valid: length },
            max_length: (longest as usize).min(self.limits.target).max(1),
        };
        let (ints, floats) = self.limits.workspace();
        let fixed = ints.saturating_add(floats).saturating_add(self.limits.keys());
        let end = fixed.saturating_add(source.len);
        if end >= self.words.len() {
            return Err(Error::Fault);
        }
        slices::move_up(self.words.get_mut(..end).unwrap_or_default(), fixed);
        if let Some(word) = integers(self.words)?.get_mut(end) {
            *word = self.model.config().special.eos;
        }
        let length_penalty = self.options.length_penalty;
        let begin = Begin {
            limits: self.limits,
            length_penalty,
            sentence,
            cut: source.cut,
            words: self.words,
            compute: self.compute,
        };
        Job::new(self.model, begin)
    }
}
