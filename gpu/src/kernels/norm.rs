//! Layer normalisation, with a cube for each row. The gradients of gain and bias are sums of columns, so that they need
//! no atomics.

use super::columns::{run, run_count, runs, stack_sums};
use super::copy::empty;
use super::cube::cube_sum;
use super::pointwise::{Drop, drop_arg, factor};
use crate::context::{Context, launch};
use crate::grid::{ROW_UNITS, cubes, row_units};
use crate::rounded::{RoundedCopy, write_rounded};
use crate::stack::Stack;
use crate::tensor::Tensor;
use a2d_core::backend::{LayerNorm, NormGrad};
use a2d_core::shape::Shape;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// The mean and the reciprocal standard deviation of the row of `cols` elements at `base`.
#[cube]
fn moments(x: &Array<f32>, base: usize, cols: usize, epsilon: f32) -> (f32, f32) {
    let mut sum = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
        sum += x[base + i];
    }
    let mean = cube_sum(sum, ROW_UNITS) / f32::cast_from(cols);
    let mut squares = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
        let deviation = x[base + i] - mean;
        squares += deviation * deviation;
    }
    let variance = cube_sum(squares, ROW_UNITS) / f32::cast_from(cols);
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn layer_norm_kernel<F: Float>(
    x: &Array<f32>,
    gain: &Array<f32>,
    bias: &Array<f32>,
    y: &mut Array<f32>,
    short: &mut Array<F>,
    rows: u32,
    cols: u32,
    epsilon: f32,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let (row, cols) = (CUBE_POS, cols as usize);
    if row < rows as usize {
        let base = row * cols;
        let (mean, scale) = moments(x, base, cols, epsilon);
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let value = (x[base + i] - mean) * scale * gain[i] + bias[i];
            y[base + i] = value;
            write_rounded(short, base + i, value, rounds);
        }
    }
}

/// Normalises each row to mean 0 and variance 1, multiplies by `gain` and adds `bias`.
pub(crate) fn layer_norm(context: &Context, x: &Tensor, norm: LayerNorm<'_, Tensor>) -> Tensor {
    let LayerNorm { gain, bias, epsilon } = norm;
    let (rows, cols) = (x.rows(), x.cols());
    assert!(gain.len() == cols && bias.len() == cols, "layer_norm: gain, bias");
    let y = empty(context, x.shape);
    let short = RoundedCopy::of(context, &y, true);
    launch!(
        context,
        layer_norm_kernel(
            cubes(rows),
            row_units(),
            x.view().arg(),
            gain.view().arg(),
            bias.view().arg(),
            y.view().arg(),
            short.view.arg(),
            rows as u32,
            cols as u32,
            epsilon,
            short.wanted,
            short.format,
        )
    );
    y
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn join_kernel<F: Float>(
    y: &Array<f32>,
    shift: &Array<f32>,
    x: &Array<f32>,
    gain: &Array<f32>,
    bias: &Array<f32>,
    sum: &mut Array<f32>,
    out: &mut Array<f32>,
    short: &mut Array<F>,
    dropped: &Drop,
    rows: u32,
    cols: u32,
    epsilon: f32,
    #[comptime] shifts: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let (row, cols) = (CUBE_POS, cols as usize);
    if row < rows as usize {
        let base = row * cols;
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let mut value = y[base + i];
            if shifts {
                value += shift[i];
            }
            if drops {
                value *= factor(dropped, (base + i) as u32);
            }
            sum[base + i] = value + x[base + i];
        }
        // Each unit reads only elements that it wrote itself.
        let (mean, scale) = moments(sum, base, cols, epsilon);
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let value = (sum[base + i] - mean) * scale * gain[i] + bias[i];
            out[base + i] = value;
            write_rounded(short, base + i, value, rounds);
        }
    }
}

/// `sum = x + mask(y + shift)`, and its layer norm.
pub(crate) fn join(
    context: &Context,
    y: &Tensor,
    shift: Option<&Tensor>,
    x: &Tensor,
    mask: Option<(f32, u64)>,
    LayerNorm { gain, bias, epsilon }: LayerNorm<'_, Tensor>,
) -> [Tensor; 2] {
    let (rows, cols) = (x.rows(), x.cols());
    let fits = |param: &Tensor| param.len() == cols;
    assert!(y.shape == x.shape && [gain, bias].into_iter().chain(shift).all(fits), "join");
    let [sum, out] = [(); 2].map(|()| empty(context, x.shape));
    let (p, key) = mask.unwrap_or_default();
    let short = RoundedCopy::of(context, &out, true);
    launch!(
        context,
        join_kernel(
            cubes(rows),
            row_units(),
            y.view().arg(),
            shift.unwrap_or(gain).view().arg(),
            x.view().arg(),
            gain.view().arg(),
            bias.view().arg(),
            sum.view().arg(),
            out.view().arg(),
            short.view.arg(),
            drop_arg(p, key),
            rows as u32,
            cols as u32,
            epsilon,
            shift.is_some(),
            mask.is_some(),
            short.wanted,
            short.format,
        )
    );
    [sum, out]
}

#[cube(launch)]
fn input_grad_kernel(
    dy: &Array<f32>,
    x: &Array<f32>,
    gain: &Array<f32>,
    dx: &mut Array<f32>,
    stats: &mut Array<f32>,
    rows: u32,
    cols: u32,
    epsilon: f32,
) {
    let (row, cols) = (CUBE_POS, cols as usize);
    if row < rows as usize {
        let base = row * cols;
        let (mean, scale) = moments(x, base, cols, epsilon);
        let mut sum_g = 0.0f32;
        let mut sum_gh = 0.0f32;
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let g = dy[base + i] * gain[i];
            sum_g += g;
            sum_gh += g * ((x[base + i] - mean) * scale);
        }
        let mean_g = cube_sum(sum_g, ROW_UNITS) / f32::cast_from(cols);
        let mean_gh = cube_sum(sum_gh, ROW_UNITS) / f32::cast_from(cols);
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let h = (x[base + i] - mean) * scale;
            dx[base + i] = scale * (dy[base + i] * gain[i] - mean_g - h * mean_gh);
        }
        if UNIT_POS == 0 {
            stats[2 * row] = mean;
            stats[2 * row + 1] = scale;
        }
    }
}

#[cube(launch)]
fn weight_grad_kernel(
    dy: &Array<f32>,
    x: &Array<f32>,
    stats: &Array<f32>,
    dgain: &mut Array<f32>,
    dbias: &mut Array<f32>,
    rows: u32,
    cols: u32,
) {
    let (col, cols) = (ABSOLUTE_POS_X as usize, cols as usize);
    if col < cols {
        let (first, end) = run(rows as usize);
        let mut gain = 0.0f32;
        let mut bias = 0.0f32;
        for row in first..end {
            let g = dy[row * cols + col];
            gain += g * ((x[row * cols + col] - stats[2 * row]) * stats[2 * row + 1]);
            bias += g;
        }
        let index = CUBE_POS_Y as usize * cols + col;
        dgain[index] = gain;
        dbias[index] = bias;
    }
}

/// Gradients of [`layer_norm`].
pub(crate) fn layer_norm_grad(
    context: &Context,
    dy: &Tensor,
    x: &Tensor,
    LayerNorm { gain, epsilon, .. }: LayerNorm<'_, Tensor>,
) -> NormGrad<Tensor> {
    let (rows, cols) = (x.rows(), x.cols());
    assert!(dy.shape == x.shape && gain.len() == cols, "layer_norm_grad");
    let dx = empty(context, x.shape);
    let stats = empty(context, Shape::matrix(rows, 2));
    launch!(
        context,
        input_grad_kernel(
            cubes(rows),
            row_units(),
            dy.view().arg(),
            x.view().arg(),
            gain.view().arg(),
            dx.view().arg(),
            stats.view().arg(),
            rows as u32,
            cols as u32,
            epsilon,
        )
    );
    let parts = Stack::new(context, Shape::matrix(run_count(rows), cols), 2);
    let (count, dim) = runs(rows, cols);
    launch!(
        context,
        weight_grad_kernel(
            count,
            dim,
            dy.view().arg(),
            x.view().arg(),
            stats.view().arg(),
            parts.tensors[0].view().arg(),
            parts.tensors[1].view().arg(),
            rows as u32,
            cols as u32,
        )
    );
    let sums = stack_sums(context, &parts);
    NormGrad { x: dx, gain: sums[0].clone(), bias: sums[1].clone() }
}
