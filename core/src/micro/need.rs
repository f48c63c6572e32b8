//! How much memory a translation takes: the model's walk through the arena once more, in numbers alone.

use super::arena::packed_words;
use super::chosen::bit_words;
use super::product::quantised_words;
use crate::batch::Span;
use crate::config::{Config, Stack};
use crate::image::Sizes;
use crate::search::Search;

/// The largest translation that there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// Tokens of a source, the end of the sentence included; at least 1.
    pub source: usize,
    /// Tokens of a translation before its end; at least 1.
    pub target: usize,
    /// Hypotheses kept at each step; 1 is greedy.
    pub beam: usize,
    /// Keys and values of attention in bytes, a scale for each token, rather than in f32: a quarter of the memory.
    pub int8_cache: bool,
}

impl Limits {
    /// The search's workspace: words of integers and of floats.
    pub(super) const fn workspace(&self) -> (usize, usize) {
        let how = Search { beam: self.beam, ..Search::GREEDY };
        how.workspace(1, self.target)
    }

    /// Keys that one query attends to at most.
    pub(super) const fn keys(&self) -> usize {
        if self.source > self.target { self.source } else { self.target.saturating_add(1) }
    }
}

/// Bytes of the arena for an image without a shortlist, of `config` and with matrices that are `quantised` or not; exact,
/// and no less than what a translation of the limits' sizes uses. Sizes beyond any memory give the largest number.
pub const fn arena_bytes(config: &Config, quantised: bool, limits: &Limits) -> usize {
    arena_bytes_with(config, quantised, None, limits)
}

/// [`arena_bytes`] for an image with a shortlist; exact where a sentence's lists do not overlap.
pub const fn arena_bytes_with(
    config: &Config,
    quantised: bool,
    shortlist: Option<Sizes>,
    limits: &Limits,
) -> usize {
    if limits.beam > 1 << 12 || limits.source > 1 << 20 || limits.target > 1 << 20 {
        return usize::MAX;
    }
    let (words, floats) = limits.workspace();
    let fixed = words.saturating_add(floats).saturating_add(limits.keys());
    let start = Tally { top: 0, peak: 0, quantised, packs: limits.int8_cache };
    let (chosen, outputs) = match shortlist {
        None => (0, config.target_vocabulary),
        Some(sizes) => (
            bit_words(config.target_vocabulary),
            sizes.most(limits.source, config.target_vocabulary),
        ),
    };
    let encoded = encoder(start, config, limits.source, chosen);
    let decoded = decoder(encoded, config, limits, outputs);
    fixed.saturating_add(decoded.peak).saturating_mul(size_of::<f32>())
}

/// The arena's top, and the highest that it was.
#[derive(Clone, Copy)]
struct Tally {
    top: usize,
    peak: usize,
    quantised: bool,
    packs: bool,
}

impl Tally {
    const fn take(self, words: usize) -> Self {
        let top = self.top.saturating_add(words);
        let peak = if top > self.peak { top } else { self.peak };
        Self { top, peak, ..self }
    }

    /// Back to what `before` had taken.
    const fn back(self, before: Self) -> Self {
        Self { top: before.top, ..self }
    }

    /// An activation.
    const fn tensor(self, rows: usize, cols: usize) -> Self {
        self.take(rows.saturating_mul(cols))
    }

    /// Words that are given back at once.
    const fn spare(self, words: usize) -> Self {
        self.take(words).back(self)
    }

    const fn embed(self, rows: usize, cols: usize) -> Self {
        self.tensor(rows, cols).spare(cols)
    }

    const fn linear(self, rows: usize, inputs: usize, outputs: usize) -> Self {
        let made = self.tensor(rows, outputs);
        if self.quantised { made.spare(quantised_words(rows, inputs)) } else { made }
    }

    /// A norm in place.
    const fn norm(self, cols: usize) -> Self {
        self.spare(cols.saturating_mul(3))
    }

    /// Before a block.
    const fn before(self, rows: usize, cols: usize, normalize_before: bool) -> Self {
        if normalize_before { self.tensor(rows, cols).norm(cols) } else { self }
    }

    /// After a block that began at `start`: its result takes its input's place.
    const fn after(self, start: Self, cols: usize, normalize_before: bool) -> Self {
        let joined = if normalize_before { self } else { self.norm(cols) };
        joined.back(start)
    }

    /// Projections of what attends, around the attention.
    const fn attend(self, rows: usize, cols: usize) -> Self {
        self.linear(rows, cols, cols).tensor(rows, cols).linear(rows, cols, cols)
    }

    /// Keys or values, as they are kept.
    const fn kept(self, rows: usize, cols: usize) -> Self {
        self.tensor(rows, if self.packs { packed_words(cols) } else { cols })
    }

    const fn keys_and_values(self, rows: usize, inputs: usize, outputs: usize) -> Self {
        let (mut both, mut made) = (self, 0);
        while made < 2 {
            let fresh = both.linear(rows, inputs, outputs);
            both = if self.packs { fresh.kept(rows, outputs).back(both) } else { fresh.back(both) };
            both = both.kept(rows, outputs);
            made += 1;
        }
        both
    }

    /// The caches of one layer.
    const fn layer(self, inputs: usize, width: usize, limits: &Limits) -> Self {
        let own = limits.beam.saturating_mul(limits.target + 1);
        self.kept(own, width).kept(own, width).keys_and_values(limits.source, inputs, width)
    }

    /// The caches of all layers: each takes as much as the one before, so the last tells.
    const fn layers(self, count: usize, inputs: usize, width: usize, limits: &Limits) -> Self {
        let Some(before) = count.checked_sub(1) else { return self };
        let each = self.layer(inputs, width, limits).top.saturating_sub(self.top);
        self.take(each.saturating_mul(before)).layer(inputs, width, limits)
    }

    /// The feed-forward block.
    const fn inner(self, rows: usize, of: &Stack, pre: bool) -> Self {
        let (width, inner) = (of.d_model, of.ffn_dim);
        let made = self.before(rows, width, pre).linear(rows, width, inner);
        made.linear(rows, inner, width).after(self, width, pre)
    }

    /// Self-attention.
    const fn own(self, rows: usize, width: usize, pre: bool) -> Self {
        let made = self.before(rows, width, pre).keys_and_values(rows, width, width);
        made.attend(rows, width).after(self, width, pre)
    }

    /// The norm after the last layer.
    const fn last(self, rows: usize, width: usize, pre: bool) -> Self {
        if pre { self.tensor(rows, width).norm(width).back(self) } else { self }
    }
}

/// What is left is the encoder's output; no layer needs more than another.
const fn encoder(start: Tally, config: &Config, source: usize, chosen: usize) -> Tally {
    let (of, pre) = (&config.encoder, config.normalize_before);
    let listed = start.take(source.saturating_mul(2).saturating_add(Span::WORDS)).take(chosen);
    let x = listed.embed(source, of.d_model);
    let layer = x.own(source, of.d_model, pre).inner(source, of, pre);
    layer.back(x).last(source, of.d_model, pre)
}

/// The caches, then a step with all beams.
const fn decoder(start: Tally, config: &Config, limits: &Limits, outputs: usize) -> Tally {
    let (of, pre, beam) = (&config.decoder, config.normalize_before, limits.beam);
    let width = of.d_model;
    let cached = start.layers(of.layers, config.encoder.d_model, width, limits);
    let listed = cached.take(beam * (2 + 2 * Span::WORDS));
    let x = listed.embed(beam, width);
    let own = x.own(beam, width, pre);
    let cross = own.before(beam, width, pre).attend(beam, width).after(own, width, pre);
    let end = cross.inner(beam, of, pre).back(x).last(beam, width, pre);
    end.linear(beam, width, outputs).back(cached).kept(beam, width).back(cached)
}
