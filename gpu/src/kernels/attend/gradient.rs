//! The gradients: of scores and queries by tiles of queries, then of keys and values by tiles of keys.

use super::super::cube::{DeviceSpan, read_span, visible_keys};
use super::super::pointwise::{Drop, factor};
use super::forward::{UnitQueries, load_map, unit_queries};
use super::heads::Heads;
use super::tile::{
    Tile, UnitPosition, accumulate, head_rows, load, products, row_sum, shared_index, shared_rows,
    unit_position, write, zero_vectors,
};
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// Writes the gradients of a unit's probabilities to `dscores`, which holds them until the next pass. They are the sum of
/// the gradients through the context, after dropout, and through the map. Returns the unit's part of their mean under the
/// probabilities.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write_probability_gradients<M: Size>(
    from_context: &Array<Vector<f32, M>>,
    from_map: &Array<Vector<f32, M>>,
    probabilities: &Array<Vector<f32, M>>,
    unit_queries: &UnitQueries,
    block: usize,
    dropped: &Drop,
    dscores: &mut Array<f32>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
    #[comptime] drops: bool,
) -> Vector<f32, M> {
    let mut mean = Vector::<f32, M>::new(0.0f32);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let key = block + unit.col + tile.side * j;
        let mut gradient = from_context[j];
        if drops {
            #[unroll]
            for i in 0..comptime!(tile.rows()) {
                gradient[i] *= factor(dropped, (unit_queries.map_rows[i] + key) as u32);
            }
        }
        gradient += from_map[j];
        let share = gradient * probabilities[j];
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if key < unit_queries.visible[i] {
                let entry = unit_queries.map_rows[i] + key;
                dscores[entry] = gradient[i];
                mean[i] += share[i];
            }
        }
    }
    mean
}

/// Writes the gradients of a unit's scores to `dscores`, and as weights to shared memory.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write_score_gradients<M: Size>(
    map: &Array<f32>,
    mean: Vector<f32, M>,
    scale: f32,
    unit_queries: &UnitQueries,
    block: usize,
    dscores: &mut Array<f32>,
    weights: &mut SharedMemory<Vector<f32, M>>,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) {
    let probabilities = load_map::<M>(map, unit_queries, block, unit, tile);
    let gradients = load_map::<M>(dscores, unit_queries, block, unit, tile);
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let index = unit.col + tile.side * j;
        // 0 where a key is not visible, as the probability is 0.
        let weight = probabilities[j] * (gradients[j] - mean) * Vector::new(scale);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            if block + index < unit_queries.visible[i] {
                let entry = unit_queries.map_rows[i] + block + index;
                dscores[entry] = weight[i];
            }
        }
        weights[shared_index(index, unit.row, tile)] = weight;
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
    of: &Heads,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] has_dy: bool,
    #[comptime] has_dmap: bool,
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

        let mut own = shared_rows::<N>(tile.own, tile);
        let mut values = shared_rows::<N>(tile.other, tile);
        let mut keys = shared_rows::<N>(tile.other, tile);
        let mut means = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.side * tile.side));
        let mut weights = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        if has_dy {
            load::<N>(dy, &query_rows, first, &mut own, tile.own, tile);
        }
        if unit_queries.max_visible > 0 {
            // Used only below; loaded early to hide the latency.
            load::<N>(k, &key_rows, 0, &mut keys, tile.other, tile);
        }

        // The gradients of the probabilities, and their mean under the probabilities.
        let mut mean = Vector::<f32, M>::new(0.0f32);
        let mut block = 0usize.runtime();
        while block < unit_queries.max_visible {
            let probabilities = load_map::<M>(map, &unit_queries, block, &unit, tile);
            let from_map = if has_dmap {
                load_map::<M>(dmap, &unit_queries, block, &unit, tile)
            } else {
                zero_vectors::<M>(comptime!(tile.others()))
            };
            if block > 0 {
                sync_cube();
            }
            if has_dy {
                load::<N>(v, &key_rows, block, &mut values, tile.other, tile);
            }
            sync_cube();
            let gradients = if has_dy {
                products::<N, M>(&own, &values, &unit, tile)
            } else {
                zero_vectors::<M>(comptime!(tile.others()))
            };
            mean += write_probability_gradients::<M>(
                &gradients,
                &from_map,
                &probabilities,
                &unit_queries,
                block,
                dropped,
                dscores,
                &unit,
                tile,
                drops,
            );
            block += tile.other;
        }
        let mean = row_sum::<M>(mean, &mut means, &unit, tile);

        let mut sums = zero_vectors::<N>(comptime!(rows * tile.columns()));
        block = 0;
        while block < unit_queries.max_visible {
            if block > 0 {
                sync_cube();
                load::<N>(k, &key_rows, block, &mut keys, tile.other, tile);
            }
            write_score_gradients::<M>(
                map,
                mean,
                of.scale,
                &unit_queries,
                block,
                dscores,
                &mut weights,
                &unit,
                tile,
            );
            sync_cube();
            let count = min(tile.other, unit_queries.max_visible - block);
            accumulate::<N, M>(&weights, &keys, count, &unit, &mut sums, tile);
            block += tile.other;
        }
        let one = Vector::<f32, M>::new(1.0f32);
        write::<F, N, M>(&sums, one, dq, short, &query_rows, first, &unit, tile, rounds);
    }
}

/// Loads the elements of `x`, laid out as a map that starts at `map_head`, for a unit's queries of the tile at `block` and
/// its keys; 0 where a key is not visible to a query. Here `col` selects a unit's keys and `row` its queries, so that
/// adjacent units read adjacent elements.
#[cube]
#[allow(clippy::too_many_arguments)]
fn load_map_by_key<M: Size>(
    x: &Array<f32>,
    map_head: usize,
    span: &DeviceSpan,
    causal: u32,
    first: usize,
    block: usize,
    unit: &UnitPosition,
    #[comptime] tile: Tile,
) -> Array<Vector<f32, M>> {
    let mut loaded = zero_vectors::<M>(comptime!(tile.others()));
    #[unroll]
    for j in 0..comptime!(tile.others()) {
        let row = block + unit.row + tile.side * j;
        let keys = select(row < span.query_len, span.key_valid, 0);
        let visible = visible_keys(causal, row, keys);
        let mut value = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for i in 0..comptime!(tile.rows()) {
            let key = first + unit.col + tile.side * i;
            if key < visible {
                value[i] = x[map_head + row * span.key_len + key];
            }
        }
        loaded[j] = value;
    }
    loaded
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
    of: &Heads,
    dropped: &Drop,
    #[comptime] tile: Tile,
    #[comptime] has_dy: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile.own;
    if first < span.key_len {
        let (unit, rows) = (unit_position(tile), comptime!(tile.rows()));
        let head = CUBE_POS_Y as usize;
        let map_head = of.heads as usize * span.before + head * span.query_len * span.key_len;
        let width = of.width as usize;
        let query_rows = head_rows(span.query_start, span.query_len, width, tile);
        let key_rows = head_rows(span.key_start, span.key_len, width, tile);

        let mut queries = shared_rows::<N>(tile.other, tile);
        let mut gradients = shared_rows::<N>(tile.other, tile);
        let mut by_score = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));
        let mut by_weight = SharedMemory::<Vector<f32, M>>::new(comptime!(tile.other * tile.side));

        let mut dk_sums = zero_vectors::<N>(comptime!(rows * tile.columns()));
        let mut dv_sums = zero_vectors::<N>(comptime!(rows * tile.columns()));
        // Invalid keys are visible to no query. In a causal grid, keys are not visible to earlier queries.
        let end = select(first < span.key_valid, span.query_len, 0);
        let mut block = select(of.causal == 1, first / tile.other * tile.other, 0);
        let begin = block;
        while block < end {
            if block > begin {
                sync_cube();
            }
            let by = load_map_by_key::<M>(
                dscores, map_head, &span, of.causal, first, block, &unit, tile,
            );
            let probabilities = if has_dy {
                load_map_by_key::<M>(map, map_head, &span, of.causal, first, block, &unit, tile)
            } else {
                zero_vectors::<M>(comptime!(tile.others()))
            };
            load::<N>(q, &query_rows, block, &mut queries, tile.other, tile);
            if has_dy {
                load::<N>(dy, &query_rows, block, &mut gradients, tile.other, tile);
            }
            #[unroll]
            for j in 0..comptime!(tile.others()) {
                let index = unit.row + tile.side * j;
                by_score[shared_index(index, unit.col, tile)] = by[j];
                if has_dy {
                    let mut weight = probabilities[j];
                    if drops {
                        let first_entry =
                            map_head + (block + index) * span.key_len + first + unit.col;
                        #[unroll]
                        for i in 0..rows {
                            weight[i] *= factor(dropped, (first_entry + tile.side * i) as u32);
                        }
                    }
                    by_weight[shared_index(index, unit.col, tile)] = weight;
                }
            }
            sync_cube();
            let count = min(tile.other, end - block);
            accumulate::<N, M>(&by_score, &queries, count, &unit, &mut dk_sums, tile);
            if has_dy {
                accumulate::<N, M>(&by_weight, &gradients, count, &unit, &mut dv_sums, tile);
            }
            block += tile.other;
        }
        let one = Vector::<f32, M>::new(1.0f32);
        write::<F, N, M>(&dk_sums, one, dk, short_dk, &key_rows, first, &unit, tile, rounds);
        write::<F, N, M>(&dv_sums, one, dv, short_dv, &key_rows, first, &unit, tile, rounds);
    }
}
