//! Greedy and beam search with a key-value cache, as fairseq searches, without allocation.
//!
//! What a beam has written is kept as back pointers: the token and the parent of each beam at each step. Nothing here
//! indexes: what would lie outside the workspace is an error, which a correct search never meets.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod candidates;
mod found;
mod steps;

pub use found::Found;
pub(crate) use steps::Steps;

use crate::allow::Forbidden;
use crate::backend::{Decode, Lost};
use crate::batch::{Run, Span};
use crate::nn::Transformer;
use core::fmt;

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Hypotheses kept at each step, at least 1; 1 is greedy.
    pub beam: usize,
    /// A hypothesis of n tokens (EOS included) scores its log-probability over `n ^ length_penalty`.
    pub length_penalty: f32,
    /// Tokens before EOS at least; fairseq's default is 1.
    pub min_length: usize,
    /// What no hypothesis has among its tokens.
    pub forbidden: Forbidden,
}

/// One sentence to translate.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    /// Its rows of the memory.
    pub memory: Run,
    /// Tokens before EOS at most; at least 1. Where it is below [`Search::min_length`], it wins.
    pub max_length: usize,
}

/// Why a search could not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The workspace is too small.
    Workspace {
        /// Words of `u32` and of `f32` needed, see [`Search::workspace`].
        needed: (usize, usize),
    },
    /// The device was lost.
    Lost(Lost),
    /// A beam of 0, or a step outside its workspace: a bug.
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
    /// One hypothesis, length penalty 1, one token before EOS at least, none forbidden.
    pub const GREEDY: Self =
        Self { beam: 1, length_penalty: 1.0, min_length: 1, forbidden: Forbidden::NONE };

    /// The `u32` and `f32` elements that a search over `sentences` of at most `max_length` tokens works in.
    pub const fn workspace(&self, sentences: usize, max_length: usize) -> (usize, usize) {
        let (rows, width) = (sentences.saturating_mul(self.beam), self.beam.saturating_mul(2));
        let history = rows.saturating_mul(2).saturating_mul(max_length.saturating_add(1));
        let step = rows.saturating_mul(width.saturating_add(4 + Span::WORDS));
        let finished = sentences.saturating_mul(width.saturating_add(1));
        let words = history.saturating_add(step).saturating_add(finished);
        (words, rows.saturating_mul(width.saturating_add(3)))
    }

    /// Translates `sentences` over `memory` `[N, D]`, the encoder's output. The result lies in `words` and `floats`.
    pub fn run<'w, B: Decode, const N: usize>(
        &self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        memory: &B::Tensor,
        sentences: &[Sentence],
        words: &'w mut [u32],
        floats: &'w mut [f32],
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
        while steps.step(b, model, &mut cache, sentences)? {}
        Ok(steps.found())
    }
}

/// Cuts `n` elements off the front; none where there are fewer.
fn cut<'w, T: Default>(from: &mut &'w mut [T], n: usize) -> &'w mut [T] {
    let (head, tail) = core::mem::take(from).split_at_mut_checked(n).unwrap_or((&mut [], &mut []));
    *from = tail;
    head.fill_with(T::default);
    head
}
