//! Translation of one sentence at a time, as [`a2d_core::micro::Translator`] does it.

use crate::backend::Packed;
use crate::job::{Begin, Job};
use crate::matrix::filled;
use crate::source::{Fit, encoded};
use crate::weights::Weights;
use a2d_core::batch::Run;
use a2d_core::config::Task;
use a2d_core::micro::{Error, Limits, Model, Options};
use a2d_core::search::{Search, Sentence};
use alloc::vec::Vec;

/// Translates sentences one after the other, with the tokens and the text of [`a2d_core::micro::Translator`].
pub struct Translator<'w, const N: usize = 6> {
    model: &'w Model<'w, N>,
    backend: Packed<'w>,
    limits: Limits,
    options: Options,
    /// The workspace of the search.
    words: Vec<u32>,
    floats: Vec<f32>,
}

impl<'w, const N: usize> Translator<'w, N> {
    /// A translator with the packed weights of the model.
    ///
    /// # Errors
    ///
    /// The image is of a text model, a limit is 0, or there is not enough memory.
    pub fn new(
        model: &'w Model<'w, N>,
        weights: &'w Weights<'w>,
        limits: Limits,
        options: Options,
    ) -> Result<Self, Error> {
        let (found, wanted) = (model.config().task(), Task::Translate);
        if found != wanted {
            return Err(Error::Task { found, wanted });
        }
        if limits.source == 0 || limits.target == 0 || limits.beam == 0 {
            return Err(Error::Limits);
        }
        let how = Search { beam: limits.beam, ..Search::GREEDY };
        let (words, floats) = how.workspace(1, limits.target);
        let backend = Packed::new(weights).packing(limits.int8_cache);
        let (words, floats) = (filled(0, words)?, filled(0.0, floats)?);
        Ok(Self { model, backend, limits, options, words, floats })
    }

    /// Starts the translation of a line, to be continued by [`Job::poll`].
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, the line is too long, or there is not enough memory.
    pub fn start(&mut self, text: &str) -> Result<Job<'_, 'w, N>, Error> {
        let source = encoded(self.model, text)?;
        self.start_tokens(&source)
    }

    /// Starts the translation of tokens (without EOS), to be continued by [`Job::poll`].
    ///
    /// # Errors
    ///
    /// The source is too long, or has a token outside the vocabulary, or there is not enough memory.
    pub fn start_tokens(&mut self, source: &[u32]) -> Result<Job<'_, 'w, N>, Error> {
        let fit = Fit { most: self.limits.source, ends: 1, cuts: self.options.cut };
        let (source, cut) = fit.apply(self.model, source)?;
        let length = source.len() + 1;
        let longest = self.options.max_length_a * length as f64 + self.options.max_length_b;
        let begin = Begin {
            beam: self.limits.beam,
            length_penalty: self.options.length_penalty,
            sentence: Sentence {
                memory: Run { start: 0, len: length, valid: length },
                max_length: (longest as usize).min(self.limits.target).max(1),
            },
            cut,
            words: &mut self.words,
            floats: &mut self.floats,
        };
        Job::new(self.model, &mut self.backend, source, begin)
    }
}
