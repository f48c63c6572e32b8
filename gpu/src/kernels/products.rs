//! Products of the rows of each sentence, head by head and in single precision: scores, and the gradients of what they are
//! scores of.
//!
//! A cube computes a tile of a result. It iterates over slices of both operands in shared memory, and each of its units
//! accumulates a block of the tile in registers.

use super::copy::{empty, rows_of};
use super::cube::{DeviceSpan, Extent, read_span};
use crate::context::{Context, launch};
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Rows and columns of a tile, and terms of its sums in a slice.
const TILE: usize = 32;
const SLICE: usize = 16;

/// Units along each side of a tile, and rows and columns of a unit's block.
const SIDE: usize = 8;
const BLOCK: usize = TILE / SIDE;

/// The distance of the terms of a slice: an odd number, so that adjacent terms are in different banks.
const PITCH: usize = TILE + 1;

/// What is multiplied, for query `i` and key `j` of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Product {
    /// `map[i, j] = scale left_i . right_j`
    Scores,
    /// `left_i = scale sum_j map[i, j] right_j`
    Left,
    /// `right_j = scale sum_i map[i, j] left_i`
    Right,
}

/// Properties that all heads have in common.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Heads {
    heads: u32,
    /// Columns of a head.
    size: u32,
    scale: f32,
}

/// A matrix whose element `[n, k]` is at `start + n * row + k * col`.
#[derive(CubeType, Clone, Copy)]
struct Matrix {
    start: usize,
    rows: usize,
    row: usize,
    col: usize,
}

/// The operands of `out = scale a b^T`, whose sums have `terms` terms.
#[derive(CubeType, Clone, Copy)]
struct Operands {
    a: Matrix,
    b: Matrix,
    terms: usize,
    /// The first element of the result, and the distance of its rows.
    start: usize,
    row: usize,
}

/// The operands for one head of a sentence. Scores of padding are not computed, nor are they read.
#[cube]
fn operands(span: &DeviceSpan, head: usize, of: &Heads, #[comptime] product: Product) -> Operands {
    let (heads, size) = (of.heads as usize, of.size as usize);
    let width = heads * size;
    let left = span.query_start * width + head * size;
    let right = span.key_start * width + head * size;
    let keys = span.key_len;
    let map = heads * span.before + head * span.query_len * keys;
    match comptime!(product) {
        Product::Scores => Operands {
            a: Matrix { start: left, rows: span.query_valid, row: width, col: 1usize.runtime() },
            b: Matrix { start: right, rows: span.key_valid, row: width, col: 1usize.runtime() },
            terms: size,
            start: map,
            row: keys,
        },
        Product::Left => Operands {
            a: Matrix { start: map, rows: span.query_len, row: keys, col: 1usize.runtime() },
            b: Matrix { start: right, rows: size, row: 1usize.runtime(), col: width },
            terms: span.key_valid,
            start: left,
            row: width,
        },
        Product::Right => Operands {
            a: Matrix { start: map, rows: keys, row: 1usize.runtime(), col: keys },
            b: Matrix { start: left, rows: size, row: 1usize.runtime(), col: width },
            terms: span.query_valid,
            start: right,
            row: width,
        },
    }
}

/// Loads a slice of the rows from `first`, term by term; 0 beyond the matrix. `by_row`: adjacent units read adjacent terms
/// of a row, else the same term of adjacent rows.
#[cube]
fn load(
    x: &Array<f32>,
    of: &Matrix,
    first: usize,
    slice: usize,
    terms: usize,
    to: &mut SharedMemory<f32>,
    #[comptime] by_row: bool,
) {
    for i in range_stepped(UNIT_POS as usize, TILE * SLICE, SIDE * SIDE) {
        let (row, term) = if by_row { (i / SLICE, i % SLICE) } else { (i % TILE, i / TILE) };
        let mut value = 0.0f32;
        if first + row < of.rows && slice + term < terms {
            value = x[of.start + (first + row) * of.row + (slice + term) * of.col];
        }
        to[term * PITCH + row] = value;
    }
}

/// A tile of the product of a head of a sentence (z): its rows (x), and its head and columns (y), `tiles` for each head.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn product_kernel(
    x: &Array<f32>,
    y: &Array<f32>,
    spans: &Array<u32>,
    out: &mut Array<f32>,
    of: &Heads,
    tiles: u32,
    #[comptime] product: Product,
) {
    let span = read_span(spans, CUBE_POS_Z as usize);
    let (head, tile) = ((CUBE_POS_Y / tiles) as usize, (CUBE_POS_Y % tiles) as usize);
    let operands = operands(&span, head, of, product);
    let (row, col) = (CUBE_POS_X as usize * TILE, tile * TILE);
    if row < operands.a.rows && col < operands.b.rows {
        let mut a = SharedMemory::<f32>::new(SLICE * PITCH);
        let mut b = SharedMemory::<f32>::new(SLICE * PITCH);
        let (unit_row, unit_col) = (UNIT_POS as usize / SIDE, UNIT_POS as usize % SIDE);
        let mut sums = Array::<f32>::new(BLOCK * BLOCK);
        let mut factors = Array::<f32>::new(BLOCK);
        #[unroll]
        for i in 0..BLOCK * BLOCK {
            sums[i] = 0.0;
        }
        for slice in range_stepped(0, operands.terms, SLICE) {
            let (by_row, by_col) =
                comptime!((product != Product::Right, product == Product::Scores));
            load(x, &operands.a, row, slice, operands.terms, &mut a, by_row);
            load(y, &operands.b, col, slice, operands.terms, &mut b, by_col);
            sync_cube();
            for term in 0..SLICE {
                #[unroll]
                for i in 0..BLOCK {
                    factors[i] = a[term * PITCH + unit_row + SIDE * i];
                }
                #[unroll]
                for j in 0..BLOCK {
                    let factor = b[term * PITCH + unit_col + SIDE * j];
                    #[unroll]
                    for i in 0..BLOCK {
                        sums[i * BLOCK + j] += factors[i] * factor;
                    }
                }
            }
            sync_cube();
        }
        #[unroll]
        for i in 0..BLOCK {
            #[unroll]
            for j in 0..BLOCK {
                let (row, col) = (row + unit_row + SIDE * i, col + unit_col + SIDE * j);
                if row < operands.a.rows && col < operands.b.rows {
                    out[operands.start + row * operands.row + col] = of.scale * sums[i * BLOCK + j];
                }
            }
        }
    }
}

/// Computes `out = x y` for all heads and sentences; a head has `size` columns.
fn multiply(
    context: &Context,
    product: Product,
    [x, y, out]: [&Tensor; 3],
    grid: &Grid<Index>,
    [heads, size]: [usize; 2],
) {
    let extent = Extent::of(&grid.spans.values);
    let [rows, cols] = match product {
        Product::Scores => [extent.query, extent.key],
        Product::Left => [extent.query, size],
        Product::Right => [extent.key, size],
    };
    let [rows, tiles] = [rows, cols].map(|n| n.div_ceil(TILE) as u32);
    if rows > 0 && tiles > 0 {
        launch!(
            context,
            product_kernel(
                CubeCount::Static(rows, heads as u32 * tiles, grid.sentences as u32),
                CubeDim::new_1d((SIDE * SIDE) as u32),
                context.full(x).arg(),
                context.full(y).arg(),
                grid.spans.view(context).arg(),
                out.view().arg(),
                HeadsLaunch::new(heads as u32, size as u32, 1.0 / (size as f32).sqrt()),
                tiles,
                product,
            )
        );
    }
}

/// The scaled products of the queries' rows `left` with the keys' rows `right`, `[heads, A]` as a map. Those of padding are
/// undefined.
pub(crate) fn scores(
    context: &Context,
    [left, right]: [&Tensor; 2],
    grid: &Grid<Index>,
    heads: usize,
) -> Tensor {
    let map = empty(context, Shape::matrix(heads, grid.area));
    let size = left.cols() / heads;
    multiply(context, Product::Scores, [left, right, &map], grid, [heads, size]);
    map
}

/// Gradients of both sides of [`scores`] from that of the map, which is 0 for padding.
pub(crate) fn scores_grad(
    context: &Context,
    dmap: &Tensor,
    [left, right]: [&Tensor; 2],
    grid: &Grid<Index>,
) -> [Tensor; 2] {
    let (heads, extent) = (dmap.rows(), Extent::of(&grid.spans.values));
    let size = left.cols() / heads;
    let dleft = rows_of(context, left.shape, extent.queries);
    let dright = rows_of(context, right.shape, extent.keys);
    multiply(context, Product::Left, [dmap, right, &dleft], grid, [heads, size]);
    multiply(context, Product::Right, [dmap, left, &dright], grid, [heads, size]);
    [dleft, dright]
}
