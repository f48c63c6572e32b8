//! Attention, one query at a time.

use crate::dot::Dot;
use crate::floats;
use crate::isa::Work;
use crate::lanes::Lanes;
use crate::tensor::{Data, Source, Tensor};
use a2d_core::batch::{Run, Span};
use a2d_core::math::sqrt;
use a2d_core::rows::{self, LANES};
use alloc::vec::Vec;

/// The attention of all sentences.
pub(crate) struct Attention<'a> {
    /// `[N, D]`
    pub q: &'a [f32],
    /// D
    pub width: usize,
    pub heads: usize,
    pub causal: bool,
    /// Spans of the sentences, encoded.
    pub spans: &'a [u32],
    /// `[N, D]`, filled with 0.
    pub context: &'a mut [f32],
    /// `[H, A]`, filled with 0, if the map is wanted.
    pub map: Option<&'a mut [f32]>,
    pub scores: &'a mut Scores,
}

/// The scores of one query, or its probabilities. The row of a head ends with unused places, so that it has whole lanes.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    values: Vec<f32>,
    /// Places of a row.
    stride: usize,
    /// Used places of a row.
    keys: usize,
}

/// [`Attention`] over keys and values.
pub(crate) struct Over<'a> {
    pub attention: Attention<'a>,
    pub k: &'a Tensor,
    pub v: &'a Tensor,
}

impl Work for Over<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let Self { attention, k, v } = self;
        match (&k.data, &v.data) {
            (Data::Rows(k), Data::Rows(v)) => attention.over(d, k, v),
            (Data::Cache(k), Data::Cache(v)) => attention.over(d, k, v),
            _ => panic!("keys and values are both in a cache, or both not"),
        }
    }
}

impl Attention<'_> {
    #[inline(always)]
    fn over<L: Lanes, S: Source>(mut self, l: L, k: &S, v: &S) {
        for span in self.spans.as_chunks::<{ Span::WORDS }>().0 {
            let Span { query, key, before } = Span::decode(span);
            for i in 0..query.len {
                let seen = rows::visible(self.causal, i, key.valid);
                self.scores.clear(self.heads, seen);
                self.score(l, query.start + i, key.start, k);
                self.scores.softmax(l);
                self.average(l, query.start + i, key.start, v);
                self.keep((query, key), before, i);
            }
        }
    }

    /// The scores of query `n` for the keys from row `start` on.
    #[inline(always)]
    fn score<L: Lanes, S: Source>(&mut self, l: L, n: usize, start: usize, k: &S) {
        let (width, size) = (self.width, self.width / self.heads);
        let scale = 1.0 / sqrt(size as f32);
        let q = &self.q[n * width..][..width];
        let (keys, mut j) = (self.scores.keys, 0);
        while j + 4 <= keys {
            let rows = [0, 1, 2, 3].map(|i| k.row(start, j + i, width));
            let heads = q.chunks_exact(size).zip(self.scores.rows_mut());
            for (h, (q, scores)) in heads.enumerate() {
                let dots = floats::dots(l, q, rows.map(|(key, _)| &key[h * size..][..size]));
                for i in 0..4 {
                    scores[j + i] = scale * (rows[i].1 * dots[i]);
                }
            }
            j += 4;
        }
        for j in j..keys {
            let (key, step) = k.row(start, j, width);
            let heads = q.chunks_exact(size).zip(key.chunks_exact(size));
            for ((q, key), scores) in heads.zip(self.scores.rows_mut()) {
                scores[j] = scale * (step * floats::dot(l, q, key));
            }
        }
    }

    /// The mean of the values from row `start` on, by the probabilities of query `n`.
    #[inline(always)]
    fn average<L: Lanes, S: Source>(&mut self, l: L, n: usize, start: usize, v: &S) {
        let (keys, mut j) = (self.scores.keys, 0);
        while j + 4 <= keys {
            self.add_values::<L, S, 4>(l, n, start, j, v);
            j += 4;
        }
        for j in j..keys {
            self.add_values::<L, S, 1>(l, n, start, j, v);
        }
    }

    /// Adds N values from number `j` on, times their probabilities.
    #[inline(always)]
    fn add_values<L: Lanes, S: Source, const N: usize>(
        &mut self,
        l: L,
        n: usize,
        start: usize,
        j: usize,
        v: &S,
    ) {
        let (width, size) = (self.width, self.width / self.heads);
        let rows: [_; N] = core::array::from_fn(|i| v.row(start, j + i, width));
        let context = &mut self.context[n * width..][..width];
        let heads = context.chunks_exact_mut(size).zip(self.scores.rows());
        for (h, (context, p)) in heads.enumerate() {
            let p = core::array::from_fn(|i| p[j + i] * rows[i].1);
            let values = rows.map(|(value, _)| &value[h * size..][..size]);
            floats::axpy::<L, N>(l, p, values, context);
        }
    }

    /// Writes the probabilities of query `i` of a sentence to the map.
    #[inline(always)]
    fn keep(&mut self, (query, key): (Run, Run), before: usize, i: usize) {
        let Some(map) = self.map.as_deref_mut() else { return };
        for (h, row) in self.scores.rows().enumerate() {
            let at = self.heads * before + (h * query.len + i) * key.len;
            map[at..][..self.scores.keys].copy_from_slice(&row[..self.scores.keys]);
        }
    }
}

impl Scores {
    /// Rows for `heads` heads and `keys` keys.
    #[inline(always)]
    fn clear(&mut self, heads: usize, keys: usize) {
        (self.keys, self.stride) = (keys, keys.next_multiple_of(LANES));
        self.values.clear();
        self.values.resize(heads * self.stride, f32::NEG_INFINITY);
    }

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.stride.max(1))
    }

    #[inline(always)]
    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values.chunks_exact_mut(self.stride.max(1))
    }

    /// The softmax of each row.
    #[inline(always)]
    fn softmax<L: Lanes>(&mut self, l: L) {
        let keys = self.keys;
        for row in self.rows_mut() {
            floats::softmax(l, row, keys);
        }
    }
}
