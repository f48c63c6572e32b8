//! The tokens of a batch, and the rows that attend to each other.
//!
//! Sentences lie one after the other in `[N, D]`, each as a run of rows. Padding, if any, is at the end of its
//! sentence.

use crate::config::Pooling;

/// The position of padding, which has no position vector.
pub const NO_POSITION: u32 = u32::MAX;

/// The target of padding, which is part of no loss.
pub const IGNORE: u32 = u32::MAX;

/// The input of an embedding: one id and one position for each row.
#[derive(Clone, Debug)]
pub struct Tokens<I> {
    /// `[N]`
    pub ids: I,
    /// `[N]`, positions in the sentence, from 0; [`NO_POSITION`] for padding.
    pub positions: I,
    /// `[N]`, the types of the tokens, for a model that knows types; `None`: all 0.
    pub types: Option<I>,
    /// N
    pub rows: usize,
    /// Whether padding embeds to zero (encoder) instead of to its row of the table (decoder).
    pub zero_padding: bool,
    /// If this is a part of a batch: the rows of the batch before this part. Dropout masks are indexed by rows of the
    /// whole batch.
    pub first: usize,
}

impl<I: Clone> Tokens<I> {
    /// The same rows, looked up by other ids.
    pub(crate) fn by(&self, ids: &I) -> Self {
        Self { ids: ids.clone(), types: None, ..self.clone() }
    }
}

/// The rows of one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first row.
    pub start: usize,
    /// The number of rows, padding included.
    pub len: usize,
    /// The number of rows without padding.
    pub valid: usize,
}

impl Run {
    /// The rows of a text that are pooled.
    pub const fn pooled(self, by: Pooling) -> Self {
        match by {
            Pooling::Mean => self,
            Pooling::First => Self { len: 1, valid: 1, ..self },
        }
    }
}

/// The queries and keys of one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The rows of the queries.
    pub query: Run,
    /// The rows of the keys.
    pub key: Run,
    /// The sum of `query.len * key.len` over the sentences before this one.
    pub before: usize,
}

impl Span {
    /// Words of an encoded span.
    pub const WORDS: usize = 7;

    /// `query.len * key.len`
    pub const fn area(&self) -> usize {
        self.query.len * self.key.len
    }

    /// The words of the span in a device's `Index`.
    pub const fn encode(&self) -> [u32; Self::WORDS] {
        [
            self.query.start as u32,
            self.query.len as u32,
            self.query.valid as u32,
            self.key.start as u32,
            self.key.len as u32,
            self.key.valid as u32,
            self.before as u32,
        ]
    }

    /// The inverse of [`Span::encode`]; `words` has [`Span::WORDS`] elements.
    pub const fn decode(words: &[u32]) -> Self {
        Self {
            query: Run {
                start: words[0] as usize,
                len: words[1] as usize,
                valid: words[2] as usize,
            },
            key: Run { start: words[3] as usize, len: words[4] as usize, valid: words[5] as usize },
            before: words[6] as usize,
        }
    }

    /// The encoded spans of `words`.
    pub fn all(words: &[u32]) -> impl Iterator<Item = Self> + '_ {
        words.chunks_exact(Self::WORDS).map(Self::decode)
    }
}

/// The geometry of an attention: which rows attend to which.
///
/// An attention map over a grid is `[H, A]`, stored one sentence after the other. Sentence `b` is a block
/// `[H, query.len, key.len]` that begins at element `H * before`.
#[derive(Clone, Debug)]
pub struct Grid<I> {
    /// One [`Span`] for each sentence, encoded.
    pub spans: I,
    /// B
    pub sentences: usize,
    /// N of the queries.
    pub queries: usize,
    /// N of the keys.
    pub keys: usize,
    /// A
    pub area: usize,
    /// Whether query `i` of a sentence sees only the keys `0..=i`.
    pub causal: bool,
    /// If this is a part of a batch: A of the sentences of the batch before this part.
    pub first: usize,
}

#[cfg(feature = "train")]
pub use whole::{Batch, Extent, Layout, Source, entries};

#[cfg(feature = "train")]
mod whole {
    use super::*;
    use crate::config::{Config, Special};
    use crate::device::Device;
    use alloc::vec::Vec;
    use core::ops::Range;

    /// The placement of padding.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Layout {
        /// Every sentence has as many rows as the longest, as in the authors' code.
        Padded,
        /// No padding.
        Packed,
        /// One row of padding after each sentence. All padding of a sentence has its values.
        OnePad,
    }

    /// Source sentences, ready for a backend.
    #[derive(Clone, Debug)]
    pub struct Source<I> {
        /// The tokens; each sentence ends with EOS.
        pub tokens: Tokens<I>,
        /// Encoder self-attention.
        pub grid: Grid<I>,
        /// The rows of each sentence.
        pub runs: Vec<Run>,
    }

    impl<I: Clone> Source<I> {
        /// A batch of `sources`, each of which ends with EOS and is not empty.
        pub fn new<B: Device<Index = I>>(
            b: &mut B,
            special: &Special,
            sources: &[&[u32]],
            layout: Layout,
        ) -> Self {
            Self::within(b, special, sources, layout, widest(sources))
        }

        /// [`Source::new`], padded to `width` if the layout has padding.
        fn within<B: Device<Index = I>>(
            b: &mut B,
            special: &Special,
            sources: &[&[u32]],
            layout: Layout,
            width: usize,
        ) -> Self {
            let runs = runs(sources, layout, width);
            Self {
                tokens: tokens(b, &runs, true, special.pad, |i, t| sources[i][t]),
                grid: grid(b, &runs, &runs, false),
                runs,
            }
        }
    }

    /// The size of a batch, all its parts together.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Extent {
        /// B
        pub sentences: usize,
        /// The longest source.
        pub source: usize,
        /// The longest target.
        pub target: usize,
    }

    impl Extent {
        /// The extent of a batch of these pairs.
        pub fn of(sources: &[&[u32]], targets: &[&[u32]]) -> Self {
            Self { sentences: targets.len(), source: widest(sources), target: widest(targets) }
        }
    }

    /// Sentence pairs, ready for a backend.
    #[derive(Clone, Debug)]
    pub struct Batch<I> {
        /// The source; each sentence ends with EOS.
        pub source: Tokens<I>,
        /// The target shifted right: the decoder's start token first.
        pub shifted: Tokens<I>,
        /// `[N]` as `shifted`: the next token, or [`IGNORE`].
        pub targets: I,
        /// The elements of `targets`.
        pub next: Vec<u32>,
        /// Encoder self-attention.
        pub encoder_grid: Grid<I>,
        /// Decoder self-attention.
        pub decoder_grid: Grid<I>,
        /// Cross-attention; of texts, from each text to all its rows.
        pub cross_grid: Grid<I>,
        /// From each text to its first row; `None` for pairs.
        pub first_grid: Option<Grid<I>>,
        /// B
        pub sentences: usize,
        /// Target tokens without padding.
        pub target_tokens: usize,
        /// Source tokens without padding.
        pub source_tokens: usize,
        /// B times the longest target of the whole batch: its padded size, in both layouts.
        pub padded_targets: usize,
        /// Pairs of a query and a key that it sees, without padding: in the encoder, in the decoder, and between them.
        pub entries: [usize; 3],
    }

    impl<I: Clone> Batch<I> {
        /// A batch of all pairs. Each sentence ends with EOS and is not empty.
        pub fn new<B: Device<Index = I>>(
            b: &mut B,
            special: &Special,
            sources: &[&[u32]],
            targets: &[&[u32]],
            layout: Layout,
        ) -> Self {
            Self::part(b, special, sources, targets, 0..targets.len(), layout)
        }

        /// The pairs in the range `part` of a batch. The losses of all parts of a batch add up to the loss of the
        /// batch.
        pub fn part<B: Device<Index = I>>(
            b: &mut B,
            special: &Special,
            sources: &[&[u32]],
            targets: &[&[u32]],
            part: Range<usize>,
            layout: Layout,
        ) -> Self {
            let whole = Extent::of(sources, targets);
            let source_before = runs(&sources[..part.start], layout, whole.source);
            let target_before = runs(&targets[..part.start], layout, whole.target);
            let (sources, targets) = (&sources[part.clone()], &targets[part]);
            let source = Source::within(b, special, sources, layout, whole.source);
            let target_runs = runs(targets, layout, whole.target);
            let next = listed(&target_runs, IGNORE, |i, t| targets[i][t]);
            let mut batch = Self {
                shifted: tokens(b, &target_runs, false, special.pad, |i, t| {
                    if t == 0 { special.start } else { targets[i][t - 1] }
                }),
                targets: b.index(&next),
                next,
                decoder_grid: grid(b, &target_runs, &target_runs, true),
                cross_grid: grid(b, &target_runs, &source.runs, false),
                source: source.tokens,
                encoder_grid: source.grid,
                first_grid: None,
                sentences: sources.len(),
                target_tokens: targets.iter().map(|t| t.len()).sum(),
                source_tokens: sources.iter().map(|s| s.len()).sum(),
                padded_targets: whole.sentences * whole.target,
                entries: total(sources, targets),
            };
            batch.source.first = rows(&source_before);
            batch.shifted.first = rows(&target_before);
            batch.encoder_grid.first = area(&source_before, &source_before);
            batch.decoder_grid.first = area(&target_before, &target_before);
            batch.cross_grid.first = area(&target_before, &source_before);
            batch
        }

        /// The range `part` of a batch for a model: [`Batch::part`], or [`Batch::texts`] if it has a head. The target of a text
        /// is its label.
        pub fn of_model<B: Device<Index = I>>(
            b: &mut B,
            model: &Config,
            (sources, targets): (&[&[u32]], &[&[u32]]),
            part: Range<usize>,
            layout: Layout,
        ) -> Self {
            if model.head.is_none() {
                return Self::part(b, &model.special, sources, targets, part, layout);
            }
            let label = |target: &&[u32]| target.first().copied().unwrap_or(IGNORE);
            let labels: Vec<_> = targets.iter().map(label).collect();
            Self::texts(b, &model.special, (sources, &labels), part, layout)
        }

        /// The texts in the range `part` of a batch, each with a label as its target, for models with a head: the cross grid
        /// leads from one query of padding for each text to its rows, the first grid to its first row, the decoder's from
        /// every text to every text. No text is empty.
        pub fn texts<B: Device<Index = I>>(
            b: &mut B,
            special: &Special,
            (sources, labels): (&[&[u32]], &[u32]),
            part: Range<usize>,
            layout: Layout,
        ) -> Self {
            let (whole, all) = (widest(sources), labels.len());
            let before = runs(&sources[..part.start], layout, whole);
            let (sources, labels) = (&sources[part.clone()], &labels[part.clone()]);
            let mut source = Source::within(b, special, sources, layout, whole);
            let queries: Vec<_> =
                (0..labels.len()).map(|start| Run { start, len: 1, valid: 1 }).collect();
            let firsts: Vec<_> = source.runs.iter().map(|run| run.pooled(Pooling::First)).collect();
            let every = [Run { start: 0, len: labels.len(), valid: labels.len() }];
            source.tokens.first = rows(&before);
            source.grid.first = area(&before, &before);
            let ids = alloc::vec![special.pad; labels.len()];
            let [ids, positions] = b.index_tokens(&ids, &alloc::vec![NO_POSITION; labels.len()]);
            let (rows, first) = (labels.len(), part.start);
            Self {
                shifted: Tokens { ids, positions, types: None, rows, zero_padding: true, first },
                targets: b.index(labels),
                next: labels.to_vec(),
                decoder_grid: grid(b, &every, &every, false),
                cross_grid: grid(b, &queries, &source.runs, false),
                first_grid: Some(grid(b, &queries, &firsts, false)),
                source: source.tokens,
                encoder_grid: source.grid,
                sentences: labels.len(),
                target_tokens: labels.len(),
                source_tokens: sources.iter().map(|s| s.len()).sum(),
                padded_targets: all,
                entries: total(sources, &alloc::vec![&[0][..]; labels.len()]),
            }
        }

        /// The grid from each text to the rows that are pooled.
        pub const fn pooling(&self, how: Pooling) -> &Grid<I> {
            match (how, &self.first_grid) {
                (Pooling::First, Some(grid)) => grid,
                _ => &self.cross_grid,
            }
        }

        /// The grid of encoder self-attention (0), decoder self-attention (1) or cross-attention (2).
        pub const fn grid(&self, kind: usize) -> &Grid<I> {
            match kind {
                0 => &self.encoder_grid,
                1 => &self.decoder_grid,
                _ => &self.cross_grid,
            }
        }
    }

    /// The pairs of a query and a key that it sees, for one pair of sentences: in the encoder, in the decoder, and between
    /// them.
    pub const fn entries(source: usize, target: usize) -> [usize; 3] {
        [source * source, target * (target + 1) / 2, source * target]
    }

    /// The sum of [`entries`] over all pairs.
    fn total(sources: &[&[u32]], targets: &[&[u32]]) -> [usize; 3] {
        let pairs = sources.iter().zip(targets).map(|(s, t)| entries(s.len(), t.len()));
        pairs.fold([0; 3], |sum, of| core::array::from_fn(|kind| sum[kind] + of[kind]))
    }

    fn widest(sentences: &[&[u32]]) -> usize {
        sentences.iter().map(|s| s.len()).max().unwrap_or(0)
    }

    fn runs(sentences: &[&[u32]], layout: Layout, width: usize) -> Vec<Run> {
        let mut start = 0;
        let place = |sentence: &&[u32]| {
            let valid = sentence.len();
            let len = match layout {
                Layout::Padded => width,
                Layout::Packed => valid,
                Layout::OnePad => valid + 1,
            };
            start += len;
            Run { start: start - len, len, valid }
        };
        sentences.iter().map(place).collect()
    }

    fn rows(runs: &[Run]) -> usize {
        runs.last().map_or(0, |r| r.start + r.len)
    }

    /// Lists `f(sentence, t)` for each row, and `padding` for each row of padding.
    fn listed(runs: &[Run], padding: u32, f: impl Fn(usize, usize) -> u32) -> Vec<u32> {
        let mut out = Vec::with_capacity(rows(runs));
        for (i, run) in runs.iter().enumerate() {
            out.extend((0..run.len).map(|t| if t < run.valid { f(i, t) } else { padding }));
        }
        out
    }

    fn tokens<B: Device>(
        b: &mut B,
        runs: &[Run],
        zero_padding: bool,
        padding: u32,
        id: impl Fn(usize, usize) -> u32,
    ) -> Tokens<B::Index> {
        let ids = listed(runs, padding, id);
        let positions = listed(runs, NO_POSITION, |_, t| t as u32);
        let rows = ids.len();
        let [ids, positions] = b.index_tokens(&ids, &positions);
        Tokens { rows, ids, positions, types: None, zero_padding, first: 0 }
    }

    fn grid<B: Device>(b: &mut B, queries: &[Run], keys: &[Run], causal: bool) -> Grid<B::Index> {
        let mut area = 0;
        let mut words = Vec::with_capacity(queries.len() * Span::WORDS);
        for (query, key) in queries.iter().zip(keys) {
            let span = Span { query: *query, key: *key, before: area };
            area += span.area();
            words.extend(span.encode());
        }
        Grid {
            spans: b.index(&words),
            sentences: queries.len(),
            queries: rows(queries),
            keys: rows(keys),
            area,
            causal,
            first: 0,
        }
    }

    fn area(queries: &[Run], keys: &[Run]) -> usize {
        queries.iter().zip(keys).map(|(query, key)| query.len * key.len).sum()
    }
}
