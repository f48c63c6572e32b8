//! Scaled dot-product attention and its gradients.
//!
//! A cube takes a tile of queries (or keys) of one head of one sentence and walks over tiles of its keys (or
//! queries), which it holds in shared memory. Unit `(r, c)` owns row `r` of its tile: the score with key `c` of the
//! tile it walks over, and every column `c + tile * j` of the row's result.

use super::cube::{Extent, LOWEST, Place, place, visible};
use super::pointwise::{Drop, drop_arg, empty, factor, fill, zeros};
use crate::memory::Client;
use crate::row::Row;
use crate::tensor::{Index, Tensor};
use a2d_core::backend::{Attend, Attended, Kv, SavedAttend};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Floats of shared memory that three tiles may take: under what every device has.
const SHARED: usize = 7_000;

/// Rows of a tile: the most, up to 16, whose `size` columns fit.
fn tile_of(size: usize) -> usize {
    let fits = |tile: &usize| 3 * tile * (size + 1) + 2 * tile * (tile + 1) <= SHARED;
    let tile = [16, 8, 4, 2, 1].into_iter().find(fits);
    tile.unwrap_or_else(|| {
        panic!("a head of {size} columns does not fit the shared memory of a GPU")
    })
}

/// What all heads have in common.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct HeadsOf {
    /// D, the distance of rows.
    width: u32,
    heads: u32,
    causal: u32,
    scale: f32,
}

impl HeadsOf {
    fn arg<R: Runtime>(width: usize, heads: usize, causal: bool) -> HeadsOfLaunch<R> {
        let scale = 1.0 / ((width / heads) as f32).sqrt();
        HeadsOfLaunch::new(width as u32, heads as u32, u32::from(causal), scale)
    }
}

/// Rows `first..first + tile` of a run that has `len` rows and begins at row `start` of `x`, to shared memory, rows
/// `size + 1` apart; rows beyond the run are 0.
#[cube]
#[allow(clippy::too_many_arguments)]
fn load(
    x: &Array<f32>,
    to: &mut SharedMemory<f32>,
    start: usize,
    first: usize,
    len: usize,
    width: usize,
    #[comptime] size: usize,
    #[comptime] tile: usize,
) {
    let col = CUBE_POS_Y as usize * size;
    for i in range_stepped(UNIT_POS as usize, tile * size, tile * tile) {
        let (r, c) = (i / size, i % size);
        let mut value = 0.0f32;
        if first + r < len {
            value = x[(start + first + r) * width + col + c];
        }
        to[r * (size + 1) + c] = value;
    }
}

/// The product of row `a` of one tile with row `b` of another.
#[cube]
fn row_product(
    x: &SharedMemory<f32>,
    a: usize,
    y: &SharedMemory<f32>,
    b: usize,
    #[comptime] size: usize,
) -> f32 {
    let (a, b) = (a * (size + 1), b * (size + 1));
    let mut sum = 0.0f32;
    for i in 0..size {
        sum += x[a + i] * y[b + i];
    }
    sum
}

/// `sums[j] += sum_k weights[first + k] x[k, c + tile j]`, `k` over a tile.
#[cube]
fn mix(
    weights: &SharedMemory<f32>,
    first: usize,
    x: &SharedMemory<f32>,
    c: usize,
    sums: &mut Array<f32>,
    #[comptime] size: usize,
    #[comptime] tile: usize,
) {
    #[unroll]
    for j in 0..size.div_ceil(tile) {
        let col = c + tile * j;
        if col < size {
            let mut sum = 0.0f32;
            for k in 0..tile {
                sum += weights[first + k] * x[k * (size + 1) + col];
            }
            sums[j] += sum;
        }
    }
}

/// Writes the columns that this unit owns of a row of `out`.
#[cube]
fn write(
    sums: &Array<f32>,
    factor: f32,
    out: &mut Array<f32>,
    base: usize,
    c: usize,
    #[comptime] size: usize,
    #[comptime] tile: usize,
) {
    #[unroll]
    for j in 0..size.div_ceil(tile) {
        let col = c + tile * j;
        if col < size {
            out[base + col] = sums[j] * factor;
        }
    }
}

/// The query that a unit's row is.
#[derive(CubeType, Clone, Copy)]
struct Asks {
    /// Its number in the sentence.
    row: usize,
    /// Whether there is such a query.
    mine: bool,
    /// The keys that it sees, and those that any of its tile sees.
    seen: usize,
    most_seen: usize,
    /// Where its row of the map begins.
    map_row: usize,
}

#[cube]
fn asks(span: &Place, of: &HeadsOf, first: usize, r: usize, #[comptime] tile: usize) -> Asks {
    let (row, head) = (first + r, CUBE_POS_Y as usize);
    let area = span.query_len * span.key_len;
    Asks {
        row,
        mine: row < span.query_len,
        seen: visible(of.causal, row, span.key_valid),
        most_seen: visible(of.causal, first + tile - 1, span.key_valid),
        map_row: of.heads as usize * span.before + head * area + row * span.key_len,
    }
}

#[cube]
fn no_sums(#[comptime] count: usize) -> Array<f32> {
    let mut sums = Array::<f32>::new(count);
    #[unroll]
    for j in 0..count {
        sums[j] = 0.0;
    }
    sums
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn attend_kernel(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    spans: &Array<u32>,
    context: &mut Array<f32>,
    map: &mut Array<f32>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] size: usize,
    #[comptime] tile: usize,
    #[comptime] wants_map: bool,
    #[comptime] drops: bool,
) {
    let (head, width) = (CUBE_POS_Y as usize, of.width as usize);
    let span = place(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile;
    if first < span.query_len {
        let (r, c) = (UNIT_POS as usize / tile, UNIT_POS as usize % tile);
        let Asks { row, mine, seen, most_seen, map_row } = asks(&span, of, first, r, tile);

        let mut queries = SharedMemory::<f32>::new(tile * (size + 1));
        let mut keys = SharedMemory::<f32>::new(tile * (size + 1));
        let mut values = SharedMemory::<f32>::new(tile * (size + 1));
        let mut weights = SharedMemory::<f32>::new(tile * (tile + 1));
        let weight_row = r * (tile + 1);
        load(q, &mut queries, span.query_start, first, span.query_len, width, size, tile);

        let mut sums = no_sums(size.div_ceil(tile));
        let mut most = LOWEST.runtime();
        let mut total = 0.0f32;
        let mut block = 0usize.runtime();
        while block < most_seen {
            load(k, &mut keys, span.key_start, block, span.key_len, width, size, tile);
            load(v, &mut values, span.key_start, block, span.key_len, width, size, tile);
            sync_cube();
            let key = block + c;
            let sees = mine && key < seen;
            let mut score = LOWEST.runtime();
            if sees {
                score = row_product(&queries, r, &keys, c, size) * of.scale;
                if wants_map {
                    map[map_row + key] = score;
                }
            }
            weights[weight_row + c] = score;
            sync_cube();
            let mut higher = most;
            for j in 0..tile {
                higher = max(higher, weights[weight_row + j]);
            }
            let shrink = (most - higher).exp();
            most = higher;
            let mut weight = 0.0f32;
            if sees {
                weight = (score - most).exp();
            }
            sync_cube();
            weights[weight_row + c] = weight;
            sync_cube();
            total *= shrink;
            for j in 0..tile {
                total += weights[weight_row + j];
            }
            if drops {
                sync_cube();
                weights[weight_row + c] = weight * factor(dropped, (map_row + key) as u32);
                sync_cube();
            }
            #[unroll]
            for j in 0..size.div_ceil(tile) {
                sums[j] *= shrink;
            }
            mix(&weights, weight_row, &values, c, &mut sums, size, tile);
            sync_cube();
            block += tile;
        }

        if mine {
            let mut scale = 0.0f32;
            if total > 0.0 {
                scale = 1.0 / total;
            }
            let base = (span.query_start + row) * width + head * size;
            write(&sums, scale, context, base, c, size, tile);
            if wants_map {
                // Each unit finds the scores that it wrote itself.
                for key in range_stepped(c, span.key_len, tile) {
                    let mut weight = 0.0f32;
                    if key < seen {
                        weight = (map[map_row + key] - most).exp() * scale;
                    }
                    map[map_row + key] = weight;
                }
            }
        }
    }
}

/// `q` attends to `kv` within the sentences of `grid`.
pub(crate) fn attend<R: Runtime>(
    client: &Client<R>,
    q: &Tensor,
    kv: &Kv<Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> Attended<Tensor> {
    let width = check(q, kv, grid, how);
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let tile = tile_of(size);
    let area = if how.map { grid.area } else { 0 };
    let context = rows_like(client, q, extent.queries);
    let map = empty(client, Shape::matrix(how.heads, area));
    let (p, key) = dropout(&how);
    if extent.query > 0 {
        attend_kernel::launch::<R>(
            client,
            tiles(extent.query, tile, how.heads, grid.sentences),
            CubeDim::new_1d((tile * tile) as u32),
            q.view().arg(),
            kv.k.view().arg(),
            kv.v.view().arg(),
            grid.spans.view(client).arg(),
            context.view().arg(),
            map.view().arg(),
            HeadsOf::arg(width, how.heads, grid.causal),
            drop_arg(p, key),
            size,
            tile,
            how.map,
            p > 0.0,
        );
    }
    Attended { context, map: how.map.then_some(map) }
}

/// Gradients of scores and queries, by tiles of queries.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn query_grad_kernel(
    dy: &Array<f32>,
    dmap: &Array<f32>,
    map: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    spans: &Array<u32>,
    dscores: &mut Array<f32>,
    dq: &mut Array<f32>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] size: usize,
    #[comptime] tile: usize,
    #[comptime] has_dy: bool,
    #[comptime] has_dmap: bool,
    #[comptime] drops: bool,
) {
    let (head, width) = (CUBE_POS_Y as usize, of.width as usize);
    let span = place(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile;
    if first < span.query_len {
        let (r, c) = (UNIT_POS as usize / tile, UNIT_POS as usize % tile);
        let Asks { row, mine, seen, most_seen, map_row } = asks(&span, of, first, r, tile);

        let mut own = SharedMemory::<f32>::new(tile * (size + 1));
        let mut others = SharedMemory::<f32>::new(tile * (size + 1));
        let mut weights = SharedMemory::<f32>::new(tile * (tile + 1));
        let weight_row = r * (tile + 1);
        if has_dy {
            load(dy, &mut own, span.query_start, first, span.query_len, width, size, tile);
        }

        // Gradients of probabilities, and their mean under the probabilities.
        let mut mean = 0.0f32;
        let mut block = 0usize.runtime();
        while block < most_seen {
            if has_dy {
                load(v, &mut others, span.key_start, block, span.key_len, width, size, tile);
            }
            sync_cube();
            let key = block + c;
            if mine && key < seen {
                let mut gradient = 0.0f32;
                if has_dy {
                    gradient = row_product(&own, r, &others, c, size);
                    if drops {
                        gradient *= factor(dropped, (map_row + key) as u32);
                    }
                }
                if has_dmap {
                    gradient += dmap[map_row + key];
                }
                dscores[map_row + key] = gradient;
                mean += gradient * map[map_row + key];
            }
            sync_cube();
            block += tile;
        }
        weights[weight_row + c] = mean;
        sync_cube();
        mean = 0.0;
        for j in 0..tile {
            mean += weights[weight_row + j];
        }
        sync_cube();

        let mut sums = no_sums(size.div_ceil(tile));
        block = 0;
        while block < most_seen {
            load(k, &mut others, span.key_start, block, span.key_len, width, size, tile);
            let key = block + c;
            let mut gradient = 0.0f32;
            if mine && key < seen {
                let at = map_row + key;
                gradient = map[at] * (dscores[at] - mean) * of.scale;
                dscores[at] = gradient;
            }
            weights[weight_row + c] = gradient;
            sync_cube();
            mix(&weights, weight_row, &others, c, &mut sums, size, tile);
            sync_cube();
            block += tile;
        }
        if mine {
            let base = (span.query_start + row) * width + head * size;
            write(&sums, 1.0, dq, base, c, size, tile);
        }
    }
}

/// Gradients of keys and values, by tiles of keys.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn key_grad_kernel(
    dy: &Array<f32>,
    map: &Array<f32>,
    q: &Array<f32>,
    dscores: &Array<f32>,
    spans: &Array<u32>,
    dk: &mut Array<f32>,
    dv: &mut Array<f32>,
    of: &HeadsOf,
    dropped: &Drop,
    #[comptime] size: usize,
    #[comptime] tile: usize,
    #[comptime] has_dy: bool,
    #[comptime] drops: bool,
) {
    let (head, heads, width) = (CUBE_POS_Y as usize, of.heads as usize, of.width as usize);
    let span = place(spans, CUBE_POS_Z as usize);
    let first = CUBE_POS_X as usize * tile;
    if first < span.key_len {
        // Here `r` is a key of this tile, `c` a query of the tile walked over.
        let (r, c) = (UNIT_POS as usize / tile, UNIT_POS as usize % tile);
        let key = first + r;
        let mine = key < span.key_valid;
        let map_head = heads * span.before + head * span.query_len * span.key_len;

        let mut queries = SharedMemory::<f32>::new(tile * (size + 1));
        let mut gradients = SharedMemory::<f32>::new(tile * (size + 1));
        let mut by_score = SharedMemory::<f32>::new(tile * (tile + 1));
        let mut by_weight = SharedMemory::<f32>::new(tile * (tile + 1));
        let weight_row = r * (tile + 1);

        let mut dk_sums = no_sums(size.div_ceil(tile));
        let mut dv_sums = no_sums(size.div_ceil(tile));
        let mut block = 0usize.runtime();
        while block < span.query_len {
            load(q, &mut queries, span.query_start, block, span.query_len, width, size, tile);
            if has_dy {
                load(
                    dy,
                    &mut gradients,
                    span.query_start,
                    block,
                    span.query_len,
                    width,
                    size,
                    tile,
                );
            }
            let row = block + c;
            let mut gradient = 0.0f32;
            let mut weight = 0.0f32;
            if mine && row < span.query_len && key < visible(of.causal, row, span.key_valid) {
                let at = map_head + row * span.key_len + key;
                gradient = dscores[at];
                weight = map[at];
                if drops {
                    weight *= factor(dropped, at as u32);
                }
            }
            by_score[weight_row + c] = gradient;
            by_weight[weight_row + c] = weight;
            sync_cube();
            mix(&by_score, weight_row, &queries, c, &mut dk_sums, size, tile);
            if has_dy {
                mix(&by_weight, weight_row, &gradients, c, &mut dv_sums, size, tile);
            }
            sync_cube();
            block += tile;
        }
        if key < span.key_len {
            let base = (span.key_start + key) * width + head * size;
            write(&dk_sums, 1.0, dk, base, c, size, tile);
            write(&dv_sums, 1.0, dv, base, c, size, tile);
        }
    }
}

/// Gradients of [`attend`] for q, k and v.
pub(crate) fn attend_grad<R: Runtime>(
    client: &Client<R>,
    dy: Option<&Tensor>,
    dmap: Option<&Tensor>,
    saved: &SavedAttend<Tensor>,
    grid: &Grid<Index>,
    how: Attend,
) -> [Tensor; 3] {
    let SavedAttend { q, kv, map } = saved;
    let width = check(q, kv, grid, how);
    let (size, extent) = (width / how.heads, Extent::of(&grid.spans.values));
    let tile = tile_of(size);
    let (p, key) = dropout(&how);
    // One row: the three are rounded, and mapped back, together.
    let [dk, dv, dq] = &Row::tensors(client, &[kv.k.shape, kv.v.shape, q.shape])[..] else {
        unreachable!("one for each shape")
    };
    for (x, covered) in [(dk, extent.keys), (dv, extent.keys), (dq, extent.queries)] {
        if covered < x.rows() {
            fill(client, &x.view(), 0.0);
        }
    }
    let dscores = empty(client, map.shape);
    let nothing = empty(client, Shape::vector(1));
    let dim = CubeDim::new_1d((tile * tile) as u32);
    let of = || HeadsOf::arg(width, how.heads, grid.causal);
    if extent.query > 0 {
        query_grad_kernel::launch::<R>(
            client,
            tiles(extent.query, tile, how.heads, grid.sentences),
            dim,
            dy.unwrap_or(&nothing).view().arg(),
            dmap.unwrap_or(&nothing).view().arg(),
            map.view().arg(),
            kv.k.view().arg(),
            kv.v.view().arg(),
            grid.spans.view(client).arg(),
            dscores.view().arg(),
            dq.view().arg(),
            of(),
            drop_arg(p, key),
            size,
            tile,
            dy.is_some(),
            dmap.is_some(),
            p > 0.0,
        );
    }
    if extent.key > 0 {
        key_grad_kernel::launch::<R>(
            client,
            tiles(extent.key, tile, how.heads, grid.sentences),
            dim,
            dy.unwrap_or(&nothing).view().arg(),
            map.view().arg(),
            q.view().arg(),
            dscores.view().arg(),
            grid.spans.view(client).arg(),
            dk.view().arg(),
            dv.view().arg(),
            of(),
            drop_arg(p, key),
            size,
            tile,
            dy.is_some(),
            p > 0.0,
        );
    }
    [dq, dk, dv].map(Tensor::clone)
}

/// A cube for each tile of the longest sentence, each head and each sentence.
fn tiles(longest: usize, tile: usize, heads: usize, sentences: usize) -> CubeCount {
    CubeCount::Static(longest.div_ceil(tile) as u32, heads as u32, sentences as u32)
}

/// The dropout of attention: probability 0 where there is none.
fn dropout(how: &Attend) -> (f32, u64) {
    how.key.map_or((0.0, 0), |key| (how.dropout, key))
}

/// Memory for rows of which `covered` are written: the others are 0.
fn rows_like<R: Runtime>(client: &Client<R>, x: &Tensor, covered: usize) -> Tensor {
    if covered == x.rows() { empty(client, x.shape) } else { zeros(client, x.shape) }
}

/// D.
fn check(q: &Tensor, kv: &Kv<Tensor>, grid: &Grid<Index>, how: Attend) -> usize {
    let width = q.cols();
    assert!(how.heads > 0 && width.is_multiple_of(how.heads), "attend: heads");
    assert!(kv.k.shape == kv.v.shape && kv.k.cols() == width, "attend: k, v");
    assert!(q.rows() >= grid.queries && kv.k.rows() >= grid.keys, "attend: the grid");
    width
}
