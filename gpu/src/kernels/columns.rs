//! Sums down the columns of a matrix, in an order that its shape decides.

use crate::grid::stacked;
use crate::memory::Client;
use crate::row::Stack;
use crate::tensor::{Tensor, View};
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Rows that one unit sums.
const RUN: usize = 64;

/// Columns that a cube takes.
const COLUMNS: u32 = 64;

/// A grid of cubes over columns and runs of rows, each unit at one column.
pub(crate) fn runs(rows: usize, cols: usize) -> (CubeCount, CubeDim) {
    let count = CubeCount::Static((cols as u32).div_ceil(COLUMNS), run_count(rows) as u32, 1);
    (count, CubeDim::new_1d(COLUMNS))
}

/// How many runs of rows there are; an empty one where there is no row.
pub(crate) fn run_count(rows: usize) -> usize {
    rows.div_ceil(RUN).max(1)
}

/// The first row and the end of this cube's run.
#[cube]
pub(crate) fn run(rows: usize) -> (usize, usize) {
    let first = CUBE_POS_Y as usize * comptime!(RUN);
    (first, min(rows, first + comptime!(RUN)))
}

#[cube(launch)]
fn sum_runs_kernel(
    x: &Array<f32>,
    out: &mut Array<f32>,
    step: u32,
    out_step: u32,
    rows: u32,
    cols: u32,
) {
    let (col, cols) = (ABSOLUTE_POS_X as usize, cols as usize);
    if col < cols {
        let (first, end) = run(rows as usize);
        let (from, to) =
            (CUBE_POS_Z as usize * step as usize, CUBE_POS_Z as usize * out_step as usize);
        let mut sum = 0.0f32;
        for row in first..end {
            sum += x[from + row * cols + col];
        }
        out[to + CUBE_POS_Y as usize * cols + col] = sum;
    }
}

/// `out[c] = sum_r x[r, c]` of `[rows, cols]` -> `[cols]`
pub(crate) fn column_sums<R: Runtime>(
    client: &Client<R>,
    x: &View,
    rows: usize,
    cols: usize,
) -> Tensor {
    sums(client, x, [1, 0, rows, cols]).swap_remove(0)
}

/// [`column_sums`] of each matrix of a stack.
pub(crate) fn stack_sums<R: Runtime>(client: &Client<R>, of: &Stack) -> Vec<Tensor> {
    let shape = of.shape();
    sums(client, &of.view, [of.tensors.len(), of.step, shape.rows(), shape.cols()])
}

/// Those of `count` matrices that begin `step` elements apart.
fn sums<R: Runtime>(
    client: &Client<R>,
    x: &View,
    [count, mut step, mut rows, cols]: [usize; 4],
) -> Vec<Tensor> {
    let mut x = x.clone();
    loop {
        let left = run_count(rows);
        let out = Stack::new(client, Shape::matrix(left, cols), count);
        let (cubes, dim) = runs(rows, cols);
        sum_runs_kernel::launch::<R>(
            client,
            stacked(cubes, count),
            dim,
            x.arg(),
            out.view.arg(),
            step as u32,
            out.step as u32,
            rows as u32,
            cols as u32,
        );
        if left == 1 {
            let sums = out.tensors.into_iter();
            return sums.map(|x| x.reshaped(Shape::vector(cols))).collect();
        }
        (x, step, rows) = (out.view, out.step, left);
    }
}
