//! The forward pass, by tiles of queries.

use super::super::cube::{DeviceSpan, LOWEST, read_span, visible_keys};
use super::super::pointwise::{Drop, factor};
use super::heads::Heads;
use super::tile::{
    Tile, UnitPosition, accumulate, head_rows, load, products, rescale, row_max, row_sum,
    shared_index, shared_rows, unit_position, write, zero_vectors,
};
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// The queries of a unit.
#[derive(CubeType)]
pub(super) struct UnitQueries {
    /// The number of keys visible to each query, 0 where there is no such query; and the largest of the cube's queries.
    pub visible: Array<usize>,
    pub max_visible: usize,
    /// The index in the map at which the row of each query starts.
    pub map_rows: Array<usize>,
}

#[cube]
pub(super) fn unit_queries(
    span: &DeviceSpan,
    of: &Heads,
    first: usize,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> UnitQueries {
    let head = CUBE_POS_Y as usize;
    let area = span.query_len * span.key_len;
    let map = of.heads as usize * span.before + head * area;
    let rows = comptime!(tile.rows());
    let mut visible = Array::<usize>::new(rows);
    let mut map_rows = Array::<usize>::new(rows);
    #[unroll]
    for i in 0..rows {
        let row = first + unit.row + tile.side * i;
        visible[i] = select(row < span.query_len, visible_keys(of.causal, row, span.key_valid), 0);
        map_rows[i] = map + row * span.key_len;
    }
    let last = min(first + tile.own, span.query_len) - 1;
    UnitQueries { visible, max_visible: visible_keys(of.causal, last, span.key_valid), map_rows }
}

/// Loads the elements of `x`, laid out as a map, for a unit's queries and its keys of the tile at `block`; 0 where a key is
/// not visible to a query.
#[cube]
pub(super) fn load_map<M: Size>(
    x: &Array<f32>,
    unit_queries: &UnitQueries,
    block: usize,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let mut loaded = zero_vectors::<M>(comptime!(tile.others()));
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + unit.col + tile.side * j;
        let mut value = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < unit_queries.visible[i] {
                value[i] = x[unit_queries.map_rows[i] + key];
            }
        }
        loaded[j] = value;
    }
    loaded
}

/// The scores of a unit's queries and its keys of the tile at `block`; [`LOWEST`] where a key is not visible to a query.
/// Writes the visible scores to the map if it is wanted.
#[cube]
#[allow(clippy::too_many_arguments)]
fn compute_scores<N: Size, M: Size>(
    queries: &SharedMemory<Vector<f32, N>>,
    keys: &SharedMemory<Vector<f32, N>>,
    scale: f32,
    unit_queries: &UnitQueries,
    block: usize,
    map: &mut Array<f32>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
    #[comptime] wants_map: bool,
) -> Array<Vector<f32, M>> {
    let mut scores = products::<N, M>(queries, keys, unit, tile);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + unit.col + tile.side * j;
        let mut score = scores[j] * Vector::new(scale);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < unit_queries.visible[i] {
                if wants_map {
                    let entry = unit_queries.map_rows[i] + key;
                    map[entry] = score[i];
                }
            } else {
                score[i] = LOWEST;
            }
        }
        scores[j] = score;
    }
    scores
}

/// Writes the weights of values under these scores to shared memory, after dropout. Returns the sum of the unit's weights
/// before dropout.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write_weights<M: Size>(
    scores: &Array<Vector<f32, M>>,
    largest: Vector<f32, M>,
    unit_queries: &UnitQueries,
    block: usize,
    dropped: &Drop,
    weights: &mut SharedMemory<Vector<f32, M>>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
    #[comptime] drops: bool,
) -> Vector<f32, M> {
    let mut sum = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let index = unit.col + tile.side * j;
        let key = block + index;
        let mut weight = (scores[j] - largest).exp();
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            weight[i] = select(key < unit_queries.visible[i], weight[i], 0.0);
        }
        sum += weight;
        if drops {
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                weight[i] *= factor(dropped, (unit_queries.map_rows[i] + key) as u32);
            }
        }
        weights[shared_index(index, unit.row, tile)] = weight;
    }
    sum
}

/// Turns the scores in the map into probabilities. Each unit reads only scores that it wrote itself.
#[cube]
#[allow(clippy::too_many_arguments)]
fn normalise_map<M: Size>(
    map: &mut Array<f32>,
    largest: Vector<f32, M>,
    scales: Vector<f32, M>,
    span: &DeviceSpan,
    unit_queries: &UnitQueries,
    first: usize,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) {
    let mut block = 0usize.runtime();
    while block < span.key_len {
        let scores = load_map::<M>(map, unit_queries, block, unit, tile);
        #[unroll]
        for j in 0..comptime!(tile.others()) {
            let key = block + unit.col + tile.side * j;
            let weight = (scores[j] - largest).exp() * scales;
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                let row = first + unit.row + tile.side * i;
                if row < span.query_len && key < span.key_len {
                    let entry = unit_queries.map_rows[i] + key;
                    map[entry] = select(key < unit_queries.visible[i], weight[i], 0.0);
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
    of: &Heads,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] wants_map: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile.own;
    if first < span.query_len {
        let (unit, rows) = (unit_position(tile), comptime!(tile.rows()));
        let unit_queries = unit_queries(&span, of, first, &unit, tile);
        let width = of.width as usize;
        let query_rows = head_rows(span.query_start, span.query_len, width, tile);
        let key_rows = head_rows(span.key_start, span.key_len, width, tile);

        let mut queries = shared_rows::<N>(tile.own, tile);
        let mut keys = shared_rows::<N>(tile.other, tile);
        let mut values = shared_rows::<N>(tile.other, tile);
        let mut row_maxima = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.side * tile.side));
        let mut weights = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        load::<N>(q, &query_rows, first, &mut queries, tile.own, tile);

        let mut sums = zero_vectors::<N>(comptime!(rows * tile.columns()));
        let mut largest = Vector::<f32, M>::new(LOWEST);
        let mut total = Vector::<f32, M>::new(0.0f32);
        let mut block = 0usize.runtime();
        while block < unit_queries.max_visible {
            if block > 0 {
                sync_cube();
            }
            load::<N>(k, &key_rows, block, &mut keys, tile.other, tile);
            load::<N>(v, &key_rows, block, &mut values, tile.other, tile);
            sync_cube();

            let scores = compute_scores::<N, M>(
                &queries,
                &keys,
                of.scale,
                &unit_queries,
                block,
                map,
                &unit,
                tile,
                wants_map,
            );
            let mut top = largest;
            #[unroll]
            for j in 0..comptime!(tile.others()) {
                top = max(top, scores[j]);
            }
            let top = row_max::<M>(top, &mut row_maxima, &unit, tile);
            let shrink = (largest - top).exp();
            largest = top;
            let sum = write_weights::<M>(
                &scores,
                largest,
                &unit_queries,
                block,
                dropped,
                &mut weights,
                &unit,
                tile,
                drops,
            );
            total = total * shrink + sum;
            rescale::<N, M>(&mut sums, shrink, tile);
            sync_cube();
            let count = min(tile.other, unit_queries.max_visible - block);
            accumulate::<N, M>(&weights, &values, count, &unit, &mut sums, tile);
            block += tile.other;
        }

        let total = row_sum::<M>(total, &mut row_maxima, &unit, tile);
        let mut scales = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..rows {
            if total[i] > 0.0 {
                scales[i] = 1.0 / total[i];
            }
        }
        write::<F, N, M>(&sums, scales, context, short, &query_rows, first, &unit, tile, rounds);
        if wants_map {
            normalise_map::<M>(map, largest, scales, &span, &unit_queries, first, &unit, tile);
        }
    }
}
