//! A translation in steps.

use super::backend::{Micro, Parameter};
use super::compute::Compute;
use super::encoding::{Encoding, Read};
use super::error::Error;
use super::memory::{Slot, integers};
use super::model::Model;
use super::need::Limits;
use crate::allow::Forbidden;
use crate::image::Shortlist;
use crate::nn::{Cache, Transformer};
use crate::search::{Found, Search, Sentence, Steps};
use crate::token::Vocabulary;
use core::mem;
use core::task::Poll;

/// The inputs of a translation.
pub(super) struct Begin<'t> {
    pub limits: Limits,
    pub length_penalty: f32,
    pub sentence: Sentence,
    /// Whether the source was cut.
    pub cut: bool,
    /// The whole arena. The source, EOS included, is behind the workspace of the search and the scores.
    pub words: &'t mut [f32],
    pub compute: &'t dyn Compute,
}

/// A translation in progress.
pub struct Job<'t, 'a, const N: usize> {
    micro: Micro<'t, 'a>,
    transformer: &'t Transformer<Parameter, N>,
    vocabulary: Option<&'t Vocabulary<'a>>,
    shortlist: Option<&'t Shortlist<'a>>,
    sentence: Sentence,
    state: State<'t, N>,
    /// The number of tokens that [`Job::poll`] has returned.
    told: usize,
    greedy: bool,
    cut: bool,
}

/// The state of a translation.
#[allow(clippy::large_enum_variant)] // a single value, on the stack
enum State<'t, const N: usize> {
    /// Next: embed the source.
    Read { steps: Steps<'t> },
    /// Next: a layer of the encoder; after the last layer, the caches.
    Encode { steps: Steps<'t>, encoding: Encoding },
    /// Next: a step of the decoder.
    Write { steps: Steps<'t>, cache: Cache<Slot, N> },
    /// The search is complete.
    Found(Found<'t>),
    /// All tokens were returned.
    Told,
}

impl<'t, 'a, const N: usize> Job<'t, 'a, N> {
    /// A job in an arena of sufficient size.
    pub(super) fn new(model: &'t Model<'a, N>, begin: Begin<'t>) -> Result<Self, Error> {
        let Begin { limits, length_penalty, sentence, cut, words, compute } = begin;
        let (ints, floats) = limits.workspace();
        let (ints, rest) = words.split_at_mut_checked(ints).ok_or(Error::Fault)?;
        let (floats, rest) = rest.split_at_mut_checked(floats).ok_or(Error::Fault)?;
        let micro = Micro::over(rest, limits.keys(), model.image().weights())?;
        let micro = micro.packing(limits.int8_cache).computing(compute);
        let state = if sentence.memory.len == 1 {
            State::Told // only EOS
        } else {
            let forbidden = model.target().map_or(Forbidden::NONE, Vocabulary::forbidden);
            let how = Search { beam: limits.beam, length_penalty, forbidden, ..Search::GREEDY };
            let (special, longest) = (model.config().special, sentence.max_length);
            State::Read { steps: Steps::new(how, special, 1, longest, integers(ints)?, floats) }
        };
        let (transformer, vocabulary) = (model.transformer(), model.target());
        let greedy = limits.beam == 1;
        let shortlist = model.image().shortlist();
        Ok(Self {
            micro,
            transformer,
            vocabulary,
            shortlist,
            sentence,
            state,
            told: 0,
            greedy,
            cut,
        })
    }

    /// Runs one step: a layer of the encoder, or a step of the decoder.
    ///
    /// `Ready(Some(token))` is the next token, `Ready(None)` the end. With a beam of 1, each token is returned in its
    /// own step, otherwise all tokens after the last step. [`Vocabulary::stream`] converts tokens to text one by one.
    ///
    /// # Errors
    ///
    /// The weights contain NaN.
    // Out of line, as is `read`: for size.
    #[inline(never)]
    pub fn poll(&mut self) -> Result<Poll<Option<u32>>, Error> {
        // In place where possible, as states are large to move.
        if let State::Encode { encoding, .. } = &mut self.state {
            let goes_on = encoding.step(&mut self.micro, &self.transformer.encoder);
            if self.go_on(Ok(goes_on))? {
                return Ok(Poll::Pending);
            }
        }
        if let State::Write { steps, cache } = &mut self.state {
            let sentences = [self.sentence];
            let more = steps.step(&mut self.micro, self.transformer, cache, &sentences);
            let newest = steps.newest().filter(|_| self.greedy);
            if self.go_on(more.map_err(|_| Error::Fault))? {
                self.told += usize::from(newest.is_some());
                return Ok(newest.map_or(Poll::Pending, |token| Poll::Ready(Some(token))));
            }
        }
        match mem::replace(&mut self.state, State::Told) {
            State::Read { steps } => {
                self.state = self.read(steps)?;
                Ok(Poll::Pending)
            }
            State::Encode { steps, mut encoding } => {
                self.state = self.remember(steps, &mut encoding)?;
                Ok(Poll::Pending)
            }
            State::Write { steps, .. } => {
                let found = steps.found();
                if found.count(0) == 0 {
                    return Err(Error::Nothing);
                }
                self.state = State::Found(found);
                Ok(Poll::Pending)
            }
            State::Found(found) => Ok(Poll::Ready(self.tell(found))),
            State::Told => Ok(Poll::Ready(None)),
        }
    }

    /// Returns whether steps remain; after a fault or an error, ends the job.
    fn go_on(&mut self, more: Result<bool, Error>) -> Result<bool, Error> {
        let more = self.micro.fault().map_or(more, Err);
        if more.is_err() {
            self.state = State::Told;
        }
        more
    }

    /// Runs all remaining steps.
    ///
    /// # Errors
    ///
    /// The weights contain NaN.
    pub fn finish(&mut self) -> Result<(), Error> {
        // A later [`Job::poll`] returns all tokens.
        let told = self.told;
        while !matches!(self.state, State::Found(_) | State::Told) {
            let _ = self.poll()?;
        }
        self.told = told;
        Ok(())
    }

    /// All hypotheses of the sentence (number 0), once the search is complete and until [`Job::poll`] has returned the
    /// last token. `None` for an empty sentence.
    pub fn found(&self) -> Option<&Found<'t>> {
        match &self.state {
            State::Found(found) => Some(found),
            _ => None,
        }
    }

    /// The number of tokens of the best hypothesis, without EOS; 0 if [`Job::found`] is `None`.
    pub fn length(&self) -> usize {
        self.found().map_or(0, |found| found.length(0, 0).saturating_sub(1))
    }

    /// The score of the best hypothesis; 0 if [`Job::found`] is `None`.
    pub fn score(&self) -> f32 {
        self.found().map_or(0.0, |found| found.score(0, 0))
    }

    /// The text of the best hypothesis; empty if [`Job::found`] is `None`.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or `out` is too short.
    pub fn text<'o>(&mut self, out: &'o mut [u8]) -> Result<&'o str, Error> {
        let vocabulary = self.vocabulary.ok_or(Error::Tokenizer)?;
        let State::Found(found) = &self.state else { return Ok("") };
        // The caches are no longer needed, so their memory is free.
        self.micro.arena.reset(0);
        let length = found.length(0, 0).saturating_sub(1);
        let eos = self.transformer.config.special.eos;
        let token = |at| found.token(0, 0, at).unwrap_or(eos);
        let tokens = self.micro.arena.list(length, token).ok_or(Error::Fault)?;
        let tokens = self.micro.arena.integers(&tokens).ok_or(Error::Fault)?;
        let len = vocabulary.decode(tokens, out)?;
        let text = out.get(..len).ok_or(Error::Fault)?;
        core::str::from_utf8(text).map_err(|_| Error::Fault)
    }

    /// Whether the source was cut.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The peak number of bytes of the arena in use by backend and search.
    pub fn peak(&self, limits: &Limits) -> usize {
        let (ints, floats) = limits.workspace();
        let words = ints.saturating_add(floats);
        words.saturating_mul(size_of::<f32>()).saturating_add(self.micro.peak())
    }

    /// Embeds the source, and computes its shortlist.
    #[inline(never)]
    fn read(&mut self, steps: Steps<'t>) -> Result<State<'t, N>, Error> {
        let micro = &mut self.micro;
        let read = Read::new(micro, self.sentence.memory)?;
        if let Some(list) = self.shortlist {
            micro.choose(list, &read.tokens.ids, self.transformer.config.target_vocabulary);
        }
        let encoding = Encoding::new(micro, &self.transformer.encoder, read);
        self.sound(State::Encode { steps, encoding })
    }

    /// Computes the caches from the output of the encoder.
    fn remember(
        &mut self,
        steps: Steps<'t>,
        encoding: &mut Encoding,
    ) -> Result<State<'t, N>, Error> {
        let (micro, model) = (&mut self.micro, self.transformer);
        let memory = encoding.end(micro, &model.encoder)?;
        let cache = model.cache(micro, &memory, steps.beam(), self.sentence.max_length + 1);
        self.sound(State::Write { steps, cache })
    }

    /// The next state, or the backend's fault.
    fn sound(&self, state: State<'t, N>) -> Result<State<'t, N>, Error> {
        self.micro.fault().map_or(Ok(state), Err)
    }

    /// The next token of the best hypothesis.
    fn tell(&mut self, found: Found<'t>) -> Option<u32> {
        let eos = self.transformer.config.special.eos;
        let token = found.token(0, 0, self.told).filter(|token| *token != eos);
        self.told += 1;
        if token.is_some() {
            self.state = State::Found(found);
        }
        token
    }
}
