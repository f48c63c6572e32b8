//! The memory of a translation or a text, computed by repeating the allocations of the model in numbers.

use super::memory::packed_words;
use super::product::quantised_words;
use crate::batch::Span;
use crate::bits;
#[cfg(feature = "text")]
use crate::config::Head;
use crate::config::{Config, Embedding, Stack};
use crate::image::Sizes;
use crate::search::Search;

/// The size limits of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// Maximum tokens of a source, EOS included; at least 1.
    pub source: usize,
    /// Maximum tokens of a translation, without EOS; at least 1.
    pub target: usize,
    /// Hypotheses kept at each step, at least 1; 1 is greedy search.
    pub beam: usize,
    /// Whether keys and values are stored as bytes, with a scale for each token, instead of as f32: a quarter of the
    /// memory.
    pub int8_cache: bool,
}

impl Limits {
    /// The workspace of the search: words of integers and of floats.
    pub(super) const fn workspace(&self) -> (usize, usize) {
        let how = Search { beam: self.beam, ..Search::GREEDY };
        how.workspace(1, self.target)
    }

    /// The maximum number of keys of one query.
    pub(super) const fn keys(&self) -> usize {
        if self.source > self.target { self.source } else { self.target.saturating_add(1) }
    }
}

/// The exact size in bytes of the arena for an image without a shortlist, with `config` and `quantised` or float
/// matrices: the peak of a translation of the size of `limits`. `usize::MAX` for sizes beyond any memory.
pub const fn arena_bytes(config: &Config, quantised: bool, limits: &Limits) -> usize {
    arena_bytes_with(config, quantised, None, limits)
}

/// [`arena_bytes`] for an image with a shortlist. Exact if the lists of the source tokens do not overlap, otherwise an
/// upper bound.
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
            bits::words(config.target_vocabulary),
            sizes.most(limits.source, config.target_vocabulary),
        ),
    };
    let encoded = encoder(start, config, limits.source, chosen);
    let decoded = decoder(encoded, config, limits, outputs);
    fixed.saturating_add(decoded.peak).saturating_mul(size_of::<f32>())
}

/// The size limits of a text that is classified or embedded.
#[cfg(feature = "text")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TextLimits {
    /// Maximum tokens of a text, BOS and EOS included; at least 2.
    pub tokens: usize,
    /// Whether keys and values are stored as bytes, with a scale for each token, instead of as f32.
    pub int8_cache: bool,
}

/// The exact size in bytes of the arena for a text model with `config` and `quantised` or float matrices: the peak of a
/// text of the size of `limits`. `usize::MAX` for sizes beyond any memory.
#[cfg(feature = "text")]
pub const fn text_arena_bytes(config: &Config, quantised: bool, limits: &TextLimits) -> usize {
    let TextLimits { tokens, int8_cache } = *limits;
    if tokens > 1 << 20 {
        return usize::MAX;
    }
    let start = Tally { top: 0, peak: 0, quantised, packs: int8_cache };
    let read = head(encoder(start, config, tokens, 0), config);
    tokens.saturating_add(read.peak).saturating_mul(size_of::<f32>())
}

/// The current and the highest top of the arena.
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

    /// Frees everything allocated after `before`.
    const fn back(self, before: Self) -> Self {
        Self { top: before.top, ..self }
    }

    /// Allocates an activation.
    const fn tensor(self, rows: usize, cols: usize) -> Self {
        self.take(rows.saturating_mul(cols))
    }

    /// Allocates words, and frees them at once.
    const fn spare(self, words: usize) -> Self {
        self.take(words).back(self)
    }

    const fn embed(self, rows: usize, cols: usize) -> Self {
        self.tensor(rows, cols).spare(cols)
    }

    /// The tables beside that of tokens, and their norm.
    const fn embedded(self, rows: usize, cols: usize, of: &Embedding) -> Self {
        let added = if of.positions > 0 { self.embed(rows, cols).back(self) } else { self };
        added.last(rows, cols, of.norm)
    }

    const fn linear(self, rows: usize, inputs: usize, outputs: usize) -> Self {
        let made = self.tensor(rows, outputs);
        if self.quantised { made.spare(quantised_words(rows, inputs)) } else { made }
    }

    /// A norm, in place.
    const fn norm(self, cols: usize) -> Self {
        self.spare(cols.saturating_mul(3))
    }

    /// The norm before a block, with pre-norm.
    const fn before(self, rows: usize, cols: usize, normalize_before: bool) -> Self {
        if normalize_before { self.tensor(rows, cols).norm(cols) } else { self }
    }

    /// The end of a block that began at `start`: its result replaces its input.
    const fn after(self, start: Self, cols: usize, normalize_before: bool) -> Self {
        let joined = if normalize_before { self } else { self.norm(cols) };
        joined.back(start)
    }

    /// The query projection, the attention, and the output projection.
    const fn attend(self, rows: usize, cols: usize) -> Self {
        self.linear(rows, cols, cols).tensor(rows, cols).linear(rows, cols, cols)
    }

    /// Keys or values, in the storage format of the cache.
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

    /// The caches of all layers. Each layer has the same size, so only the last is computed in detail.
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

/// The encoder, up to its output. All layers have the same peak.
const fn encoder(start: Tally, config: &Config, source: usize, chosen: usize) -> Tally {
    let (of, pre) = (&config.encoder, config.normalize_before);
    let listed = start.take(source.saturating_mul(2).saturating_add(Span::WORDS)).take(chosen);
    let x = listed.embed(source, of.d_model).embedded(source, of.d_model, &config.embedding);
    let layer = x.own(source, of.d_model, pre).inner(source, of, pre);
    layer.back(x).last(source, of.d_model, pre)
}

/// The head of a text model, over the output of the encoder.
#[cfg(feature = "text")]
const fn head(memory: Tally, config: &Config) -> Tally {
    let Some(Head { dense, output, .. }) = config.head else { return memory };
    let width = config.encoder.d_model;
    let query = memory.take(2 + Span::WORDS).embed(1, width);
    let pooled = query.tensor(1, width);
    let dense = if dense { pooled.linear(1, width, width) } else { pooled };
    match output.is_mapped(width) {
        true => dense.linear(1, width, output.width()),
        false => dense,
    }
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
