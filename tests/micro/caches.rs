//! Caches of keys and values in int8.

use super::products::noise;
use a2d_core::backend::{Attend, Backend, Decode, Device, Kv};
use a2d_core::batch::{Grid, Run, Span};
use a2d_core::image::Weights;
use a2d_core::micro::Micro;
use a2d_core::shape::Shape;
use a2d_host::translate::image::Words;

const TOKENS: usize = 7;
const WIDTH: usize = 30;
const HEADS: usize = 3;

/// The context of 7 queries. Keys and values are stored row by row in places 0 to 6 of the second of two groups of 9,
/// which `select` then makes the first.
fn context(packs: bool) -> Vec<f32> {
    let mut memory = Words::zeros(1 << 16);
    let b = Micro::new(memory.bytes_mut(), TOKENS, Weights::default()).expect("room");
    let mut b = b.packing(packs);
    let q = b.tensor(&noise(1, TOKENS * WIDTH), Shape::matrix(TOKENS, WIDTH));
    let mut cache = |key| {
        let mut cache = b.zeros(Shape::matrix(2 * 9, WIDTH));
        for at in 0..TOKENS {
            let rows = [noise(99, WIDTH), noise(key + at as u64, WIDTH)].concat();
            let rows = b.tensor(&rows, Shape::matrix(2, WIDTH));
            let rows = b.pack(rows);
            b.store(&mut cache, &rows, at, 9);
        }
        b.select(&mut cache, &[1, 0], 9, TOKENS);
        cache
    };
    let kv = Kv { k: cache(10), v: cache(20) };
    let run = Run { start: 0, len: TOKENS, valid: TOKENS };
    let spans = b.index(&Span { query: run, key: run, before: 0 }.encode());
    let (queries, keys, area) = (TOKENS, TOKENS, TOKENS * TOKENS);
    let grid = Grid { spans, sentences: 1, queries, keys, area, causal: false, first: 0 };
    let how = Attend { heads: HEADS, map: false, dropout: 0.0, key: None };
    let found = b.attend(&q, kv.as_ref(), &grid, how);
    let mut out = vec![f32::NAN; TOKENS * WIDTH];
    b.read(&found.context, &mut out).expect("no fault");
    assert_eq!(b.fault(), None);
    out
}

#[test]
fn attention_to_bytes_is_near_attention_to_floats() {
    let (exact, near) = (context(false), context(true));
    let error = exact.iter().zip(&near).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    // Half a step of a value, and the change of the softmax by half a step of each key.
    assert!(error > 1e-4 && error < 0.02, "{error}");
}
