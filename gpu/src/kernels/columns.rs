//! Sums of the columns of a matrix, in an order that its shape decides.

use super::copy::empty;
use super::cube::group_sum;
use crate::context::{Context, launch};
use crate::grid::{UNITS, units};
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use half::bf16;

/// Bytes of a row that a cube sums, where there are as many: a sector of memory. It sums one column where there are fewer.
const SECTOR: usize = 32;

/// Rows whose elements a unit reads before it adds them, so that it waits once for all.
const AHEAD: usize = 8;

/// Units of a cube.
const U: usize = UNITS as usize;

/// The sums of `columns` columns (x) of a matrix of a stack (y); as many units share each column.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn column_sums_kernel<F: Float>(
    x: &Array<F>,
    out: &mut Array<f32>,
    step: u32,
    out_step: u32,
    rows: u32,
    cols: u32,
    #[comptime] columns: usize,
    #[define(F)] _format: StorageType,
) {
    let share = comptime!(U / columns);
    let (unit, rows, cols) = (UNIT_POS as usize, rows as usize, cols as usize);
    let first = unit / columns;
    let col = CUBE_POS_X as usize * columns + unit % columns;
    let from = CUBE_POS_Y as usize * step as usize + col;
    let mut ahead = Array::<f32>::new(AHEAD);
    let mut sum = 0.0f32;
    if col < cols {
        let whole = rows / comptime!(share * AHEAD) * comptime!(share * AHEAD);
        for row in range_stepped(first, first + whole, comptime!(share * AHEAD)) {
            #[unroll]
            for i in 0..AHEAD {
                ahead[i] = f32::cast_from(x[from + (row + share * i) * cols]);
            }
            #[unroll]
            for i in 0..AHEAD {
                sum += ahead[i];
            }
        }
        for row in range_stepped(first + whole, rows, share) {
            sum += f32::cast_from(x[from + row * cols]);
        }
    }
    // Transposed, so that the units of a column are consecutive.
    let mut shared = SharedMemory::<f32>::new(U);
    shared[unit % columns * share + first] = sum;
    sync_cube();
    let total = group_sum(shared[unit], U, share);
    let col = CUBE_POS_X as usize * columns + unit / share;
    if unit % share == 0 && col < cols {
        out[CUBE_POS_Y as usize * out_step as usize + col] = total;
    }
}

/// `out[c] = sum_r x[r, c]`: `[rows, cols]` -> `[cols]`.
pub(crate) fn column_sums(context: &Context, x: &View, rows: usize, cols: usize) -> Tensor {
    let out = empty(context, Shape::vector(cols));
    column_sums_to(context, x, [rows, cols], &out.view());
    out
}

/// [`column_sums`] written to `out`.
pub(crate) fn column_sums_to(context: &Context, x: &View, [rows, cols]: [usize; 2], out: &View) {
    sums::<f32>(context, x, [1, 0, rows, cols], out, 0);
}

/// [`column_sums`] of each matrix of a stack, written to the vectors of another.
pub(crate) fn stack_sums(context: &Context, of: &Stack, out: &Stack) {
    let sizes = [of.tensors.len(), of.step, of.shape().rows(), of.shape().cols()];
    if of.tensors[0].comes_rounded() {
        sums::<bf16>(context, &of.short(context), sizes, &out.view(), out.step);
    } else {
        sums::<f32>(context, &of.view(), sizes, &out.view(), out.step);
    }
}

/// The column sums of `count` matrices that start `step` elements apart, written `out_step` elements apart.
fn sums<F: Float>(
    context: &Context,
    x: &View,
    [count, step, rows, cols]: [usize; 4],
    out: &View,
    out_step: usize,
) {
    let columns = SECTOR / size_of::<F>();
    let columns = if cols < columns { 1 } else { columns };
    launch!(
        context,
        column_sums_kernel(
            CubeCount::Static(cols.div_ceil(columns).max(1) as u32, count as u32, 1),
            units(),
            x.arg(),
            out.arg(),
            step as u32,
            out_step as u32,
            rows as u32,
            cols as u32,
            columns,
            F::as_type_native_unchecked().storage_type(),
        )
    );
}
