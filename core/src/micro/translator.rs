//! Tokens to tokens.

use super::arena::Slot;
use super::backend::{Micro, words};
use super::error::Error;
use super::model::Model;
use super::need::{Limits, arena_bytes};
use crate::batch::{FIRST_POSITION, Grid, Run, Span, Tokens};
use crate::config::token::EOS;
use crate::image::Weight;
use crate::nn::{Cache, Transformer};
use crate::search::{Found, Search, Sentence, Steps};
use core::mem;
use core::task::Poll;
use zerocopy::{FromBytes, IntoBytes};

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

impl Default for Options {
    /// What `host translate` does: penalty 1, `1.2 n + 10` tokens; sentences that are too long are refused.
    fn default() -> Self {
        Self { length_penalty: 1.0, max_length_a: 1.2, max_length_b: 10.0, cut: false }
    }
}

/// Translates one sentence after the other in one arena.
pub struct Translator<'m, 'a, const N: usize = 6> {
    model: &'m Model<'a, N>,
    words: &'m mut [f32],
    limits: Limits,
    options: Options,
}

/// What a translation came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Its tokens, the end of the sentence not counted.
    pub length: usize,
    /// Log-probability over length to the length penalty; 0 for an empty sentence.
    pub score: f32,
    /// Whether the source was cut.
    pub cut: bool,
}

impl<'m, 'a, const N: usize> Translator<'m, 'a, N> {
    /// With all working memory in `arena`, which 4 bytes align and which has [`arena_bytes`].
    ///
    /// Errors: a limit is 0, the arena is misaligned or too small.
    pub fn new(
        model: &'m Model<'a, N>,
        arena: &'m mut [u8],
        limits: Limits,
        options: Options,
    ) -> Result<Self, Error> {
        if limits.source == 0 || limits.target == 0 || limits.beam == 0 {
            return Err(Error::Limits);
        }
        let needed = arena_bytes(model.config(), model.quantised(), &limits);
        let missing = needed.saturating_sub(arena.len());
        let words = words(arena)?;
        if missing > 0 {
            return Err(Error::Arena { missing });
        }
        Ok(Self { model, words, limits, options })
    }

    /// Translates `source` (without an end of the sentence) into `out`; an empty one to nothing.
    ///
    /// Errors: it is too long, has a foreign token, or its translation has no room in `out`.
    pub fn translate(&mut self, source: &[u32], out: &mut [u32]) -> Result<Done, Error> {
        let mut job = self.start(source)?;
        let cut = job.cut;
        job.finish()?;
        let Some(found) = job.found() else { return Ok(Done { length: 0, score: 0.0, cut }) };
        let length = found.length(0, 0).saturating_sub(1);
        let out = out.get_mut(..length).ok_or(Error::Output { needed: length })?;
        found.tokens(0, 0, out);
        Ok(Done { length, score: found.score(0, 0), cut })
    }

    /// Begins to translate `source`; [`Job::poll`] goes on.
    ///
    /// Errors: it is too long, or has a foreign token.
    pub fn start(&mut self, source: &[u32]) -> Result<Job<'_, 'a, N>, Error> {
        let (source, cut) = self.fitting(source)?;
        let (ints, floats) = self.limits.workspace();
        let (ints, rest) = self.words.split_at_mut_checked(ints).ok_or(Error::Fault)?;
        let ints = <[u32]>::mut_from_bytes(ints.as_mut_bytes()).map_err(|_| Error::Fault)?;
        let (floats, rest) = rest.split_at_mut_checked(floats).ok_or(Error::Fault)?;
        let mut micro = Micro::over(rest, self.limits.keys())?;
        let length = source.len() + 1;
        let longest = self.options.max_length_a * length as f64 + self.options.max_length_b;
        let sentence = Sentence {
            memory: Run { start: 0, len: length, valid: length },
            max_length: (longest as usize).clamp(1, self.limits.target),
        };
        let state = if source.is_empty() {
            State::Told
        } else {
            let how = Search {
                beam: self.limits.beam,
                length_penalty: self.options.length_penalty,
                min_length: 1,
            };
            let steps = Steps::new(how, 1, sentence.max_length, ints, floats);
            State::Read { tokens: tokens(&mut micro, source), steps }
        };
        let transformer = &self.model.transformer;
        let greedy = self.limits.beam == 1;
        Ok(Job { micro, transformer, sentence, state, told: 0, greedy, cut })
    }

    /// The part of a sentence that is translated, and whether it was cut.
    fn fitting<'s>(&self, source: &'s [u32]) -> Result<(&'s [u32], bool), Error> {
        let (found, most) = (source.len().saturating_add(1), self.limits.source);
        let long = found > most;
        if long && !self.options.cut {
            return Err(Error::TooLong { found, most });
        }
        let source = source.get(..most.saturating_sub(1)).filter(|_| long).unwrap_or(source);
        let vocabulary = self.model.config().source_vocabulary;
        match source.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(Error::Token { id: *id }),
            None => Ok((source, long)),
        }
    }
}

/// The source where the encoder reads it.
fn tokens(micro: &mut Micro<'_, '_>, source: &[u32]) -> Tokens<super::Words> {
    let rows = source.len() + 1;
    Tokens {
        ids: micro.list(rows, |i| source.get(i).copied().unwrap_or(EOS)),
        positions: micro.list(rows, |i| FIRST_POSITION.saturating_add(i as u32)),
        rows,
        zero_padding: true,
    }
}

/// A translation under way.
pub struct Job<'t, 'a, const N: usize> {
    micro: Micro<'t, 'a>,
    transformer: &'t Transformer<Weight<'a>, N>,
    sentence: Sentence,
    state: State<'t, N>,
    /// Tokens that [`Job::poll`] gave.
    told: usize,
    greedy: bool,
    cut: bool,
}

/// How far a translation is.
#[allow(clippy::large_enum_variant)] // one lives, on the stack
enum State<'t, const N: usize> {
    /// The encoder comes next.
    Read { tokens: Tokens<super::Words>, steps: Steps<'t> },
    /// A step of the decoder comes next.
    Write { steps: Steps<'t>, cache: Cache<Slot, N> },
    /// All is found.
    Found(Found<'t>),
    /// There is nothing more.
    Told,
}

impl<'t, const N: usize> Job<'t, '_, N> {
    /// Does one piece of work: the encoder first, then a step of the decoder each time.
    ///
    /// `Ready(Some(token))` is the next token, `Ready(None)` the end. With a beam of 1 tokens come as they are found,
    /// otherwise all of them after the last step.
    ///
    /// Errors: the weights are no numbers.
    pub fn poll(&mut self) -> Result<Poll<Option<u32>>, Error> {
        match mem::replace(&mut self.state, State::Told) {
            State::Read { tokens, steps } => {
                self.state = self.read(&tokens, steps)?;
                Ok(Poll::Pending)
            }
            State::Write { steps, cache } => self.write(steps, cache),
            State::Found(found) => Ok(Poll::Ready(self.tell(found))),
            State::Told => Ok(Poll::Ready(None)),
        }
    }

    /// Works until all is found.
    ///
    /// Errors: the weights are no numbers.
    pub fn finish(&mut self) -> Result<(), Error> {
        while matches!(self.state, State::Read { .. } | State::Write { .. }) {
            let _ = self.poll()?;
        }
        Ok(())
    }

    /// All hypotheses of the one sentence (number 0), once they are found; none of an empty sentence.
    pub fn found(&self) -> Option<&Found<'t>> {
        match &self.state {
            State::Found(found) => Some(found),
            _ => None,
        }
    }

    /// Whether the source was cut.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The most bytes of the arena that backend and search had in use at once.
    pub fn peak(&self, limits: &Limits) -> usize {
        let (ints, floats) = limits.workspace();
        (ints + floats) * size_of::<f32>() + self.micro.peak()
    }

    /// Encodes, and makes the caches.
    fn read(
        &mut self,
        tokens: &Tokens<super::Words>,
        steps: Steps<'t>,
    ) -> Result<State<'t, N>, Error> {
        let (micro, rows) = (&mut self.micro, tokens.rows);
        let run = self.sentence.memory;
        let span = Span { query: run, key: run, before: 0 }.encode();
        let spans = micro.list(span.len(), |i| span.get(i).copied().unwrap_or_default());
        let area = rows.saturating_mul(rows);
        let grid = Grid { spans, sentences: 1, queries: rows, keys: rows, area, causal: false };
        let memory = self.transformer.encode(micro, tokens, &grid, &mut ());
        let (beam, longest) = (steps.beam(), self.sentence.max_length);
        let cache = self.transformer.cache(micro, &memory, beam, longest + 1);
        match micro.fault() {
            Some(fault) => Err(fault),
            None => Ok(State::Write { steps, cache }),
        }
    }

    fn write(
        &mut self,
        mut steps: Steps<'t>,
        mut cache: Cache<Slot, N>,
    ) -> Result<Poll<Option<u32>>, Error> {
        let sentences = [self.sentence];
        let more = steps.step(&mut self.micro, self.transformer, &mut cache, &sentences);
        if let Some(fault) = self.micro.fault() {
            return Err(fault);
        }
        if more.map_err(|_| Error::Fault)? {
            let newest = steps.newest().filter(|_| self.greedy);
            self.state = State::Write { steps, cache };
            self.told += usize::from(newest.is_some());
            return Ok(newest.map_or(Poll::Pending, |token| Poll::Ready(Some(token))));
        }
        let found = steps.found();
        if found.count(0) == 0 {
            return Err(Error::Nothing);
        }
        self.state = State::Found(found);
        Ok(Poll::Pending)
    }

    /// The next token of what was found.
    fn tell(&mut self, found: Found<'t>) -> Option<u32> {
        let token = found.token(0, 0, self.told).filter(|token| *token != EOS);
        self.told += 1;
        if token.is_some() {
            self.state = State::Found(found);
        }
        token
    }
}
