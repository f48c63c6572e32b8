//! Attention, by tiles of queries.

use super::super::cube::{LOWEST, Place, place, visible};
use super::super::pointwise::{Drop, factor};
use super::HeadsOf;
use super::tile::{
    Seat, Tile, load, mix, no_sums, products, rescale, room, row_max, row_sum, run, seat, told,
    write,
};
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// A unit's queries.
#[derive(CubeType)]
pub(super) struct Asks {
    /// The keys that each sees (none where there is no such query), and those that any of the cube's sees.
    pub seen: Array<usize>,
    pub most_seen: usize,
    /// Where the row of each begins in the map.
    pub map_rows: Array<usize>,
}

#[cube]
pub(super) fn asks(
    span: &Place,
    of: &HeadsOf,
    first: usize,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Asks {
    let head = CUBE_POS_Y as usize;
    let area = span.query_len * span.key_len;
    let map = of.heads as usize * span.before + head * area;
    let rows = comptime!(tile.rows());
    let mut seen = Array::<usize>::new(rows);
    let mut map_rows = Array::<usize>::new(rows);
    #[unroll]
    for i in 0..rows {
        let row = first + seat.row + tile.side * i;
        seen[i] = select(row < span.query_len, visible(of.causal, row, span.key_valid), 0);
        map_rows[i] = map + row * span.key_len;
    }
    let last = min(first + tile.own, span.query_len) - 1;
    Asks { seen, most_seen: visible(of.causal, last, span.key_valid), map_rows }
}

/// What `x`, laid out as a map, has for a unit's queries and each of its keys of the tile from `block` on; 0 where
/// a query does not see a key.
#[cube]
pub(super) fn look<M: Size>(
    x: &Array<f32>,
    asks: &Asks,
    block: usize,
    seat: &Seat,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let mut found = no_sums::<M>(comptime!(tile.others()));
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + seat.col + tile.side * j;
        let mut value = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < asks.seen[i] {
                value[i] = x[asks.map_rows[i] + key];
            }
        }
        found[j] = value;
    }
    found
}

/// The scores of a unit's keys of the tile from `block` on, the lowest where a query does not see a key; the map gets
/// those that are seen.
#[cube]
#[allow(clippy::too_many_arguments)]
fn score<N: Size, M: Size>(
    queries: &SharedMemory<Vector<f32, N>>,
    keys: &SharedMemory<Vector<f32, N>>,
    scale: f32,
    asks: &Asks,
    block: usize,
    map: &mut Array<f32>,
    seat: &Seat,
    #[comptime] tile: Tile,
    #[comptime] wants_map: bool,
) -> Array<Vector<f32, M>> {
    let mut scores = products::<N, M>(queries, keys, seat, tile);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + seat.col + tile.side * j;
        let mut score = scores[j] * Vector::new(scale);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < asks.seen[i] {
                if wants_map {
                    let at = asks.map_rows[i] + key;
                    map[at] = score[i];
                }
            } else {
                score[i] = LOWEST;
            }
        }
        scores[j] = score;
    }
    scores
}

/// Tells all units what values weigh under these scores, after dropout; the sum of this unit's weights, before it.
#[cube]
#[allow(clippy::too_many_arguments)]
fn weigh<M: Size>(
    scores: &Array<Vector<f32, M>>,
    most: Vector<f32, M>,
    asks: &Asks,
    block: usize,
    dropped: &Drop,
    weights: &mut SharedMemory<Vector<f32, M>>,
    seat: &Seat,
    #[comptime] tile: Tile,
    #[comptime] drops: bool,
) -> Vector<f32, M> {
    let mut sum = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let place = seat.col + tile.side * j;
        let key = block + place;
        let mut weight = (scores[j] - most).exp();
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            weight[i] = select(key < asks.seen[i], weight[i], 0.0);
        }
        sum += weight;
        if drops {
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                weight[i] *= factor(dropped, (asks.map_rows[i] + key) as u32);
            }
        }
        weights[told(place, seat.row, tile)] = weight;
    }
    sum
}

/// Makes probabilities of the scores in the map, which each unit finds where it wrote them itself.
#[cube]
#[allow(clippy::too_many_arguments)]
fn finish_map<M: Size>(
    map: &mut Array<f32>,
    most: Vector<f32, M>,
    scales: Vector<f32, M>,
    span: &Place,
    asks: &Asks,
    first: usize,
    seat: &Seat,
    #[comptime] tile: Tile,
) {
    let mut block = 0usize.runtime();
    while block < span.key_len {
        let scores = look::<M>(map, asks, block, seat, tile);
        #[unroll]
        for j in 0..comptime!(tile.others()) {
            let key = block + seat.col + tile.side * j;
            let weight = (scores[j] - most).exp() * scales;
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                let row = first + seat.row + tile.side * i;
                if row < span.query_len && key < span.key_len {
                    let at = asks.map_rows[i] + key;
                    map[at] = select(key < asks.seen[i], weight[i], 0.0);
                }
            }
        }
        block += tile.other;
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(super) fn attend_kernel<F: Float, N: Size, M: Size>(
    q: &Array<Vector<f32, N>>,
    k: &Array<Vector<f32, N>>,
    v: &Array<Vector<f32, N>>,
    spans: &Array<u32>,
    context: &mut Array<Vector<f32, N>>,
    short: &mut Array<Vector<F, N>>,
    map: &mut Array<f32>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] wants_map: bool,
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

        let mut queries = room::<N>(tile.own, tile);
        let mut keys = room::<N>(tile.other, tile);
        let mut values = room::<N>(tile.other, tile);
        let mut tops = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.side * tile.side));
        let mut weights = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        load::<N>(q, &query_run, first, &mut queries, tile.own, tile);

        let mut sums = no_sums::<N>(comptime!(rows * tile.columns()));
        let mut most = Vector::<f32, M>::new(LOWEST);
        let mut total = Vector::<f32, M>::new(0.0f32);
        let mut block = 0usize.runtime();
        while block < asks.most_seen {
            if block > 0 {
                sync_cube();
            }
            load::<N>(k, &key_run, block, &mut keys, tile.other, tile);
            load::<N>(v, &key_run, block, &mut values, tile.other, tile);
            sync_cube();

            let scores =
                score::<N, M>(&queries, &keys, of.scale, &asks, block, map, &seat, tile, wants_map);
            let mut top = most;
            #[unroll]
            for j in 0..comptime!(tile.others()) {
                top = max(top, scores[j]);
            }
            let top = row_max::<M>(top, &mut tops, &seat, tile);
            let shrink = (most - top).exp();
            most = top;
            let sum =
                weigh::<M>(&scores, most, &asks, block, dropped, &mut weights, &seat, tile, drops);
            total = total * shrink + sum;
            rescale::<N, M>(&mut sums, shrink, tile);
            sync_cube();
            let count = min(tile.other, asks.most_seen - block);
            mix::<N, M>(&weights, &values, count, &seat, &mut sums, tile);
            block += tile.other;
        }

        let total = row_sum::<M>(total, &mut tops, &seat, tile);
        let mut scales = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..rows {
            if total[i] > 0.0 {
                scales[i] = 1.0 / total[i];
            }
        }
        write::<F, N, M>(&sums, scales, context, short, &query_run, first, &seat, tile, rounds);
        if wants_map {
            finish_map::<M>(map, most, scales, &span, &asks, first, &seat, tile);
        }
    }
}
