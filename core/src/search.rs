//! Greedy and beam search with a key-value cache, as fairseq searches, without allocation.
//!
//! What a beam has written is kept as back pointers: the token and the parent of each beam at each step.

use crate::backend::{Allow, Decode, Lost};
use crate::batch::{FIRST_POSITION, Grid, Run, Span, Tokens};
use crate::config::token::EOS;
use crate::nn::{Cache, Transformer};
use crate::shape::Shape;
use core::fmt;

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Hypotheses kept at each step; 1 is greedy.
    pub beam: usize,
    /// A hypothesis of n tokens (EOS included) scores its log-probability over `n ^ length_penalty`.
    pub length_penalty: f32,
    /// Tokens before EOS at least; fairseq's default is 1.
    pub min_length: usize,
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
    /// The device has gone.
    Lost,
}

impl From<Lost> for Error {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace { needed: (words, floats) } => {
                write!(f, "the search needs a workspace of {words} integers and {floats} floats")
            }
            Self::Lost => Lost.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl Search {
    /// The `u32` and `f32` elements that a search over `sentences` of at most `max_length` tokens works in.
    pub const fn workspace(&self, sentences: usize, max_length: usize) -> (usize, usize) {
        let rows = sentences * self.beam;
        let history = 2 * rows * (max_length + 1);
        let step = rows * (4 + Span::WORDS + 2 * self.beam);
        let finished = sentences * (2 * self.beam + 1);
        (history + step + finished, rows * (3 + 2 * self.beam))
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
        let longest = sentences.iter().map(|s| s.max_length).max().unwrap_or(0);
        let needed = self.workspace(sentences.len(), longest);
        if words.len() < needed.0 || floats.len() < needed.1 {
            return Err(Error::Workspace { needed });
        }
        let mut steps = Steps::new(*self, sentences.len(), longest, words, floats);
        let rows = sentences.len() * self.beam;
        let mut cache = model.cache(b, memory, rows, longest + 1);
        while steps.step(b, model, &mut cache, sentences)? {}
        Ok(steps.found())
    }
}

/// A search that is run a token at a time.
pub(crate) struct Steps<'w> {
    state: State<'w>,
    longest: usize,
    /// The step that comes next.
    at: usize,
}

impl<'w> Steps<'w> {
    /// Over workspaces that are large enough, see [`Search::workspace`].
    pub fn new(
        how: Search,
        sentences: usize,
        longest: usize,
        words: &'w mut [u32],
        floats: &'w mut [f32],
    ) -> Self {
        Self { state: State::new(how, sentences, longest, words, floats), longest, at: 0 }
    }

    /// One more token for each live row; whether there is more to do. `cache` has room for `longest + 1` tokens.
    pub fn step<B: Decode, const N: usize>(
        &mut self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        cache: &mut Cache<B::Tensor, N>,
        sentences: &[Sentence],
    ) -> Result<bool, Lost> {
        let (state, at) = (&mut self.state, self.at);
        if state.live == 0 || at > self.longest {
            return Ok(false);
        }
        b.scratch(|b| state.predict(b, model, cache, sentences, at))?;
        state.advance(sentences, at);
        let parents = &state.parent_rows[..state.live];
        for layer in cache.layers.iter_mut() {
            b.select(&mut layer.own.k, parents, cache.capacity, at + 1);
            b.select(&mut layer.own.v, parents, cache.capacity, at + 1);
        }
        self.at += 1;
        Ok(state.live > 0 && self.at <= self.longest)
    }

    /// K
    pub fn beam(&self) -> usize {
        self.state.how.beam
    }

    /// The token that the last step wrote, where one row is alive: with a beam of 1 it is final.
    pub fn newest(&self) -> Option<u32> {
        if self.state.live == 1 { self.state.ids.first().copied() } else { None }
    }

    /// What was found.
    pub fn found(self) -> Found<'w> {
        let State { how, rows, history, finished, .. } = self.state;
        Found { beam: how.beam, rows, history, finished }
    }
}

/// Token and parent of every beam at every step, `[steps, rows]` each. A beam's place is `sentence * K + k`.
struct History<'w> {
    tokens: &'w mut [u32],
    parents: &'w mut [u32],
}

/// Ended hypotheses of each sentence, best first.
struct Finished<'w> {
    counts: &'w mut [u32],
    /// The step at which EOS came.
    steps: &'w mut [u32],
    /// The beam it came to.
    places: &'w mut [u32],
    scores: &'w mut [f32],
}

impl Finished<'_> {
    fn push(&mut self, beam: usize, sentence: usize, score: f32, step: usize, place: u32) {
        let count = self.counts[sentence] as usize;
        let mut at = sentence * beam + count;
        while at > sentence * beam && self.scores[at - 1] < score {
            self.scores[at] = self.scores[at - 1];
            self.steps[at] = self.steps[at - 1];
            self.places[at] = self.places[at - 1];
            at -= 1;
        }
        (self.scores[at], self.steps[at], self.places[at]) = (score, step as u32, place);
        self.counts[sentence] += 1;
    }
}

struct State<'w> {
    how: Search,
    rows: usize,
    /// Rows being decoded, sentence after sentence.
    live: usize,
    history: History<'w>,
    finished: Finished<'w>,
    /// The place of each live row.
    places: &'w mut [u32],
    next_places: &'w mut [u32],
    /// The row that each live row was before the last step.
    parent_rows: &'w mut [u32],
    ids: &'w mut [u32],
    spans: &'w mut [u32],
    /// Of each live row.
    scores: &'w mut [f32],
    next_scores: &'w mut [f32],
    /// The best 2 K of each live row.
    candidates: &'w mut [u32],
    log_probabilities: &'w mut [f32],
}

/// Cuts `n` elements off the front.
fn cut<'w, T: Default>(from: &mut &'w mut [T], n: usize) -> &'w mut [T] {
    let (head, tail) = core::mem::take(from).split_at_mut(n);
    *from = tail;
    head.fill_with(T::default);
    head
}

impl<'w> State<'w> {
    fn new(
        how: Search,
        sentences: usize,
        longest: usize,
        words: &'w mut [u32],
        floats: &'w mut [f32],
    ) -> Self {
        let (mut words, mut floats) = (words, floats);
        let (words, floats) = (&mut words, &mut floats);
        let rows = sentences * how.beam;
        let history = rows * (longest + 1);
        let state = Self {
            how,
            rows,
            live: sentences,
            history: History { tokens: cut(words, history), parents: cut(words, history) },
            finished: Finished {
                counts: cut(words, sentences),
                steps: cut(words, rows),
                places: cut(words, rows),
                scores: cut(floats, rows),
            },
            places: cut(words, rows),
            next_places: cut(words, rows),
            parent_rows: cut(words, rows),
            ids: cut(words, rows),
            spans: cut(words, rows * Span::WORDS),
            scores: cut(floats, rows),
            next_scores: cut(floats, rows),
            candidates: cut(words, rows * 2 * how.beam),
            log_probabilities: cut(floats, rows * 2 * how.beam),
        };
        // The first step has one row for each sentence.
        for (sentence, place) in state.places.iter_mut().take(sentences).enumerate() {
            *place = (sentence * how.beam) as u32;
        }
        state.ids[..sentences].fill(EOS);
        state
    }

    fn sentence(&self, row: usize) -> usize {
        self.places[row] as usize / self.how.beam
    }

    /// A grid of the live rows, one query each, over `keys(row)`.
    fn grid<B: Decode>(&mut self, b: &mut B, keys: impl Fn(&Self, usize) -> Run) -> Grid<B::Index> {
        let (mut area, mut most) = (0, 0);
        for row in 0..self.live {
            let key = keys(self, row);
            let span = Span { query: Run { start: row, len: 1, valid: 1 }, key, before: area };
            area += key.len;
            most = most.max(key.start + key.len);
            self.spans[row * Span::WORDS..][..Span::WORDS].copy_from_slice(&span.encode());
        }
        Grid {
            spans: b.index(&self.spans[..self.live * Span::WORDS]),
            sentences: self.live,
            queries: self.live,
            keys: most,
            area,
            causal: false,
        }
    }

    /// The best continuations of each live row, at step `at`.
    fn predict<B: Decode, const N: usize>(
        &mut self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        cache: &mut Cache<B::Tensor, N>,
        sentences: &[Sentence],
        at: usize,
    ) -> Result<(), Lost> {
        let ids = b.index(&self.ids[..self.live]);
        self.ids[..self.live].fill(FIRST_POSITION + at as u32);
        let positions = b.index(&self.ids[..self.live]);
        let tokens = Tokens { ids, positions, rows: self.live, zero_padding: false };
        let capacity = cache.capacity;
        let own = self.grid(b, |_, row| Run { start: row * capacity, len: at + 1, valid: at + 1 });
        let cross = self.grid(b, |state, row| sentences[state.sentence(row)].memory);
        let hidden = model.step(b, &tokens, cache, &own, &cross, at);
        let logits = model.logits(b, &hidden);
        debug_assert_eq!(
            b.shape(&logits),
            Shape::matrix(self.live, model.config.target_vocabulary)
        );

        let ends = |state: &Self, row: usize| sentences[state.sentence(row)].max_length == at;
        let width = 2 * self.how.beam;
        let must_end = (0..self.live).any(|row| ends(self, row));
        if must_end {
            self.top_k(b, &logits, Allow::OnlyEnd)?;
            for row in 0..self.live {
                self.next_scores[row] = self.log_probabilities[row * width];
            }
        }
        let allow = if at < self.how.min_length { Allow::NoEnd } else { Allow::Any };
        self.top_k(b, &logits, allow)?;
        for row in 0..self.live {
            if ends(self, row) {
                self.log_probabilities[row * width..][..width].fill(f32::NEG_INFINITY);
                self.candidates[row * width] = EOS;
                self.log_probabilities[row * width] = self.next_scores[row];
            }
        }
        Ok(())
    }

    fn top_k<B: Decode>(
        &mut self,
        b: &mut B,
        logits: &B::Tensor,
        allow: Allow,
    ) -> Result<(), Lost> {
        let all = self.live * 2 * self.how.beam;
        b.top_k(logits, allow, &mut self.candidates[..all], &mut self.log_probabilities[..all])
    }

    /// Chooses each sentence's next beams from the candidates, and ends what ended.
    fn advance(&mut self, sentences: &[Sentence], at: usize) {
        let (mut from, mut to) = (0, 0);
        while from < self.live {
            let sentence = self.sentence(from);
            let mut end = from + 1;
            while end < self.live && self.sentence(end) == sentence {
                end += 1;
            }
            let last = sentences[sentence].max_length == at;
            to = self.choose(sentence, from..end, to, at, last);
            from = end;
        }
        self.live = to;
        core::mem::swap(&mut self.places, &mut self.next_places);
        core::mem::swap(&mut self.scores, &mut self.next_scores);
        for row in 0..to {
            self.ids[row] = self.history.tokens[at * self.rows + self.places[row] as usize];
        }
    }

    /// One sentence's part of [`State::advance`]; its new rows begin at `to`. Returns where they end.
    fn choose(
        &mut self,
        sentence: usize,
        rows: core::ops::Range<usize>,
        to: usize,
        at: usize,
        last: bool,
    ) -> usize {
        let beam = self.how.beam;
        let width = 2 * beam;
        let mut kept = 0;
        // Candidates of a row are sorted, so the next best is at the head of some row.
        for rank in 0..width {
            let mut best: Option<(f32, usize)> = None;
            for row in rows.clone() {
                let lp = self.log_probabilities[row * width];
                let score = self.scores[row] + lp;
                if score > best.map_or(f32::NEG_INFINITY, |b| b.0) {
                    best = Some((score, row));
                }
            }
            let Some((score, row)) = best else { break };
            let token = self.candidates[row * width];
            self.drop_head(row);
            if token == EOS {
                if rank < beam && (self.finished.counts[sentence] as usize) < beam {
                    let length = libm::powf((at + 1) as f32, self.how.length_penalty);
                    let place = self.places[row];
                    self.finished.push(beam, sentence, score / length, at, place);
                }
            } else if kept < beam {
                self.keep(sentence, kept, to, at, row, token, score);
                kept += 1;
            }
        }
        if last || self.finished.counts[sentence] as usize >= beam {
            return to;
        }
        // A vocabulary too small to fill the beam: rows that can never be chosen from.
        for k in kept..beam {
            self.keep(sentence, k, to, at, rows.start, EOS, f32::NEG_INFINITY);
        }
        to + beam
    }

    /// Removes a row's best candidate.
    fn drop_head(&mut self, row: usize) {
        let width = 2 * self.how.beam;
        let all = row * width..(row + 1) * width;
        self.candidates.copy_within(all.start + 1..all.end, all.start);
        self.log_probabilities.copy_within(all.start + 1..all.end, all.start);
        self.log_probabilities[all.end - 1] = f32::NEG_INFINITY;
    }

    #[allow(clippy::too_many_arguments)]
    fn keep(
        &mut self,
        sentence: usize,
        k: usize,
        to: usize,
        at: usize,
        row: usize,
        token: u32,
        score: f32,
    ) {
        let place = sentence * self.how.beam + k;
        self.history.tokens[at * self.rows + place] = token;
        self.history.parents[at * self.rows + place] = self.places[row];
        self.next_places[to + k] = place as u32;
        self.next_scores[to + k] = score;
        self.parent_rows[to + k] = row as u32;
    }
}

/// The hypotheses of a search, best first for each sentence.
pub struct Found<'w> {
    beam: usize,
    rows: usize,
    history: History<'w>,
    finished: Finished<'w>,
}

impl Found<'_> {
    /// How many hypotheses `sentence` has, at most K.
    pub fn count(&self, sentence: usize) -> usize {
        self.finished.counts[sentence] as usize
    }

    /// The score of hypothesis `rank` (0 is the best): mean log-probability if the length penalty is 1.
    pub fn score(&self, sentence: usize, rank: usize) -> f32 {
        self.finished.scores[sentence * self.beam + rank]
    }

    /// The number of tokens of hypothesis `rank`, EOS included.
    pub fn length(&self, sentence: usize, rank: usize) -> usize {
        self.finished.steps[sentence * self.beam + rank] as usize + 1
    }

    /// Token `at` of hypothesis `rank`, EOS included; none after its end.
    pub fn token(&self, sentence: usize, rank: usize, at: usize) -> Option<u32> {
        let last = self.length(sentence, rank) - 1;
        if at >= last {
            return (at == last).then_some(EOS);
        }
        let mut place = self.finished.places[sentence * self.beam + rank] as usize;
        for step in (at + 1..last).rev() {
            place = self.history.parents[step * self.rows + place] as usize;
        }
        Some(self.history.tokens[at * self.rows + place])
    }

    /// Writes hypothesis `rank`, EOS included, into `out` (as far as it has room); returns its length.
    pub fn tokens(&self, sentence: usize, rank: usize, out: &mut [u32]) -> usize {
        let length = self.length(sentence, rank);
        let mut place = self.finished.places[sentence * self.beam + rank] as usize;
        for at in (0..length).rev() {
            let token = if at + 1 == length {
                EOS
            } else {
                let here = at * self.rows + place;
                place = self.history.parents[here] as usize;
                self.history.tokens[here]
            };
            if let Some(slot) = out.get_mut(at) {
                *slot = token;
            }
        }
        length
    }
}
