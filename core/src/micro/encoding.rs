//! The encoder's part of a job: one layer a step.

use super::backend::{Micro, Parameter};
use super::error::Error;
use super::memory::{Slot, Words};
use crate::batch::{Grid, Run, Span, Tokens};
use crate::nn::Encoder;

/// A source on its way through the layers of the encoder.
pub(super) struct Encoding {
    x: Option<Slot>,
    grid: Grid<Words>,
    layer: usize,
}

/// The tokens of a source at the front of the arena, and who attends to whom.
pub(super) struct Read {
    pub tokens: Tokens<Words>,
    grid: Grid<Words>,
}

impl Read {
    /// Adopts the tokens of `run`.
    pub fn new(micro: &mut Micro<'_, '_>, run: Run) -> Result<Self, Error> {
        let rows = run.len;
        let ids = micro.arena.adopt(rows).ok_or(Error::Fault)?;
        let positions = micro.list(rows, |i| i as u32);
        let tokens = Tokens { ids, positions, rows, types: None, zero_padding: true, first: 0 };
        Ok(Self { tokens, grid: grid(micro, run, run) })
    }
}

impl Encoding {
    /// Embeds a source.
    pub fn new<const N: usize>(
        micro: &mut Micro<'_, '_>,
        encoder: &Encoder<Parameter, N>,
        read: Read,
    ) -> Self {
        let x = Some(encoder.begin(micro, &read.tokens));
        Self { x, grid: read.grid, layer: 0 }
    }

    /// Runs the next layer; `false` after the last.
    pub fn step<const N: usize>(
        &mut self,
        micro: &mut Micro<'_, '_>,
        encoder: &Encoder<Parameter, N>,
    ) -> bool {
        let made = self.x.take().map(|x| encoder.layer(micro, self.layer, x, &self.grid));
        let goes_on = matches!(made, Some(Ok(_)));
        self.layer += 1;
        self.x = made.map(|made| made.unwrap_or_else(|x| x));
        goes_on
    }

    /// The output of the encoder, after all layers.
    pub fn end<const N: usize>(
        &mut self,
        micro: &mut Micro<'_, '_>,
        encoder: &Encoder<Parameter, N>,
    ) -> Result<Slot, Error> {
        Ok(encoder.end(micro, self.x.take().ok_or(Error::Fault)?))
    }
}

/// A grid of one sentence: all queries attend to all keys.
pub(super) fn grid(micro: &mut Micro<'_, '_>, query: Run, key: Run) -> Grid<Words> {
    let span = Span { query, key, before: 0 }.encode();
    let spans = micro.list(span.len(), |i| span.get(i).copied().unwrap_or_default());
    let area = query.len.saturating_mul(key.len);
    Grid { spans, sentences: 1, queries: query.len, keys: key.len, area, causal: false, first: 0 }
}
