//! The gradients of the weight and of the bias: sums over all positions.
//!
//! A cube computes a tile of the weight's gradient over a part of a sentence. Its units form a square, each with a block of
//! the tile. The parts are added by sums of columns, so that no sum needs atomics.

use super::super::columns::column_sums_to;
use super::super::copy::empty;
use super::super::cube::{Extent, read_span};
use super::super::layers::{element, layers_arg, runs};
use super::mixed;
use crate::context::{Context, launch};
use crate::grid::units;
use crate::index::Index;
use crate::tensor::{Row, Tensor};
use a2d_core::backend::MapInput;
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use std::sync::Arc;

/// Units along each side of a tile.
const SIDE: usize = 16;

/// The most rows, and columns, of a unit's block.
const BLOCK: usize = 6;

/// Positions that are in shared memory at once, and the distance of rows there: adjacent rows are in different banks.
const SLICE: usize = 32;
const PITCH: usize = SLICE + 1;

/// Positions of a part of a sentence.
const PART: usize = 8192;

/// The sizes of a product, and the first channel of its layers.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    maps: u32,
    heads: u32,
    terms: u32,
    from: u32,
    channels: u32,
    /// Elements of a part, and where the gradient of the bias begins in it.
    part: u32,
    bias: u32,
}

/// The part (x) of a sentence (z) of a tile (y) of `dw[m, from + c] = sum dy[m] map[c]`. The first layers also compute
/// `db[m] = sum dy[m]`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn weight_grad_kernel(
    dy: &Array<f32>,
    layers: &Sequence<Array<f32>>,
    spans: &Array<u32>,
    parts: &mut Array<f32>,
    of: &Sizes,
    #[comptime] scores: bool,
    #[comptime] rows: usize,
    #[comptime] cols: usize,
) {
    let (tile_rows, tile_cols) = comptime!((SIDE * rows, SIDE * cols));
    let span = read_span(spans, CUBE_POS_Z as usize);
    let area = span.query_len * span.key_len;
    let (maps, heads, terms) = (of.maps as usize, of.heads as usize, of.terms as usize);
    let tiles = terms.div_ceil(tile_cols);
    let m0 = CUBE_POS_Y as usize / tiles * tile_rows;
    let c0 = CUBE_POS_Y as usize % tiles * tile_cols;
    let (unit, units) = (UNIT_POS as usize, comptime!(SIDE * SIDE));
    let (own_row, own_col) = (unit / SIDE, unit % SIDE);
    let mut a = SharedMemory::<f32>::new(comptime!(tile_rows * PITCH));
    let mut b = SharedMemory::<f32>::new(comptime!(tile_cols * PITCH));
    let mut sums = Array::<f32>::new(comptime!(rows * cols));
    let mut bias = Array::<f32>::new(rows);
    let mut factors = Array::<f32>::new(rows);
    #[unroll]
    for i in 0..comptime!(rows * cols) {
        sums[i] = 0.0;
    }
    #[unroll]
    for i in 0..rows {
        bias[i] = 0.0;
    }
    let first = CUBE_POS_X as usize * PART;
    for slice in range_stepped(first, min(first + PART, area), SLICE) {
        for i in range_stepped(unit, comptime!(tile_rows * SLICE), units) {
            let (m, position) = (m0 + i / SLICE, slice + i % SLICE);
            let mut value = 0.0f32;
            if m < maps && position < area {
                value = dy[maps * span.before + m * area + position];
            }
            a[i / SLICE * PITCH + i % SLICE] = value;
        }
        for i in range_stepped(unit, comptime!(tile_cols * SLICE), units) {
            let (c, position) = (c0 + i / SLICE, slice + i % SLICE);
            let mut value = 0.0f32;
            if c < terms && position < area {
                let at = heads * span.before + c % heads * area + position;
                value = mixed(element(layers, c / heads, at), scores);
            }
            b[i / SLICE * PITCH + i % SLICE] = value;
        }
        sync_cube();
        for position in 0..SLICE {
            #[unroll]
            for i in 0..rows {
                factors[i] = a[(own_row + SIDE * i) * PITCH + position];
                bias[i] += factors[i];
            }
            #[unroll]
            for j in 0..cols {
                let x = b[(own_col + SIDE * j) * PITCH + position];
                #[unroll]
                for i in 0..rows {
                    sums[i * cols + j] += factors[i] * x;
                }
            }
        }
        sync_cube();
    }
    let part = (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) as usize * of.part as usize;
    #[unroll]
    for i in 0..rows {
        let m = m0 + own_row + SIDE * i;
        if m < maps {
            #[unroll]
            for j in 0..cols {
                let c = c0 + own_col + SIDE * j;
                if c < terms {
                    parts[part + m * of.channels as usize + of.from as usize + c] =
                        sums[i * cols + j];
                }
            }
            if of.from == 0 && c0 + own_col == 0 {
                parts[part + of.bias as usize + m] = bias[i];
            }
        }
    }
}

/// Gradients of the weight, `[M, C]`, and of the bias, `[M]`, from the maps of each layer.
pub(super) fn weight_grad(
    context: &Context,
    dy: &Tensor,
    maps: &[Tensor],
    channels: usize,
    grid: &Grid<Index>,
    input: MapInput,
) -> [Tensor; 2] {
    let (m, pieces) = (dy.rows(), Extent::of(&grid.spans.values).area.div_ceil(PART).max(1));
    let shapes = [Shape::matrix(m, channels), Shape::vector(m)];
    let row = Row::new(&shapes, |len, _| empty(context, Shape::vector(len)));
    let (part, bias) = (row.memory().len(), row.offsets()[1]);
    let count = grid.sentences * pieces;
    let parts = empty(context, Shape::matrix(count, part));
    for (from, layers) in runs(maps) {
        if count == 0 {
            continue;
        }
        let heads = layers[0].rows();
        let terms = layers.len() * heads;
        let ([row_tiles, rows], [col_tiles, cols]) = (tiles(m), tiles(terms));
        let [maps, heads, terms, from, channels, part, bias] =
            [m, heads, terms, from, channels, part, bias].map(|n| n as u32);
        launch!(
            context,
            weight_grad_kernel(
                CubeCount::Static(
                    pieces as u32,
                    (row_tiles * col_tiles) as u32,
                    grid.sentences as u32,
                ),
                units(),
                dy.view().arg(),
                layers_arg(layers),
                grid.spans.view(context).arg(),
                parts.view().arg(),
                SizesLaunch::new(maps, heads, terms, from, channels, part, bias),
                input == MapInput::Scores,
                rows,
                cols,
            )
        );
    }
    column_sums_to(context, &parts.view(), [count, part], &row.memory().view());
    let row = Arc::new(row);
    [0, 1].map(|number| row.tensor(number, shapes[number]))
}

/// The number of tiles along a side of length `n`, and the length of a unit's block there: as few tiles as can be.
fn tiles(n: usize) -> [usize; 2] {
    let tiles = n.div_ceil(SIDE * BLOCK).max(1);
    [tiles, n.div_ceil(SIDE * tiles).max(1)]
}
