//! Search with an image: batches of sentences, one for each thread, in the arithmetic of a board.

use super::{Hypothesis, SearchOptions, Watch, batch, longest_first};
use a2d_core::micro::{Limits, Model};
use a2d_packed::{Isa, Memory, Packed, Weights};
use a2d_run::model::MOST_LAYERS;
use a2d_system::error::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How an image is computed. The instruction set does not change a translation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arithmetic {
    /// Whether keys and values are rounded to int8.
    pub int8_cache: bool,
    /// The vector instructions.
    pub isa: Isa,
}

impl Arithmetic {
    /// The arithmetic of a device with these limits, with the fastest instructions.
    pub fn of(limits: &Limits) -> Self {
        Self { int8_cache: limits.int8_cache, ..Self::default() }
    }
}

impl Default for Arithmetic {
    fn default() -> Self {
        Self { int8_cache: false, isa: Isa::best() }
    }
}

/// A model in an image, with packed weights.
pub struct PackedModel<'a> {
    /// The model.
    pub model: Model<'a, MOST_LAYERS>,
    /// How it is computed.
    pub arithmetic: Arithmetic,
    weights: Weights<'a>,
}

/// Hypotheses of a batch: the activations of more do not fit the cache of a core.
const ROWS: usize = 64;

impl<'a> PackedModel<'a> {
    /// Packs the weights of a model.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn new(model: Model<'a, MOST_LAYERS>, arithmetic: Arithmetic) -> Result<Self> {
        let weights = Weights::new(&model, arithmetic.isa).map_err(no_memory)?;
        Ok(Self { model, arithmetic, weights })
    }

    /// Translates sentences of token ids, EOS included. Returns the hypotheses of each sentence, best first. `done` is
    /// called with the number of sentences of each finished batch.
    ///
    /// # Errors
    ///
    /// The errors of `done`.
    pub fn search(
        &self,
        sources: &[Vec<u32>],
        options: &SearchOptions,
        done: &Watch<'_>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let order = longest_first(sources);
        let most = (ROWS / options.search.beam).max(1);
        let size = sources.len().div_ceil(rayon::current_num_threads()).clamp(1, most);
        let next = AtomicUsize::new(0);
        let found = rayon::broadcast(|_| {
            let mut session = self.session();
            let mut found = Vec::new();
            while let Some(batch) = order.chunks(size).nth(next.fetch_add(1, Ordering::Relaxed)) {
                let sources: Vec<_> = batch.iter().map(|&i| &sources[i][..]).collect();
                let best = session.search(&sources, options, &mut || {})?;
                found.extend(batch.iter().copied().zip(best));
                done(batch.len())?;
            }
            Ok(found)
        });
        let mut out = vec![Vec::new(); sources.len()];
        for (i, hypotheses) in found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten()
        {
            out[i] = hypotheses;
        }
        Ok(out)
    }

    /// A thread's own part of the search.
    pub(crate) fn session(&self) -> Session<'_> {
        let b = Packed::new(&self.weights).packing(self.arithmetic.int8_cache);
        Session { model: &self.model, b }
    }
}

/// Translates one batch after the other, and reuses the memory of the former activations.
pub(crate) struct Session<'m> {
    model: &'m Model<'m, MOST_LAYERS>,
    b: Packed<'m>,
}

impl Session<'_> {
    /// Translates a batch. `stepped` is called after each step of the search.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn search(
        &mut self,
        sources: &[&[u32]],
        options: &SearchOptions,
        stepped: &mut dyn FnMut(),
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let model = self.model.transformer();
        if let Some(list) = self.model.image().shortlist() {
            self.b.choose(model, list, sources).map_err(no_memory)?;
        }
        batch::search(&mut self.b, model, sources, options, stepped)
    }
}

fn no_memory(e: Memory) -> Error {
    Error::failed(e.to_string())
}
