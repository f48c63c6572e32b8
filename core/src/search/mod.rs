//! Greedy and beam search with a key-value cache, as in fairseq, without an allocator.
//!
//! Hypotheses are kept as back pointers: the token and the parent of each beam at each step. No code here indexes a
//! slice: an access outside the workspace is an error, which only a bug can cause.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod candidates;
mod found;
mod steps;

pub use found::Found;
pub use steps::Steps;

use crate::allow::Forbidden;
use crate::backend::{Decode, Lost};
use crate::batch::{Run, Span};
use crate::nn::Transformer;
use core::fmt;

/// The options of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// K, the number of hypotheses kept at each step, at least 1; 1 is greedy search.
    pub beam: usize,
    /// A hypothesis of n tokens (EOS included) scores its log-probability divided by `n ^ length_penalty`.
    pub length_penalty: f32,
    /// The minimum number of tokens before EOS; fairseq's default is 1.
    pub min_length: usize,
    /// Tokens that no hypothesis contains.
    pub forbidden: Forbidden,
}

/// One sentence to translate.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    /// Its rows of the encoder's output.
    pub memory: Run,
    /// The maximum number of tokens before EOS; at least 1. Has priority over [`Search::min_length`].
    pub max_length: usize,
}

/// Why a search failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The workspace is too small.
    Workspace {
        /// The needed elements of `u32` and of `f32`, see [`Search::workspace`].
        needed: (usize, usize),
    },
    /// The device was lost.
    Lost(Lost),
    /// A beam of 0, or an access outside the workspace: a bug.
    Fault,
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace { needed: (words, floats) } => {
                write!(f, "the search needs a workspace of {words} integers and {floats} floats")
            }
            Self::Lost(lost) => lost.fmt(f),
            Self::Fault => f.write_str("the search left its workspace: this is a bug"),
        }
    }
}

impl core::error::Error for Error {}

impl Search {
    /// Greedy search: one hypothesis, length penalty 1, at least one token before EOS, no forbidden tokens.
    pub const GREEDY: Self =
        Self { beam: 1, length_penalty: 1.0, min_length: 1, forbidden: Forbidden::NONE };

    /// The `u32` and `f32` elements of a search's workspace, for `sentences` of at most `max_length` tokens.
    pub const fn workspace(&self, sentences: usize, max_length: usize) -> (usize, usize) {
        let (rows, width) = (sentences.saturating_mul(self.beam), self.beam.saturating_mul(2));
        let history = rows.saturating_mul(2).saturating_mul(max_length.saturating_add(1));
        let step = rows.saturating_mul(width.saturating_add(4 + Span::WORDS));
        let finished = sentences.saturating_mul(width.saturating_add(1));
        let words = history.saturating_add(step).saturating_add(finished);
        (words, rows.saturating_mul(width.saturating_add(3)))
    }

    /// Translates `sentences` over `memory` `[N, D]`, the encoder's output. The result borrows `words` and `floats`.
    ///
    /// # Errors
    ///
    /// The workspace is too small, the beam is 0, or the device was lost.
    pub fn run<'w, B: Decode, const N: usize>(
        &self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        memory: &B::Tensor,
        sentences: &[Sentence],
        words: &'w mut [u32],
        floats: &'w mut [f32],
    ) -> Result<Found<'w>, Error> {
        self.watched(b, model, memory, sentences, (words, floats), &mut || {})
    }

    /// [`Search::run`], which calls `stepped` after each step: a token of each row that is not finished.
    ///
    /// # Errors
    ///
    /// As [`Search::run`].
    pub fn watched<'w, B: Decode, const N: usize>(
        &self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        memory: &B::Tensor,
        sentences: &[Sentence],
        (words, floats): (&'w mut [u32], &'w mut [f32]),
        stepped: &mut dyn FnMut(),
    ) -> Result<Found<'w>, Error> {
        if self.beam == 0 {
            return Err(Error::Fault);
        }
        let longest = sentences.iter().map(|s| s.max_length).max().unwrap_or(0);
        let needed = self.workspace(sentences.len(), longest);
        if words.len() < needed.0 || floats.len() < needed.1 {
            return Err(Error::Workspace { needed });
        }
        let mut steps =
            Steps::new(*self, model.config.special, sentences.len(), longest, words, floats);
        let rows = sentences.len() * self.beam;
        let mut cache = model.cache(b, memory, rows, longest + 1);
        while steps.step(b, model, &mut cache, sentences)? {
            stepped();
        }
        stepped();
        Ok(steps.found())
    }
}

/// Cuts `n` elements off the front; an empty slice if there are fewer.
fn cut<'w, T: Default>(from: &mut &'w mut [T], n: usize) -> &'w mut [T] {
    let (head, tail) = core::mem::take(from).split_at_mut_checked(n).unwrap_or((&mut [], &mut []));
    *from = tail;
    head.fill_with(T::default);
    head
}
