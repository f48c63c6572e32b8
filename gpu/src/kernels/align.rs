//! The head alignment and its gradients. The kernels read the maps of each layer in place.
//!
//! A sentence's maps are a matrix `[C, area]`, whose rows are spread over one tensor for each layer. With `scores`, the
//! logarithms of the maps take their place, as in [`MapInput::Scores`].

use super::columns::column_sums;
use super::copy::empty;
use super::cube::{Extent, cube_sum, read_span};
use crate::context::{Context, launch};
use crate::grid::{ROW_UNITS, UNITS, row_units, units};
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{AlignGrad, MapInput};
use a2d_core::batch::Grid;
use a2d_core::rows::LEAST_PROBABILITY;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Rows of the result that a unit computes together.
const GROUP: usize = 8;

/// Rows, and columns, of the weight's gradient that a cube computes together.
const PATCH: usize = 4;

/// What is mixed of a map's entry.
#[cube]
fn mixed(p: f32, #[comptime] scores: bool) -> f32 {
    if scores { max(p, LEAST_PROBABILITY).ln() } else { p }
}

/// The gradient of a map's entry from that of what is mixed of it.
#[cube]
fn mixed_grad(p: f32, gradient: f32) -> f32 {
    let mut out = 0.0f32;
    if p > LEAST_PROBABILITY {
        out = gradient / p;
    }
    out
}

/// `y[m] (+)= sum_h w[m, from + h] map[h]` over the `heads` maps of one layer. The first layer adds the bias, the others
/// add to `y`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn align_kernel(
    map: &Array<f32>,
    w: &Array<f32>,
    bias: &Array<f32>,
    spans: &Array<u32>,
    y: &mut Array<f32>,
    heads: u32,
    from: u32,
    channels: u32,
    #[comptime] scores: bool,
) {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let (area, heads, channels) =
        (span.query_len * span.key_len, heads as usize, channels as usize);
    let (position, first) = (ABSOLUTE_POS_X as usize, CUBE_POS_Y as usize * GROUP);
    let maps = bias.len();
    if position < area {
        let mut sums = Array::<f32>::new(GROUP);
        let to = maps * span.before + first * area + position;
        #[unroll]
        for j in 0..GROUP {
            sums[j] = 0.0;
            if first + j < maps {
                sums[j] = bias[first + j];
                if from > 0 {
                    sums[j] = y[to + j * area];
                }
            }
        }
        for h in 0..heads {
            let x = mixed(map[heads * span.before + h * area + position], scores);
            #[unroll]
            for j in 0..GROUP {
                if first + j < maps {
                    sums[j] += w[(first + j) * channels + from as usize + h] * x;
                }
            }
        }
        #[unroll]
        for j in 0..GROUP {
            if first + j < maps {
                y[to + j * area] = sums[j];
            }
        }
    }
}

/// `y[m] = sum_c w[m, c] maps[c] + b[m]`.
pub(crate) fn align(
    context: &Context,
    maps: &[Tensor],
    w: &Tensor,
    bias: &Tensor,
    grid: &Grid<Index>,
    input: MapInput,
) -> Tensor {
    let scores = input == MapInput::Scores;
    let (m, channels) = check(maps, w, grid);
    assert_eq!(bias.len(), m, "align: the bias");
    let y = empty(context, Shape::matrix(m, grid.area));
    let mut from = 0;
    for map in maps {
        if grid.area > 0 {
            launch!(
                context,
                align_kernel(
                    positions(grid, m),
                    units(),
                    map.view().arg(),
                    w.view().arg(),
                    bias.view().arg(),
                    grid.spans.view(context).arg(),
                    y.view().arg(),
                    map.rows() as u32,
                    from as u32,
                    channels as u32,
                    scores,
                )
            );
        }
        from += map.rows();
    }
    y
}

/// `dmap[h] = sum_m w[m, from + h] dy[m]` for the maps of one layer. The maps are read only where scores are mixed.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn map_grad_kernel(
    dy: &Array<f32>,
    map: &Array<f32>,
    w: &Array<f32>,
    spans: &Array<u32>,
    dmap: &mut Array<f32>,
    maps: u32,
    heads: u32,
    from: u32,
    channels: u32,
    #[comptime] scores: bool,
) {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let (area, heads, channels) =
        (span.query_len * span.key_len, heads as usize, channels as usize);
    let (position, first) = (ABSOLUTE_POS_X as usize, CUBE_POS_Y as usize * GROUP);
    let maps = maps as usize;
    if position < area {
        let mut sums = Array::<f32>::new(GROUP);
        #[unroll]
        for j in 0..GROUP {
            sums[j] = 0.0;
        }
        for m in 0..maps {
            let gradient = dy[maps * span.before + m * area + position];
            #[unroll]
            for j in 0..GROUP {
                if first + j < heads {
                    sums[j] += w[m * channels + from as usize + first + j] * gradient;
                }
            }
        }
        #[unroll]
        for j in 0..GROUP {
            if first + j < heads {
                let at = heads * span.before + (first + j) * area + position;
                dmap[at] = sums[j];
                if scores {
                    dmap[at] = mixed_grad(map[at], sums[j]);
                }
            }
        }
    }
}

/// For each sentence, `dw[m, from + h] = sum dy[m] map[h]` for the maps of one layer, `[B, M, C]`. The first layer also
/// computes `db[m] = sum dy[m]`, `[B, M]`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn weight_grad_kernel(
    dy: &Array<f32>,
    map: &Array<f32>,
    spans: &Array<u32>,
    dw: &mut Array<f32>,
    db: &mut Array<f32>,
    maps: u32,
    heads: u32,
    from: u32,
    channels: u32,
    #[comptime] scores: bool,
) {
    let sentence = CUBE_POS_Z as usize;
    let span = read_span(spans, sentence);
    let (area, heads, channels) =
        (span.query_len * span.key_len, heads as usize, channels as usize);
    let (maps, from) = (maps as usize, from as usize);
    let (m0, h0) = (CUBE_POS_X as usize * PATCH, CUBE_POS_Y as usize * PATCH);
    let mut sums = Array::<f32>::new(PATCH * PATCH);
    let mut gradients = Array::<f32>::new(PATCH);
    let mut bias = Array::<f32>::new(PATCH);
    #[unroll]
    for i in 0..PATCH * PATCH {
        sums[i] = 0.0;
    }
    #[unroll]
    for i in 0..PATCH {
        bias[i] = 0.0;
    }
    for position in range_stepped(UNIT_POS as usize, area, ROW_UNITS) {
        #[unroll]
        for i in 0..PATCH {
            // Beyond the last map, the first is read instead, and the result is not written.
            let m = select(m0 + i < maps, m0 + i, 0);
            gradients[i] = dy[maps * span.before + m * area + position];
            bias[i] += gradients[i];
        }
        #[unroll]
        for j in 0..PATCH {
            let h = select(h0 + j < heads, h0 + j, 0);
            let x = mixed(map[heads * span.before + h * area + position], scores);
            #[unroll]
            for i in 0..PATCH {
                sums[i * PATCH + j] += gradients[i] * x;
            }
        }
    }
    #[unroll]
    for i in 0..PATCH {
        #[unroll]
        for j in 0..PATCH {
            let total = cube_sum(sums[i * PATCH + j], ROW_UNITS);
            if UNIT_POS == 0 && m0 + i < maps && h0 + j < heads {
                dw[(sentence * maps + m0 + i) * channels + from + h0 + j] = total;
            }
        }
        let total = cube_sum(bias[i], ROW_UNITS);
        if UNIT_POS == 0 && m0 + i < maps && from + h0 == 0 {
            db[sentence * maps + m0 + i] = total;
        }
    }
}

/// Gradients of [`align`].
pub(crate) fn align_grad(
    context: &Context,
    dy: &Tensor,
    maps: &[Tensor],
    w: &Tensor,
    grid: &Grid<Index>,
    input: MapInput,
) -> AlignGrad<Tensor> {
    let scores = input == MapInput::Scores;
    let (m, channels) = check(maps, w, grid);
    assert_eq!(dy.shape, Shape::matrix(m, grid.area), "align_grad: dy");
    let sentences = grid.sentences;
    let dw = empty(context, Shape::matrix(sentences, m * channels));
    let db = empty(context, Shape::matrix(sentences, m));
    let mut from = 0;
    let mut layer = |map: &Tensor| {
        let dmap = empty(context, map.shape);
        let heads = map.rows();
        if grid.area > 0 {
            launch!(
                context,
                map_grad_kernel(
                    positions(grid, heads),
                    units(),
                    dy.view().arg(),
                    map.view().arg(),
                    w.view().arg(),
                    grid.spans.view(context).arg(),
                    dmap.view().arg(),
                    m as u32,
                    heads as u32,
                    from as u32,
                    channels as u32,
                    scores,
                )
            );
        }
        if sentences > 0 {
            let patches = |n: usize| n.div_ceil(PATCH) as u32;
            launch!(
                context,
                weight_grad_kernel(
                    CubeCount::Static(patches(m), patches(heads), sentences as u32),
                    row_units(),
                    dy.view().arg(),
                    map.view().arg(),
                    grid.spans.view(context).arg(),
                    dw.view().arg(),
                    db.view().arg(),
                    m as u32,
                    heads as u32,
                    from as u32,
                    channels as u32,
                    scores,
                )
            );
        }
        from += heads;
        dmap
    };
    let dmaps = maps.iter().map(&mut layer).collect();
    let dw = column_sums(context, &dw.view(), sentences, m * channels);
    let db = column_sums(context, &db.view(), sentences, m);
    AlignGrad { maps: dmaps, w: dw.reshaped(w.shape), b: db }
}

/// Cubes for the positions of the longest sentence (x), groups of `rows` (y) and sentences (z).
fn positions(grid: &Grid<Index>, rows: usize) -> CubeCount {
    let area = Extent::of(&grid.spans.values).area as u32;
    let groups = rows.div_ceil(GROUP) as u32;
    CubeCount::Static(area.div_ceil(UNITS), groups, grid.sentences as u32)
}

/// Checks the shapes, and returns M and C.
fn check(maps: &[Tensor], w: &Tensor, grid: &Grid<Index>) -> (usize, usize) {
    assert!(maps.iter().all(|map| map.cols() == grid.area), "align: maps");
    let channels: usize = maps.iter().map(Tensor::rows).sum();
    assert_eq!(channels, w.cols(), "align: w");
    (w.rows(), channels)
}
