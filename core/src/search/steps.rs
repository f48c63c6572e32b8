//! A search, one step (a token of each row) at a time.

use super::candidates::Candidates;
use super::found::{Ended, Finished, Found, History};
use super::{Error, Search, Sentence, cut};
use crate::allow::{Allow, End};
use crate::backend::Decode;
use crate::batch::{Grid, Run, Span, Tokens};
use crate::config::Special;
use crate::nn::{Cache, Transformer};
use core::ops::Range;

/// A search that runs one step at a time: [`Search::run`] for a caller that shows tokens as they are found.
pub struct Steps<'w> {
    state: State<'w>,
    longest: usize,
    /// The number of the next step.
    at: usize,
}

impl<'w> Steps<'w> {
    /// A search in workspaces of the size [`Search::workspace`]. In smaller ones every step is a fault.
    pub fn new(
        how: Search,
        special: Special,
        sentences: usize,
        longest: usize,
        words: &'w mut [u32],
        floats: &'w mut [f32],
    ) -> Self {
        Self { state: State::new(how, special, sentences, longest, words, floats), longest, at: 0 }
    }

    /// Decodes one more token of each live row. Returns whether steps remain. `cache` has room for `longest + 1`
    /// tokens.
    ///
    /// # Errors
    ///
    /// The workspace is too small, or the device was lost.
    pub fn step<B: Decode, const N: usize>(
        &mut self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        cache: &mut Cache<B::Tensor, N>,
        sentences: &[Sentence],
    ) -> Result<bool, Error> {
        let (state, at) = (&mut self.state, self.at);
        if state.live == 0 || at > self.longest {
            return Ok(false);
        }
        b.scratch(|b| state.predict(b, model, cache, sentences, at))?;
        state.advance(sentences, at)?;
        let parents = state.parents.get(..state.live).ok_or(Error::Fault)?;
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

    /// The token of the last step, if a single possible row is live: with a beam of 1 this token is final.
    pub fn newest(&self) -> Option<u32> {
        let State { live, ids, beams, .. } = &self.state;
        let possible = *live == 1 && beams.scores.first().is_some_and(|x| *x > f32::NEG_INFINITY);
        if possible { ids.first().copied() } else { None }
    }

    /// The results of the search.
    pub fn found(self) -> Found<'w> {
        let State { history, finished, special, .. } = self.state;
        Found { history, finished, eos: special.eos }
    }
}

/// The rows being decoded, one sentence after the other.
struct Beams<'w> {
    /// The place of each row in the [`History`].
    places: &'w mut [u32],
    scores: &'w mut [f32],
}

impl<'w> Beams<'w> {
    fn new(rows: usize, words: &mut &'w mut [u32], floats: &mut &'w mut [f32]) -> Self {
        Self { places: cut(words, rows), scores: cut(floats, rows) }
    }

    fn set(&mut self, row: usize, place: u32, score: f32) -> Option<()> {
        *self.places.get_mut(row)? = place;
        *self.scores.get_mut(row)? = score;
        Some(())
    }
}

/// A continuation of a beam.
#[derive(Clone, Copy)]
struct Choice {
    row: usize,
    token: u32,
    /// The score of the beam with the token.
    score: f32,
}

struct State<'w> {
    how: Search,
    special: Special,
    /// The number of rows being decoded.
    live: usize,
    history: History<'w>,
    finished: Finished<'w>,
    beams: Beams<'w>,
    /// The beams after the step.
    next: Beams<'w>,
    /// The row of each live row's parent before the last step.
    parents: &'w mut [u32],
    /// The last token of each live row.
    ids: &'w mut [u32],
    spans: &'w mut [u32],
    candidates: Candidates<'w>,
}

impl<'w> State<'w> {
    fn new(
        how: Search,
        special: Special,
        sentences: usize,
        longest: usize,
        words: &'w mut [u32],
        floats: &'w mut [f32],
    ) -> Self {
        let (mut words, mut floats) = (words, floats);
        let (words, floats) = (&mut words, &mut floats);
        let rows = sentences * how.beam;
        let state = Self {
            how,
            special,
            live: sentences,
            history: History::new(rows, longest + 1, words),
            finished: Finished::new(how.beam, sentences, words, floats),
            beams: Beams::new(rows, words, floats),
            next: Beams::new(rows, words, floats),
            parents: cut(words, rows),
            ids: cut(words, rows),
            spans: cut(words, rows * Span::WORDS),
            candidates: Candidates::new(special, how.beam, rows, words, floats),
        };
        // The first step has one row for each sentence.
        for (sentence, place) in state.beams.places.iter_mut().take(sentences).enumerate() {
            *place = (sentence * how.beam) as u32;
        }
        state.ids.iter_mut().take(sentences).for_each(|id| *id = special.start);
        state
    }

    fn sentence(&self, row: usize) -> Option<usize> {
        (*self.beams.places.get(row)? as usize).checked_div(self.how.beam)
    }

    /// The sentence of `row`.
    fn of<'s>(&self, row: usize, sentences: &'s [Sentence]) -> Option<&'s Sentence> {
        sentences.get(self.sentence(row)?)
    }

    /// The last tokens of the live rows, the input of step `at`.
    fn tokens<B: Decode>(&mut self, b: &mut B, at: usize) -> Option<Tokens<B::Index>> {
        let rows = self.live;
        let words = self.ids.get_mut(..rows)?;
        let ids = b.index(words);
        words.fill(at as u32);
        Some(Tokens {
            ids,
            positions: b.index(words),
            rows,
            types: None,
            zero_padding: false,
            first: 0,
        })
    }

    /// A grid with one query for each live row, over `keys(row)`.
    fn grid<B: Decode>(
        &mut self,
        b: &mut B,
        keys: impl Fn(&Self, usize) -> Option<Run>,
    ) -> Option<Grid<B::Index>> {
        let (mut area, mut most, live) = (0, 0, self.live);
        for row in 0..live {
            let key = keys(self, row)?;
            let span = Span { query: Run { start: row, len: 1, valid: 1 }, key, before: area };
            area += key.len;
            most = most.max(key.start + key.len);
            *self.spans.as_chunks_mut().0.get_mut(row)? = span.encode();
        }
        let spans = b.index(self.spans.get(..live * Span::WORDS)?);
        Some(Grid {
            spans,
            sentences: live,
            queries: live,
            keys: most,
            area,
            causal: false,
            first: 0,
        })
    }

    /// Computes the best continuations of each live row, at step `at`.
    fn predict<B: Decode, const N: usize>(
        &mut self,
        b: &mut B,
        model: &Transformer<B::Param, N>,
        cache: &mut Cache<B::Tensor, N>,
        sentences: &[Sentence],
        at: usize,
    ) -> Result<(), Error> {
        let (live, capacity) = (self.live, cache.capacity);
        let own = |_: &Self, row| Some(Run { start: row * capacity, len: at + 1, valid: at + 1 });
        let cross = |state: &Self, row| Some(state.of(row, sentences)?.memory);
        let tokens = self.tokens(b, at).ok_or(Error::Fault)?;
        let own = self.grid(b, own).ok_or(Error::Fault)?;
        let cross = self.grid(b, cross).ok_or(Error::Fault)?;
        let hidden = model.step(b, &tokens, cache, &own, &cross, at);
        b.rows_of((0..live).filter_map(|row| self.sentence(row)));
        let logits = model.logits(b, &hidden);

        let ends = |state: &Self, row| state.of(row, sentences).is_some_and(|s| s.max_length == at);
        if (0..live).any(|row| ends(self, row)) {
            self.candidates.fill(b, &logits, self.allow(End::Must), live)?;
            self.keep_ends().ok_or(Error::Fault)?;
        }
        let end = if at < self.how.min_length { End::Not } else { End::May };
        self.candidates.fill(b, &logits, self.allow(end), live)?;
        for row in 0..live {
            if ends(self, row) {
                self.only_end(row).ok_or(Error::Fault)?;
            }
        }
        Ok(())
    }

    fn allow(&self, end: End) -> Allow {
        Allow { special: self.special, end, forbidden: self.how.forbidden }
    }

    /// Stores the log-probability of EOS of each row in the scores of the next beams.
    fn keep_ends(&mut self) -> Option<()> {
        for (row, kept) in self.next.scores.get_mut(..self.live)?.iter_mut().enumerate() {
            *kept = self.candidates.head(row)?.log_probability;
        }
        Some(())
    }

    fn only_end(&mut self, row: usize) -> Option<()> {
        self.candidates.only_end(row, *self.next.scores.get(row)?)
    }

    /// Chooses each sentence's next beams from the candidates, and collects ended hypotheses.
    // Out of line: for size.
    #[inline(never)]
    fn advance(&mut self, sentences: &[Sentence], at: usize) -> Result<(), Error> {
        let (mut from, mut to) = (0, 0);
        while from < self.live {
            let sentence = self.sentence(from).ok_or(Error::Fault)?;
            let other = |row: &usize| self.sentence(*row) != Some(sentence);
            let end = (from + 1..self.live).find(other).unwrap_or(self.live);
            let last = sentences.get(sentence).ok_or(Error::Fault)?.max_length == at;
            to = self.choose(sentence, from..end, to, at, last)?;
            from = end;
        }
        self.live = to;
        core::mem::swap(&mut self.beams, &mut self.next);
        self.write_ids(at).ok_or(Error::Fault)
    }

    fn write_ids(&mut self, at: usize) -> Option<()> {
        let ids = self.ids.get_mut(..self.live)?;
        for (id, place) in ids.iter_mut().zip(self.beams.places.get(..self.live)?) {
            *id = self.history.get(at, *place)?.0;
        }
        Some(())
    }

    /// [`State::advance`] for one sentence, whose new rows begin at `to`. Returns the end of its new rows.
    fn choose(
        &mut self,
        sentence: usize,
        rows: Range<usize>,
        to: usize,
        at: usize,
        last: bool,
    ) -> Result<usize, Error> {
        let (beam, eos, mut kept) = (self.how.beam, self.special.eos, 0);
        for rank in 0..2 * beam {
            let Some(best) = self.best(rows.clone())? else { break };
            self.candidates.drop_head(best.row).ok_or(Error::Fault)?;
            if best.token != eos && kept < beam {
                self.keep(sentence, kept, to, at, best).ok_or(Error::Fault)?;
                kept += 1;
            } else if best.token == eos && rank < beam && !self.full(sentence)? {
                self.end(sentence, at, best).ok_or(Error::Fault)?;
            }
        }
        if last || self.full(sentence)? {
            return Ok(to);
        }
        // The vocabulary is too small to fill the beam: these rows have probability 0.
        let never = Choice { row: rows.start, token: eos, score: f32::NEG_INFINITY };
        for k in kept..beam {
            self.keep(sentence, k, to, at, never).ok_or(Error::Fault)?;
        }
        Ok(to + beam)
    }

    /// Whether K hypotheses of a sentence have ended.
    fn full(&self, sentence: usize) -> Result<bool, Error> {
        let count = self.finished.count(sentence).ok_or(Error::Fault)?;
        Ok(count >= self.how.beam)
    }

    /// The best remaining candidate of some rows.
    fn best(&self, rows: Range<usize>) -> Result<Option<Choice>, Error> {
        let scores = self.beams.scores.get(rows.clone()).ok_or(Error::Fault)?;
        let mut best: Option<Choice> = None;
        for (row, score) in rows.zip(scores) {
            let head = self.candidates.head(row).ok_or(Error::Fault)?;
            let score = score + head.log_probability;
            if score > best.map_or(f32::NEG_INFINITY, |best| best.score) {
                best = Some(Choice { row, token: head.token, score });
            }
        }
        Ok(best)
    }

    /// Adds the ended hypothesis of `choice` to the results.
    fn end(&mut self, sentence: usize, at: usize, choice: Choice) -> Option<()> {
        let length = libm::powf((at + 1) as f32, self.how.length_penalty);
        let place = *self.beams.places.get(choice.row)?;
        let ended = Ended { score: choice.score / length, step: at as u32, place };
        self.finished.push(sentence, ended)
    }

    /// Makes `choice` beam `k` of the sentence after this step; the sentence's rows begin at `to`.
    fn keep(
        &mut self,
        sentence: usize,
        k: usize,
        to: usize,
        at: usize,
        choice: Choice,
    ) -> Option<()> {
        let place = (sentence * self.how.beam + k) as u32;
        let parent = *self.beams.places.get(choice.row)?;
        self.history.set(at, place, choice.token, parent)?;
        self.next.set(to + k, place, choice.score)?;
        *self.parents.get_mut(to + k)? = choice.row as u32;
        Some(())
    }
}
