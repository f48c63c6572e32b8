//! Text to text, and tokens to tokens.

use super::arena::integers;
use super::backend::words;
use super::error::Error;
use super::job::{Begin, Job};
use super::model::Model;
use super::need::Limits;
use super::slices;
use crate::batch::Run;
use crate::search::Sentence;

/// How to translate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// A hypothesis of n tokens (its end included) scores its log-probability over `n ^ length_penalty`.
    pub length_penalty: f32,
    /// Longest translation: this times the source's tokens (its end included) ...
    pub max_length_a: f64,
    /// ... plus this, and never more than the limit.
    pub max_length_b: f64,
    /// Cut a sentence that is too long, rather than refuse it.
    pub cut: bool,
}

impl Options {
    /// What `host translate` does: penalty 1, `1.2 n + 10` tokens; sentences that are too long are refused.
    pub const DEFAULT: Self =
        Self { length_penalty: 1.0, max_length_a: 1.2, max_length_b: 10.0, cut: false };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Translates one sentence after the other in one arena.
pub struct Translator<'m, 'a, const N: usize = 6> {
    model: &'m Model<'a, N>,
    words: &'m mut [f32],
    limits: Limits,
    options: Options,
}

/// A translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Translated<'o> {
    /// Its text; of a blank line, none.
    pub text: &'o str,
    /// Log-probability over length to the length penalty; 0 for a blank line.
    pub score: f32,
    /// Whether the source was cut.
    pub cut: bool,
}

/// A translation in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Its tokens, the end of the sentence not counted.
    pub length: usize,
    /// Log-probability over length to the length penalty; 0 for an empty sentence.
    pub score: f32,
    /// Whether the source was cut.
    pub cut: bool,
}

/// A source at the front of the arena.
#[derive(Clone, Copy)]
struct Source {
    /// Its tokens, without an end of the sentence.
    len: usize,
    cut: bool,
}

impl<'m, 'a, const N: usize> Translator<'m, 'a, N> {
    /// With all working memory in `arena`, which 4 bytes align and which has [`Model::arena_bytes`].
    ///
    /// # Errors
    ///
    /// A limit is 0, the arena is misaligned or too small.
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
        Ok(Self { model, words, limits, options })
    }

    /// Translates a line into `out`; a blank one to nothing.
    ///
    /// Characters outside the vocabulary are spelt as bytes where it has them, and unknown tokens otherwise.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, the line is too long, or its translation has no room in `out`.
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

    /// [`Translator::translate`] into a string of its own.
    ///
    /// # Errors
    ///
    /// As there, but for the room.
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

    /// Translates tokens (without an end of the sentence) into `out`; none to none.
    ///
    /// # Errors
    ///
    /// There are too many, one is foreign, or the translation has no room in `out`.
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

    /// Begins to translate a line; [`Job::poll`] goes on.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or the line is too long.
    pub fn start(&mut self, text: &str) -> Result<Job<'_, 'a, N>, Error> {
        let source = self.encode(text)?;
        self.begin(source)
    }

    /// Begins to translate tokens (without an end of the sentence); [`Job::poll`] goes on.
    ///
    /// # Errors
    ///
    /// There are too many, or one is foreign.
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

    /// The tokens of a line, in the arena, all of which is free.
    fn encode(&mut self, text: &str) -> Result<Source, Error> {
        let tokenizer = self.model.tokenizer().ok_or(Error::Tokenizer)?;
        if text.trim().is_empty() {
            return Ok(Source { len: 0, cut: false });
        }
        let (len, needed) = tokenizer.encode_front(text, integers(self.words)?);
        self.fit(len, needed.unwrap_or(len))
    }

    /// What the limits leave of `len` tokens out of `all`.
    fn fit(&self, len: usize, all: usize) -> Result<Source, Error> {
        let (found, most) = (all.saturating_add(1), self.limits.source);
        let cut = found > most;
        if cut && !self.options.cut {
            return Err(Error::TooLong { found, most });
        }
        Ok(Source { len: len.min(most.saturating_sub(1)), cut })
    }

    /// Begins with the source at the front of the arena: it moves to where the encoder reads it.
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
        };
        Job::new(self.model, begin)
    }
}
