//! Batches of a file: sentences padded to one width, and values of their tokens.

use super::compare::Array;
use super::model::runs;
use a2d_core::batch::Layout;
use a2d_core::config::token::{EOS, PAD};

/// The sentences of one side, and their places in the file: padded to one width, on the left or on the right.
pub struct Side {
    /// Each with its EOS.
    pub sentences: Vec<Vec<u32>>,
    /// The width of every row of the file.
    pub width: usize,
    /// The number of pads before each sentence.
    before: Vec<usize>,
}

impl Side {
    /// From an array `[B, width]` of tokens.
    pub fn new(tokens: &Array) -> Self {
        let width = tokens.shape[1];
        let sentences = self::tokens(tokens);
        assert!(sentences.iter().all(|s| s.last() == Some(&EOS)), "sentences end with EOS");
        assert!(sentences.iter().any(|s| s.len() == width), "a batch is as wide as its longest");
        let pads = |row: &[f64]| row.iter().take_while(|x| **x == f64::from(PAD)).count();
        Self { sentences, width, before: tokens.data.chunks(width).map(pads).collect() }
    }

    /// The token of sentence `b` that a batch of `layout` has for column `c` of the file; padding follows the sentence.
    fn token(&self, layout: Layout, b: usize, c: usize) -> Option<usize> {
        let t = (c + self.width - self.before[b]) % self.width;
        (layout == Layout::Padded || t < self.sentences[b].len()).then_some(t)
    }

    /// Rows `[N, D]` of a batch in the layout of the file, `[B, width, D]`. Padding, which a packed batch lacks, is
    /// taken from `expected`.
    pub fn rows(&self, layout: Layout, values: &[f32], expected: &Array) -> Vec<f64> {
        let d = expected.shape[2];
        let mut out = expected.data.clone();
        for (b, run) in runs(self.sentences.iter().map(Vec::len), layout).iter().enumerate() {
            for c in 0..self.width {
                let Some(t) = self.token(layout, b, c) else { continue };
                let from = &values[(run.start + t) * d..][..d];
                for (out, x) in out[(b * self.width + c) * d..].iter_mut().zip(from) {
                    *out = f64::from(*x);
                }
            }
        }
        out
    }
}

/// Maps of all layers (each with its number of rows: `[H, A]`) in the layout of the file, `[B, C, Q, K]`. Padding,
/// which a packed batch lacks, is taken from `expected`.
pub fn maps(
    layout: Layout,
    queries: &Side,
    keys: &Side,
    layers: &[(usize, Vec<f32>)],
    expected: &Array,
) -> Vec<f64> {
    let [_, channels, q_width, k_width] = expected.shape[..] else {
        panic!("maps have 4 dimensions")
    };
    assert_eq!(
        layers.iter().map(|(heads, _)| heads).sum::<usize>(),
        channels,
        "heads of all layers"
    );
    let mut out = expected.data.clone();
    let lengths = |side: &Side| runs(side.sentences.iter().map(Vec::len), layout);
    let mut before = 0;
    for (b, (q_run, k_run)) in lengths(queries).iter().zip(lengths(keys)).enumerate() {
        let area = q_run.len * k_run.len;
        let mut channel = b * channels;
        for (heads, values) in layers {
            for head in 0..*heads {
                let block = &values[heads * before + head * area..][..area];
                for (q, k) in (0..q_width).flat_map(|q| (0..k_width).map(move |k| (q, k))) {
                    let of = (queries.token(layout, b, q), keys.token(layout, b, k));
                    if let (Some(i), Some(j)) = of {
                        out[(channel * q_width + q) * k_width + k] =
                            f64::from(block[i * k_run.len + j]);
                    }
                }
                channel += 1;
            }
        }
        before += area;
    }
    out
}

/// The tokens of each row without padding.
pub fn tokens(array: &Array) -> Vec<Vec<u32>> {
    let token = |x: &f64| (*x != f64::from(PAD)).then_some(*x as u32);
    array.data.chunks(array.shape[1]).map(|row| row.iter().filter_map(token).collect()).collect()
}
