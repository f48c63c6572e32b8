//! A translation in steps.

use crate::backend::Packed;
use crate::source::{grid, tokens};
use crate::tensor::Tensor;
use a2d_core::allow::Forbidden;
use a2d_core::batch::Grid;
use a2d_core::micro::{Error, Model};
use a2d_core::nn::Cache;
use a2d_core::search::{Found, Search, Sentence, Steps};
use a2d_core::token::Vocabulary;
use alloc::rc::Rc;
use alloc::vec;
use core::mem;
use core::task::Poll;

/// The inputs of a translation.
pub(crate) struct Begin<'t> {
    pub beam: usize,
    pub length_penalty: f32,
    pub sentence: Sentence,
    /// Whether the source was cut.
    pub cut: bool,
    /// The workspace of the search.
    pub words: &'t mut [u32],
    pub floats: &'t mut [f32],
}

/// A translation in progress, see [`a2d_core::micro::Job`].
pub struct Job<'t, 'w, const N: usize> {
    model: &'w Model<'w, N>,
    backend: &'t mut Packed<'w>,
    sentence: Sentence,
    state: State<'t, N>,
    /// The number of tokens that [`Job::poll`] has returned.
    told: usize,
    greedy: bool,
    cut: bool,
}

/// The state of a translation.
#[allow(clippy::large_enum_variant)] // a single value
enum State<'t, const N: usize> {
    /// Next: layer `layer` of the encoder, over `x`; after the last layer, the caches.
    Encode { steps: Steps<'t>, x: Tensor, grid: Grid<Rc<[u32]>>, layer: usize },
    /// Next: a step of the decoder.
    Write { steps: Steps<'t>, cache: Cache<Tensor, N> },
    /// The search is complete.
    Found(Found<'t>),
    /// All tokens were returned.
    Told,
}

impl<'t, 'w, const N: usize> Job<'t, 'w, N> {
    /// Embeds a source without EOS.
    pub(crate) fn new(
        model: &'w Model<'w, N>,
        backend: &'t mut Packed<'w>,
        source: &[u32],
        begin: Begin<'t>,
    ) -> Result<Self, Error> {
        let Begin { beam, length_penalty, sentence, cut, words, floats } = begin;
        let (special, longest) = (model.config().special, sentence.max_length);
        let state = if source.is_empty() {
            State::Told
        } else {
            let forbidden = model.target().map_or(Forbidden::NONE, Vocabulary::forbidden);
            let how = Search { beam, length_penalty, forbidden, ..Search::GREEDY };
            let steps = Steps::new(how, special, 1, longest, words, floats);
            let ids = [source, &[special.eos]].concat();
            if let Some(list) = model.image().shortlist() {
                backend.choose(model.transformer(), list, &[&ids])?;
            }
            let tokens = tokens(backend, &ids);
            let x = model.transformer().encoder.begin(backend, &tokens);
            let grid = grid(backend, sentence.memory, sentence.memory);
            State::Encode { steps, x, grid, layer: 0 }
        };
        Ok(Self { model, backend, sentence, state, told: 0, greedy: beam == 1, cut })
    }

    /// Runs one step: a layer of the encoder, or a step of the decoder.
    ///
    /// `Ready(Some(token))` is the next token, `Ready(None)` the end. With a beam of 1, each token is returned in its
    /// own step, otherwise all tokens after the last step.
    ///
    /// # Errors
    ///
    /// The weights contain NaN.
    pub fn poll(&mut self) -> Result<Poll<Option<u32>>, Error> {
        if let State::Write { steps, cache } = &mut self.state {
            let (model, sentences) = (self.model.transformer(), [self.sentence]);
            let more = steps.step(self.backend, model, cache, &sentences);
            let newest = steps.newest().filter(|_| self.greedy);
            if more.map_err(|_| Error::Fault)? {
                self.told += usize::from(newest.is_some());
                return Ok(newest.map_or(Poll::Pending, |token| Poll::Ready(Some(token))));
            }
        }
        match mem::replace(&mut self.state, State::Told) {
            State::Encode { steps, x, grid, layer } => {
                self.state = self.encode(steps, x, grid, layer);
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

    /// The text of the best hypothesis; empty if [`Job::found`] is `None`.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or `out` is too short.
    pub fn text<'o>(&self, out: &'o mut [u8]) -> Result<&'o str, Error> {
        let vocabulary = self.model.target().ok_or(Error::Tokenizer)?;
        let Some(found) = self.found() else { return Ok("") };
        let mut tokens = vec![0; found.length(0, 0)];
        found.tokens(0, 0, &mut tokens);
        tokens.pop(); // EOS
        let len = vocabulary.decode(&tokens, out)?;
        core::str::from_utf8(&out[..len]).map_err(|_| Error::Fault)
    }

    /// Whether the source was cut.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// A layer of the encoder or, after the last, the caches of the decoder.
    fn encode(
        &mut self,
        steps: Steps<'t>,
        x: Tensor,
        grid: Grid<Rc<[u32]>>,
        layer: usize,
    ) -> State<'t, N> {
        let (model, b) = (self.model.transformer(), &mut *self.backend);
        match model.encoder.layer(b, layer, x, &grid) {
            Ok(x) => State::Encode { steps, x, grid, layer: layer + 1 },
            Err(x) => {
                let memory = model.encoder.end(b, x);
                let capacity = self.sentence.max_length + 1;
                let cache = model.cache(b, &memory, steps.beam(), capacity);
                State::Write { steps, cache }
            }
        }
    }

    /// The next token of the best hypothesis.
    fn tell(&mut self, found: Found<'t>) -> Option<u32> {
        let eos = self.model.config().special.eos;
        let token = found.token(0, 0, self.told).filter(|token| *token != eos);
        self.told += 1;
        if token.is_some() {
            self.state = State::Found(found);
        }
        token
    }
}
