//! Sums of the columns of a matrix, in an order that its shape decides.

use crate::context::{Context, launch};
use crate::grid::stacked;
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Rows that one unit sums: a run.
const RUN: usize = 64;

/// Columns of a cube.
const COLUMNS: u32 = 64;

/// Cubes for columns (x) and runs of rows (y), with a unit for each column.
pub(crate) fn runs(rows: usize, cols: usize) -> (CubeCount, CubeDim) {
    let count = CubeCount::Static((cols as u32).div_ceil(COLUMNS), run_count(rows) as u32, 1);
    (count, CubeDim::new_1d(COLUMNS))
}

/// The number of runs of rows; one empty run where there is no row.
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

/// `out[c] = sum_r x[r, c]`: `[rows, cols]` -> `[cols]`.
pub(crate) fn column_sums(context: &Context, x: &View, rows: usize, cols: usize) -> Tensor {
    sums(context, x, [1, 0, rows, cols]).swap_remove(0)
}

/// [`column_sums`] of each matrix of a stack.
pub(crate) fn stack_sums(context: &Context, of: &Stack) -> Vec<Tensor> {
    let shape = of.shape();
    sums(context, &of.view, [of.tensors.len(), of.step, shape.rows(), shape.cols()])
}

/// The column sums of `count` matrices that start `step` elements apart.
fn sums(context: &Context, x: &View, [count, mut step, mut rows, cols]: [usize; 4]) -> Vec<Tensor> {
    let mut x = x.clone();
    loop {
        let left = run_count(rows);
        let out = Stack::new(context, Shape::matrix(left, cols), count);
        let (cubes, dim) = runs(rows, cols);
        launch!(
            context,
            sum_runs_kernel(
                stacked(cubes, count),
                dim,
                x.arg(),
                out.view.arg(),
                step as u32,
                out.step as u32,
                rows as u32,
                cols as u32,
            )
        );
        if left == 1 {
            let sums = out.tensors.into_iter();
            return sums.map(|x| x.reshaped(Shape::vector(cols))).collect();
        }
        (x, step, rows) = (out.view, out.step, left);
    }
}
