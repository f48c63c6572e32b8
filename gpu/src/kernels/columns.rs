//! Sums down the columns of a matrix, in an order that its shape decides.

use super::pointwise::empty;
use crate::memory::Client;
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
fn sum_runs_kernel(x: &Array<f32>, out: &mut Array<f32>, rows: u32, cols: u32) {
    let (col, cols) = (ABSOLUTE_POS_X as usize, cols as usize);
    if col < cols {
        let (first, end) = run(rows as usize);
        let mut sum = 0.0f32;
        for row in first..end {
            sum += x[row * cols + col];
        }
        out[CUBE_POS_Y as usize * cols + col] = sum;
    }
}

/// `out[c] = sum_r x[r, c]` of `[rows, cols]` -> `[cols]`
pub(crate) fn column_sums<R: Runtime>(
    client: &Client<R>,
    x: &View,
    rows: usize,
    cols: usize,
) -> Tensor {
    let (mut x, mut rows) = (x.clone(), rows);
    loop {
        let left = run_count(rows);
        let out = empty(client, Shape::matrix(left, cols));
        let (count, dim) = runs(rows, cols);
        let to = out.view();
        sum_runs_kernel::launch::<R>(
            client,
            count,
            dim,
            x.arg(),
            to.arg(),
            rows as u32,
            cols as u32,
        );
        if left == 1 {
            return out.reshaped(Shape::vector(cols));
        }
        (x, rows) = (to, left);
    }
}
