//! Translation of text to text, and of tokens to tokens.

use super::compute::Compute;
use super::error::Error;
use super::job::{Begin, Job};
use super::model::Model;
use super::need::Limits;
use super::reader::{Place, Reader, Source};
use crate::batch::Run;
use crate::config::Task;
use crate::search::Sentence;

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
    reader: Reader<'m, 'a, N>,
    limits: Limits,
    options: Options,
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

impl<'m, 'a, const N: usize> Translator<'m, 'a, N> {
    /// A translator in `arena`, whose address is a multiple of 4 and whose size is at least [`Model::arena_bytes`].
    ///
    /// # Errors
    ///
    /// The image is of a text model, a limit is 0, or the arena is misaligned or too small.
    pub fn new(
        model: &'m Model<'a, N>,
        arena: &'m mut [u8],
        limits: Limits,
        options: Options,
    ) -> Result<Self, Error> {
        if limits.target == 0 || limits.beam == 0 {
            return Err(Error::Limits);
        }
        let (ints, floats) = limits.workspace();
        let place = Place {
            fixed: ints.saturating_add(floats).saturating_add(limits.keys()),
            most: limits.source,
            cuts: options.cut,
            begin: None,
        };
        let needed = model.arena_bytes(&limits);
        let reader = Reader::new(model, arena, needed, Task::Translate, place)?;
        Ok(Self { reader, limits, options })
    }

    /// Multiplies with `compute` instead of [`Portable`](super::Portable). The translations are the same.
    #[must_use]
    pub fn computing(mut self, compute: &'m dyn Compute) -> Self {
        self.reader.compute = compute;
        self
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
        let source = self.reader.text(text)?;
        self.begin(source)
    }

    /// Starts the translation of tokens (without EOS), to be continued by [`Job::poll`].
    ///
    /// # Errors
    ///
    /// The source is too long, or has a token outside the vocabulary.
    pub fn start_tokens(&mut self, source: &[u32]) -> Result<Job<'_, 'a, N>, Error> {
        let source = self.reader.tokens(source)?;
        self.begin(source)
    }

    /// Starts a job for a source in its place.
    fn begin(&mut self, Source { len, cut }: Source) -> Result<Job<'_, 'a, N>, Error> {
        let longest = self.options.max_length_a * len as f64 + self.options.max_length_b;
        let sentence = Sentence {
            memory: Run { start: 0, len, valid: len },
            max_length: (longest as usize).min(self.limits.target).max(1),
        };
        let begin = Begin {
            limits: self.limits,
            length_penalty: self.options.length_penalty,
            sentence,
            cut,
            words: self.reader.words,
            compute: self.reader.compute,
        };
        Job::new(self.reader.model, begin)
    }
}
