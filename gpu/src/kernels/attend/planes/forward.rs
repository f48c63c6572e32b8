//! The forward pass, by blocks of queries.

use super::super::heads::{Heads, Lay};
use super::block::{
    Block, SHARE, ScoreRow, Site, Strip, TILE, TURNS, accumulate, adjacent_rows, load,
    most_visible, products, rows, score_row, shared_max, shared_operand, shared_scores,
    shared_stage, shared_sum, shared_weights, site, strip, tiles, write, zeros,
};
use crate::kernels::cube::LOWEST;
use crate::kernels::pointwise::{Drop, factor};
use cubecl::prelude::*;
use half::bf16;

/// What the softmax of a row needs: its largest score, and the sum of the exponentials of what all scores are below it.
/// For each turn; the units that share a row have the same.
#[derive(CubeType)]
struct Softmax {
    largest: Array<f32>,
    total: Array<f32>,
}

#[cube]
fn softmax() -> Softmax {
    let mut largest = Array::<f32>::new(TURNS);
    let mut total = Array::<f32>::new(TURNS);
    #[unroll]
    for turn in 0..TURNS {
        largest[turn] = LOWEST;
        total[turn] = 0.0;
    }
    Softmax { largest, total }
}

/// The scaled score of the `i`th key of a unit; [`LOWEST`] if the query may not attend to it.
#[cube]
fn score(
    scores: &SharedMemory<f32>,
    row: &ScoreRow,
    from: usize,
    #[comptime] i: usize,
    scale: f32,
    #[comptime] block: Block,
) -> f32 {
    let key = row.key + SHARE * i;
    let mut score = LOWEST.runtime();
    if from + key < row.visible {
        score = scores[row.local * comptime!(block.score_pitch()) + key] * scale;
    }
    score
}

/// Takes in a strip of scores, of the keys from `from`.
#[cube]
fn take_in(
    softmax: &mut Softmax,
    scores: &SharedMemory<f32>,
    site: &Site,
    strip: &Strip,
    from: usize,
    scale: f32,
    #[comptime] block: Block,
) {
    let share = comptime!(block.rows / SHARE);
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        let mut own = Array::<f32>::new(share);
        let mut top = softmax.largest[turn];
        #[unroll]
        for i in 0..share {
            own[i] = score(scores, &row, from, i, scale, block);
            top = max(top, own[i]);
        }
        let top = shared_max(top);
        let mut sum = 0.0f32;
        #[unroll]
        for i in 0..share {
            let weight = (own[i] - top).exp();
            sum += select(from + row.key + SHARE * i < row.visible, weight, 0.0);
        }
        let shrink = (softmax.largest[turn] - top).exp();
        softmax.total[turn] = softmax.total[turn] * shrink + shared_sum(sum);
        softmax.largest[turn] = top;
    }
}

/// Writes the probabilities of a strip to the map, and after dropout to shared memory, for the keys from `from`.
#[cube]
// A condition that is known when the kernel is compiled stands apart.
#[allow(clippy::too_many_arguments, clippy::collapsible_if)]
fn give_out(
    softmax: &Softmax,
    scores: &SharedMemory<f32>,
    site: &Site,
    strip: &Strip,
    from: usize,
    of: &Heads,
    dropped: &Drop,
    map: &mut Array<f32>,
    weights: &mut SharedMemory<bf16>,
    #[comptime] block: Block,
    #[comptime] wants_map: bool,
    #[comptime] drops: bool,
) {
    #[unroll]
    for turn in 0..TURNS {
        let row = score_row(site, strip, turn);
        let (largest, total) = (softmax.largest[turn], softmax.total[turn]);
        let inverse = select(total > 0.0, 1.0 / total, 0.0);
        #[unroll]
        for i in 0..comptime!(block.rows / SHARE) {
            let key = row.key + SHARE * i;
            let (at, is_seen) = (row.entry + from + key, from + key < row.visible);
            let own = score(scores, &row, from, i, of.scale, block);
            let mut weight = select(is_seen, (own - largest).exp() * inverse, 0.0);
            if wants_map {
                if from + key < row.keys {
                    map[at] = weight;
                }
            }
            if drops {
                weight *= factor(dropped, at as u32);
            }
            weights[row.local * comptime!(block.score_pitch()) + key] = bf16::cast_from(weight);
        }
    }
}

/// Attention of a block of queries (x) of one head (y) of one sentence (z). `single` says that a block holds all keys.
#[cube(launch)]
#[allow(clippy::too_many_arguments, clippy::collapsible_if)]
pub(super) fn plane_attend_kernel<N: Size>(
    q: &Array<Vector<bf16, N>>,
    k: &Array<Vector<bf16, N>>,
    v: &Array<Vector<bf16, N>>,
    spans: &Array<u32>,
    context: &mut Array<Vector<bf16, N>>,
    map: &mut Array<f32>,
    q_lay: &Lay,
    k_lay: &Lay,
    v_lay: &Lay,
    of: &Heads,
    dropped: &Drop,
    #[comptime] block: Block,
    #[comptime] single: bool,
    #[comptime] wants_map: bool,
    #[comptime] drops: bool,
) {
    let site = site(spans, of);
    let (span, first) = (site.span, CUBE_POS_X as usize * block.rows);
    if first < span.query_len {
        let strip = strip(first);
        let queries = rows(span.query_start, span.query_len, q_lay, block);
        let keys = rows(span.key_start, span.key_valid, k_lay, block);
        let value_rows = rows(span.key_start, span.key_valid, v_lay, block);
        let results = adjacent_rows(span.query_start, span.query_len, of, block);
        let visible = most_visible(&site, strip.first, TILE);
        let all_visible = most_visible(&site, first, block.rows);

        let mut own = shared_operand::<N>(block);
        let mut others = shared_operand::<N>(block);
        let mut values = shared_operand::<N>(block);
        let mut scores = shared_scores(block);
        let mut weights = shared_weights(block);
        let mut stage = shared_stage(block);
        load::<N>(q, &queries, first, &mut own, block);
        load::<N>(k, &keys, 0, &mut others, block);
        if single {
            load::<N>(v, &value_rows, 0, &mut values, block);
        }
        sync_cube();

        let mut softmax = softmax();
        let mut from = 0usize.runtime();
        while from < all_visible {
            if comptime!(!single) {
                if from > 0 {
                    sync_cube();
                    load::<N>(k, &keys, from, &mut others, block);
                    sync_cube();
                }
            }
            products::<N>(&own, &others, &strip, tiles(visible, from, block), &mut scores, block);
            sync_plane();
            take_in(&mut softmax, &scores, &site, &strip, from, of.scale, block);
            from += block.rows;
        }

        let sums = zeros(block);
        let end = select(comptime!(wants_map), span.key_len, all_visible);
        from = 0;
        while from < end {
            let tiles = tiles(visible, from, block);
            if comptime!(!single) {
                sync_cube();
                load::<N>(k, &keys, from, &mut others, block);
                load::<N>(v, &value_rows, from, &mut values, block);
                sync_cube();
                products::<N>(&own, &others, &strip, tiles, &mut scores, block);
                sync_plane();
            }
            give_out(
                &softmax,
                &scores,
                &site,
                &strip,
                from,
                of,
                dropped,
                map,
                &mut weights,
                block,
                wants_map,
                drops,
            );
            sync_plane();
            accumulate::<N>(&weights, &values, &strip, tiles, &sums, block, false);
            sync_plane();
            from += block.rows;
        }
        write::<N>(&sums, &mut stage, context, &results, &strip, block);
    }
}
