//! The gradients where a block holds all queries and keys of a sentence, in one pass.

use super::super::heads::{Heads, Lay};
use super::block::{
    Block, SHARE, ScoreRow, Site, Strip, TILE, TURNS, accumulate, adjacent_rows, load,
    most_visible, products, rows, score_row, shared_operand, shared_scores, shared_stage,
    shared_sum, shared_weights, site, strip, write, zeros,
};
use crate::kernels::pointwise::{Drop, factor};
use cubecl::prelude::*;
use half::bf16;

/// What is known of an entry of a map: its probability, before and after dropout, and the gradient of the one before.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Entry {
    pub probability: f32,
    pub kept: f32,
    pub gradient: f32,
}

/// What the gradients of probabilities come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sources {
    /// Those of the context, and those of the map.
    pub context: bool,
    pub map: bool,
    /// Whether the context's probabilities were dropped.
    pub drops: bool,
}

/// The `i`th entry of a unit in a row, of the keys from `from`; zeros if the query may not attend to the key. `scores` are the
/// products of the context's gradients and the values.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn entry(
    scores: &SharedMemory<f32>,
    map: &Array<f32>,
    dmap: &Array<f32>,
    row: &ScoreRow,
    from: usize,
    #[comptime] i: usize,
    dropped: &Drop,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) -> Entry {
    let key = row.key + SHARE * i;
    let at = row.entry + from + key;
    let mut probability = 0.0f32;
    let mut kept = 0.0f32;
    let mut gradient = 0.0f32;
    if from + key < row.visible {
        probability = map[at];
        kept = probability;
        if comptime!(by.context) {
            gradient = scores[row.local * comptime!(block.score_pitch()) + key];
        }
        if comptime!(by.drops) {
            let factor = factor(dropped, at as u32);
            gradient *= factor;
            kept *= factor;
        }
        if comptime!(by.map) {
            gradient += dmap[at];
        }
    }
    Entry { probability, kept, gradient }
}

/// Writes the gradients of a strip's scores to `by_score`, and the probabilities after dropout to `by_weight`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn score_gradients(
    scores: &SharedMemory<f32>,
    map: &Array<f32>,
    dmap: &Array<f32>,
    site: &Site,
    strip: &Strip,
    scale: f32,
    dropped: &Drop,
    by_score: &mut SharedMemory<bf16>,
    by_weight: &mut SharedMemory<bf16>,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    let (share, pitch) = comptime!((block.rows / SHARE, block.score_pitch()));
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        let first = row.local * pitch + row.key;
        let mut probabilities = Array::<f32>::new(share);
        let mut gradients = Array::<f32>::new(share);
        let mut mean = 0.0f32;
        #[unroll]
        for i in 0..share {
            let entry = entry(scores, map, dmap, &row, 0, i, dropped, block, by);
            by_weight[first + SHARE * i] = bf16::cast_from(entry.kept);
            mean += entry.probability * entry.gradient;
            probabilities[i] = entry.probability;
            gradients[i] = entry.gradient;
        }
        let mean = shared_sum(mean);
        #[unroll]
        for i in 0..share {
            let gradient = probabilities[i] * (gradients[i] - mean) * scale;
            by_score[first + SHARE * i] = bf16::cast_from(gradient);
        }
    }
}

/// Gradients of queries, keys and values of one head (y) of one sentence (z).
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn plane_attend_grad_kernel<N: Size>(
    dy: &Array<Vector<bf16, N>>,
    dmap: &Array<f32>,
    map: &Array<f32>,
    q: &Array<Vector<bf16, N>>,
    k: &Array<Vector<bf16, N>>,
    v: &Array<Vector<bf16, N>>,
    spans: &Array<u32>,
    dq: &mut Array<Vector<bf16, N>>,
    dk: &mut Array<Vector<bf16, N>>,
    dv: &mut Array<Vector<bf16, N>>,
    q_lay: &Lay,
    k_lay: &Lay,
    v_lay: &Lay,
    of: &Heads,
    dropped: &Drop,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    let site = site(spans, of);
    let (span, strip) = (site.span, strip(0));
    let results = adjacent_rows(span.query_start, span.query_len, of, block);
    let queries = rows(span.query_start, span.query_len, q_lay, block);
    let keys = rows(span.key_start, span.key_valid, k_lay, block);
    let value_rows = rows(span.key_start, span.key_valid, v_lay, block);
    let all_keys = rows(span.key_start, span.key_len, k_lay, block);
    let all_values = rows(span.key_start, span.key_len, v_lay, block);
    let tiles = most_visible(&site, strip.first, TILE).div_ceil(TILE);
    // Queries that no key is visible to have no gradients.
    let query_tiles = select(span.key_valid > 0, span.query_len.div_ceil(TILE), 0);

    let mut gradients = shared_operand::<N>(block);
    let mut values = shared_operand::<N>(block);
    let mut others = shared_operand::<N>(block);
    let mut scores = shared_scores(block);
    let mut by_score = shared_weights(block);
    let mut by_weight = shared_weights(block);
    let mut stage = shared_stage(block);
    load::<N>(k, &keys, 0, &mut others, block);
    if comptime!(by.context) {
        load::<N>(dy, &results, 0, &mut gradients, block);
        load::<N>(v, &value_rows, 0, &mut values, block);
        sync_cube();
        products::<N>(&gradients, &values, &strip, tiles, &mut scores, block);
        sync_plane();
    }
    score_gradients(
        &scores,
        map,
        dmap,
        &site,
        &strip,
        of.scale,
        dropped,
        &mut by_score,
        &mut by_weight,
        block,
        by,
    );
    sync_cube();
    // The values are not needed any more.
    load::<N>(q, &queries, 0, &mut values, block);
    let sums = zeros(block);
    accumulate::<N>(&by_score, &others, &strip, tiles, &sums, block, false);
    write::<N>(&sums, &mut stage, dq, &queries, &strip, block);
    let sums = zeros(block);
    if comptime!(by.context) {
        accumulate::<N>(&by_weight, &gradients, &strip, query_tiles, &sums, block, true);
    }
    write::<N>(&sums, &mut stage, dv, &all_values, &strip, block);
    sync_cube();
    let sums = zeros(block);
    accumulate::<N>(&by_score, &values, &strip, query_tiles, &sums, block, true);
    write::<N>(&sums, &mut stage, dk, &all_keys, &strip, block);
}
