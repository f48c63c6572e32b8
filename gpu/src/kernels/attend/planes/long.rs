//! The gradients where a sentence takes several blocks: of scores and queries by blocks of queries, then of keys and values by
//! blocks of keys.

use super::super::heads::{Heads, Lay};
use super::block::{
    Block, SHARE, Site, Strip, TILE, TURNS, accumulate, adjacent_rows, load, most_visible,
    products, rows, score_row, shared_operand, shared_scores, shared_stage, shared_sum,
    shared_weights, site, strip, tiles, write, zeros,
};
use super::gradient::{Sources, entry};
use crate::kernels::pointwise::{Drop, factor};
use cubecl::prelude::*;
use half::bf16;

/// Adds this unit's part of the mean gradient under the probabilities, for the keys from `from`; a mean for each turn.
#[cube]
#[allow(clippy::too_many_arguments)]
fn add_means(
    means: &mut Array<f32>,
    scores: &SharedMemory<f32>,
    map: &Array<f32>,
    dmap: &Array<f32>,
    site: &Site,
    strip: &Strip,
    from: usize,
    dropped: &Drop,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        #[unroll]
        for i in 0..comptime!(block.rows / SHARE) {
            let entry = entry(scores, map, dmap, &row, from, i, dropped, block, by);
            means[turn] += entry.probability * entry.gradient;
        }
    }
}

/// Writes the gradients of a strip's scores to `dscores` and, as weights, to shared memory.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write_gradients(
    means: &Array<f32>,
    scores: &SharedMemory<f32>,
    map: &Array<f32>,
    dmap: &Array<f32>,
    site: &Site,
    strip: &Strip,
    from: usize,
    scale: f32,
    dropped: &Drop,
    dscores: &mut Array<bf16>,
    weights: &mut SharedMemory<bf16>,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        #[unroll]
        for i in 0..comptime!(block.rows / SHARE) {
            let entry = entry(scores, map, dmap, &row, from, i, dropped, block, by);
            let gradient = entry.probability * (entry.gradient - means[turn]) * scale;
            let (key, gradient) = (row.key + SHARE * i, bf16::cast_from(gradient));
            weights[row.local * comptime!(block.score_pitch()) + key] = gradient;
            if from + key < row.visible {
                dscores[row.entry + from + key] = gradient;
            }
        }
    }
}

/// Gradients of scores and queries: a block of queries (x) of one head (y) of one sentence (z).
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn plane_query_grad_kernel<N: Size>(
    dy: &Array<Vector<bf16, N>>,
    dmap: &Array<f32>,
    map: &Array<f32>,
    k: &Array<Vector<bf16, N>>,
    v: &Array<Vector<bf16, N>>,
    spans: &Array<u32>,
    dscores: &mut Array<bf16>,
    dq: &mut Array<Vector<bf16, N>>,
    q_lay: &Lay,
    k_lay: &Lay,
    v_lay: &Lay,
    of: &Heads,
    dropped: &Drop,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    let site = site(spans, of);
    let (span, first) = (site.span, CUBE_POS_X as usize * block.rows);
    if first < span.query_len {
        let strip = strip(first);
        let results = adjacent_rows(span.query_start, span.query_len, of, block);
        let queries = rows(span.query_start, span.query_len, q_lay, block);
        let keys = rows(span.key_start, span.key_valid, k_lay, block);
        let value_rows = rows(span.key_start, span.key_valid, v_lay, block);
        let visible = most_visible(&site, strip.first, TILE);
        let end = most_visible(&site, first, block.rows);

        let mut gradients = shared_operand::<N>(block);
        let mut values = shared_operand::<N>(block);
        let mut others = shared_operand::<N>(block);
        let mut scores = shared_scores(block);
        let mut weights = shared_weights(block);
        let mut stage = shared_stage(block);
        if comptime!(by.context) {
            load::<N>(dy, &results, first, &mut gradients, block);
        }
        let mut means = Array::<f32>::new(TURNS);
        #[unroll]
        for turn in 0..TURNS {
            means[turn] = 0.0;
        }
        for from in range_stepped(0, end, block.rows) {
            if comptime!(by.context) {
                sync_cube();
                load::<N>(v, &value_rows, from, &mut values, block);
                sync_cube();
                let tiles = tiles(visible, from, block);
                products::<N>(&gradients, &values, &strip, tiles, &mut scores, block);
                sync_plane();
            }
            add_means(&mut means, &scores, map, dmap, &site, &strip, from, dropped, block, by);
            sync_plane();
        }
        #[unroll]
        for turn in 0..TURNS {
            means[turn] = shared_sum(means[turn]);
        }
        let sums = zeros(block);
        for from in range_stepped(0, end, block.rows) {
            let tiles = tiles(visible, from, block);
            sync_cube();
            load::<N>(k, &keys, from, &mut others, block);
            if comptime!(by.context) {
                load::<N>(v, &value_rows, from, &mut values, block);
            }
            sync_cube();
            if comptime!(by.context) {
                products::<N>(&gradients, &values, &strip, tiles, &mut scores, block);
                sync_plane();
            }
            write_gradients(
                &means,
                &scores,
                map,
                dmap,
                &site,
                &strip,
                from,
                of.scale,
                dropped,
                dscores,
                &mut weights,
                block,
                by,
            );
            sync_plane();
            accumulate::<N>(&weights, &others, &strip, tiles, &sums, block, false);
            sync_plane();
        }
        write::<N>(&sums, &mut stage, dq, &queries, &strip, block);
    }
}

/// Loads the gradients of a strip's scores to shared memory, and the probabilities after dropout, for the keys from `first`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn load_weights(
    dscores: &Array<bf16>,
    map: &Array<f32>,
    site: &Site,
    strip: &Strip,
    first: usize,
    dropped: &Drop,
    by_score: &mut SharedMemory<bf16>,
    by_weight: &mut SharedMemory<bf16>,
    #[comptime] block: Block,
    #[comptime] by: Sources,
) {
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        #[unroll]
        for i in 0..comptime!(block.rows / SHARE) {
            let key = row.key + SHARE * i;
            let (at, local) =
                (row.entry + first + key, row.local * comptime!(block.score_pitch()) + key);
            let mut gradient = bf16::cast_from(0.0f32);
            let mut kept = 0.0f32;
            if first + key < row.visible {
                gradient = dscores[at];
                kept = map[at];
                if comptime!(by.drops) {
                    kept *= factor(dropped, at as u32);
                }
            }
            by_score[local] = gradient;
            by_weight[local] = bf16::cast_from(kept);
        }
    }
}

/// Gradients of keys and values: a block of keys (x) of one head (y) of one sentence (z).
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn plane_key_grad_kernel<N: Size>(
    dy: &Array<Vector<bf16, N>>,
    map: &Array<f32>,
    q: &Array<Vector<bf16, N>>,
    dscores: &Array<bf16>,
    spans: &Array<u32>,
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
    let (span, first) = (site.span, CUBE_POS_X as usize * block.rows);
    if first < span.key_len {
        let own = strip(first);
        let results = adjacent_rows(span.query_start, span.query_len, of, block);
        let queries = rows(span.query_start, span.query_len, q_lay, block);
        let keys = rows(span.key_start, span.key_len, k_lay, block);
        let value_rows = rows(span.key_start, span.key_len, v_lay, block);

        let mut gradients = shared_operand::<N>(block);
        let mut others = shared_operand::<N>(block);
        let mut by_score = shared_weights(block);
        let mut by_weight = shared_weights(block);
        let mut stage = shared_stage(block);
        let (dk_sums, dv_sums) = (zeros(block), zeros(block));
        // Invalid keys are visible to no query. In a causal grid, keys are not visible to earlier queries.
        let end = select(first < span.key_valid, span.query_len, 0);
        let begin = select(of.causal == 1, first, 0);
        for from in range_stepped(begin, end, block.rows) {
            sync_cube();
            load::<N>(q, &queries, from, &mut others, block);
            if comptime!(by.context) {
                load::<N>(dy, &results, from, &mut gradients, block);
            }
            let strip = strip(from);
            load_weights(
                dscores,
                map,
                &site,
                &strip,
                first,
                dropped,
                &mut by_score,
                &mut by_weight,
                block,
                by,
            );
            sync_cube();
            let tiles = tiles(span.query_len, from, block);
            accumulate::<N>(&by_score, &others, &own, tiles, &dk_sums, block, true);
            if comptime!(by.context) {
                accumulate::<N>(&by_weight, &gradients, &own, tiles, &dv_sums, block, true);
            }
        }
        write::<N>(&dk_sums, &mut stage, dk, &keys, &own, block);
        write::<N>(&dv_sums, &mut stage, dv, &value_rows, &own, block);
    }
}
