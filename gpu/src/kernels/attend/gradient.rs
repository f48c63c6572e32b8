//! Gradients of attention: of scores and queries by tiles of queries, then of keys and values by tiles of keys.

use super::super::cube::{Place, place, visible};
use super::super::pointwise::{Drop, factor};
use super::HeadsOf;
use super::forward::{Asks, asks, look};
use super::tile::{
    Seat, Tile, load, mix, no_sums, products, room, row_sum, run, seat, told, write,
};
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// Gradients of a unit's probabilities, into `dscores` for now: what comes by the context, past its dropout, and what
/// comes from the map. The unit's share of their mean under the probabilities.
#[cube]
#[allow(clippy::too_many_arguments)]
fn tell_gradients<M: Size>(
    from_context: &Array<Vector<f32, M>>,
    from_map: &Array<Vector<f32, M>>,
    probabilities: &Array<Vector<f32, M>>,
    asks: &Asks,
    block: usize,
    dropped: &Drop,
    dscores: &mut Array<f32>,
    seat: &Seat,
    #[comptime] tile: Tile,
    #[comptime] drops: bool,
) -> Vector<f32, M> {
    let mut mean = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + seat.col + tile.side * j;
        let mut gradient = from_context[j];
        if drops {
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                gradient[i] *= factor(dropped, (asks.map_rows[i] + key) as u32);
            }
        }
        gradient += from_map[j];
        let share = gradient * probabilities[j];
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < asks.seen[i] {
                let at = asks.map_rows[i] + key;
                dscores[at] = gradient[i];
                mean[i] += share[i];
            }
        }
    }
    mean
}

/// Gradients of a unit's scores, into `dscores` and as weights for all units.
#[cube]
#[allow(clippy::too_many_arguments)]
fn tell_scores<M: Size>(
    map: &Array<f32>,
    mean: Vector<f32, M>,
    scale: f32,
    asks: &Asks,
    block: usize,
    dscores: &mut Array<f32>,
    weights: &mut SharedMemory<Vector<f32, M>>,
    seat: &Seat,
    #[comptime] tile: Tile,
) {
    let probabilities = look::<M>(map, asks, block, seat, tile);
    let gradients = look::<M>(dscores, asks, block, seat, tile);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let place = seat.col + tile.side * j;
        // Nothing where nothing is seen: the probability is 0.
        let weight = probabilities[j] * (gradients[j] - mean) * Vector::new(scale);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if block + place < asks.seen[i] {
                let at = asks.map_rows[i] + block + place;
                dscores[at] = weight[i];
            }
        }
        weights[told(place, seat.row, tile)] = weight;
    }
}

/// Gradients of scores and queries, by tiles of queries.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn query_grad_kernel<F: Float, N: Size, M: Size>(
    dy: &Array<Vector<f32, N>>,
    dmap: &Array<f32>,
    map: &Array<f32>,
    k: &Array<Vector<f32, N>>,
    v: &Array<Vector<f32, N>>,
    spans: &Array<u32>,
    dscores: &mut Array<f32>,
    dq: &mut Array<Vector<f32, N>>,
    short: &mut Array<Vector<F, N>>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] has_dy: bool,
    #[comptime] has_dmap: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let span = place(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile.own;
    if first < span.query_len {
        let (seat, rows) = (seat(tile), comptime!(tile.rows()));
        let asks = asks(&span, of, first, &seat, tile);
        let width = of.width as usize;
        let query_run = run(span.query_start, span.query_len, width, tile);
        let key_run = run(span.key_start, span.key_len, width, tile);

        let mut own = room::<N>(tile.own, tile);
        let mut values = room::<N>(tile.other, tile);
        let mut keys = room::<N>(tile.other, tile);
        let mut means = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.side * tile.side));
        let mut weights = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        if has_dy {
            load::<N>(dy, &query_run, first, &mut own, tile.own, tile);
        }
        if asks.most_seen > 0 {
            // Wanted only below, but on their way now.
            load::<N>(k, &key_run, 0, &mut keys, tile.other, tile);
        }

        // Gradients of probabilities, and their mean under the probabilities.
        let mut mean = Vector::<f32, M>::new(0.0f32);
        let mut block = 0usize.runtime();
        while block < asks.most_seen {
            let probabilities = look::<M>(map, &asks, block, &seat, tile);
            let from_map = if has_dmap {
                look::<M>(dmap, &asks, block, &seat, tile)
            } else {
                no_sums::<M>(comptime!(tile.others()))
            };
            if block > 0 {
                sync_cube();
            }
            if has_dy {
                load::<N>(v, &key_run, block, &mut values, tile.other, tile);
            }
            sync_cube();
            let gradients = if has_dy {
                products::<N, M>(&own, &values, &seat, tile)
            } else {
                no_sums::<M>(comptime!(tile.others()))
            };
            mean += tell_gradients::<M>(
                &gradients,
                &from_map,
                &probabilities,
                &asks,
                block,
                dropped,
                dscores,
                &seat,
                tile,
                drops,
            );
            block += tile.other;
        }
        let mean = row_sum::<M>(mean, &mut means, &seat, tile);

        let mut sums = no_sums::<N>(comptime!(rows * tile.columns()));
        block = 0;
        while block < asks.most_seen {
            if block > 0 {
                sync_cube();
                load::<N>(k, &key_run, block, &mut keys, tile.other, tile);
            }
            tell_scores::<M>(map, mean, of.scale, &asks, block, dscores, &mut weights, &seat, tile);
            sync_cube();
            let count = min(tile.other, asks.most_seen - block);
            mix::<N, M>(&weights, &keys, count, &seat, &mut sums, tile);
            block += tile.other;
        }
        let one = Vector::<f32, M>::new(1.0f32);
        write::<F, N, M>(&sums, one, dq, short, &query_run, first, &seat, tile, rounds);
    }
}

/// What `x`, laid out as a map that begins at `map_head`, has for each of a unit's queries of the tile from `block` on
/// and its keys; 0 where a query does not see a key. Here a unit's keys go by `col`, its queries by `row`: then
/// neighbours read neighbours.
#[cube]
#[allow(clippy::too_many_arguments)]
fn look_down<M: Size>(
    x: &Array<f32>,
    map_head: usize,
    span: &Place,
    causal: u32,
    first: usize,
    block: usize,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let mut found = no_sums::<M>(comptime!(tile.others()));
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let row = block + seat.row + tile.side * j;
        let there = select(row < span.query_len, span.key_valid, 0);
        let seen = visible(causal, row, there);
        let mut value = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            let key = first + seat.col + tile.side * i;
            if key < seen {
                value[i] = x[map_head + row * span.key_len + key];
            }
        }
        found[j] = value;
    }
    found
}

/// Gradients of keys and values, by tiles of keys.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn key_grad_kernel<F: Float, N: Size, M: Size>(
    dy: &Array<Vector<f32, N>>,
    map: &Array<f32>,
    q: &Array<Vector<f32, N>>,
    dscores: &Array<f32>,
    spans: &Array<u32>,
    dk: &mut Array<Vector<f32, N>>,
    dv: &mut Array<Vector<f32, N>>,
    short_dk: &mut Array<Vector<F, N>>,
    short_dv: &mut Array<Vector<F, N>>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] has_dy: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let span = place(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile.own;
    if first < span.key_len {
        let (seat, rows) = (seat(tile), comptime!(tile.rows()));
        let head = CUBE_POS_Y as usize;
        let map_head = of.heads as usize * span.before + head * span.query_len * span.key_len;
        let width = of.width as usize;
        let query_run = run(span.query_start, span.query_len, width, tile);
        let key_run = run(span.key_start, span.key_len, width, tile);

        let mut queries = room::<N>(tile.other, tile);
        let mut gradients = room::<N>(tile.other, tile);
        let mut by_score = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        let mut by_weight = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));

        let mut dk_sums = no_sums::<N>(comptime!(rows * tile.columns()));
        let mut dv_sums = no_sums::<N>(comptime!(rows * tile.columns()));
        // Nobody sees keys that are not valid; queries before a key do not see it in a causal grid.
        let end = select(first < span.key_valid, span.query_len, 0);
        let mut block = select(of.causal == 1, first / tile.other * tile.other, 0);
        let begin = block;
        while block < end {
            if block > begin {
                sync_cube();
            }
            let by = look_down::<M>(dscores, map_head, &span, of.causal, first, block, &seat, tile);
            let probabilities = if has_dy {
                look_down::<M>(map, map_head, &span, of.causal, first, block, &seat, tile)
            } else {
                no_sums::<M>(comptime!(tile.others()))
            };
            load::<N>(q, &query_run, block, &mut queries, tile.other, tile);
            if has_dy {
                load::<N>(dy, &query_run, block, &mut gradients, tile.other, tile);
            }
            #[unroll]
            for j in 0..comptime!(tile.others()) {
                let place = seat.row + tile.side * j;
                by_score[told(place, seat.col, tile)] = by[j];
                if has_dy {
                    let mut weight = probabilities[j];
                    if drops {
                        let at = map_head + (block + place) * span.key_len + first + seat.col;
                        #[unroll]
                        for i in 0..rows {
                            weight[i] *= factor(dropped, (at + tile.side * i) as u32);
                        }
                    }
                    by_weight[told(place, seat.col, tile)] = weight;
                }
            }
            sync_cube();
            let count = min(tile.other, end - block);
            mix::<N, M>(&by_score, &queries, count, &seat, &mut dk_sums, tile);
            if has_dy {
                mix::<N, M>(&by_weight, &gradients, count, &seat, &mut dv_sums, tile);
            }
            block += tile.other;
        }
        let one = Vector::<f32, M>::new(1.0f32);
        write::<F, N, M>(&dk_sums, one, dk, short_dk, &key_run, first, &seat, tile, rounds);
        write::<F, N, M>(&dv_sums, one, dv, short_dv, &key_run, first, &seat, tile, rounds);
    }
}
