//! Layer normalisation, with a cube for each row. The gradients of gain and bias are sums of columns, so that they need
//! no atomics.

use super::addends::added;
use super::columns::stack_sums;
use super::copy::empty;
use super::cube::{cube_sum, group_sum};
use super::pointwise::{Drop, drop_arg, factor};
use crate::context::{Context, launch};
use crate::grid::{ROW_UNITS, UNITS, cubes, row_units};
use crate::rounded::{self, RoundedCopy, write_rounded};
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;
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
            context.full(x).arg(),
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
fn join_kernel<H: Float, F: Float>(
    y: &Array<H>,
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
    #[comptime] keeps_sum: bool,
    #[comptime] drops: bool,
    #[comptime] rounds: bool,
    #[define(H)] _held: StorageType,
    #[define(F)] _rounded: StorageType,
) {
    let (row, cols) = (CUBE_POS, cols as usize);
    if row < rows as usize {
        let base = row * cols;
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let mut value = f32::cast_from(y[base + i]) + shift[i];
            if drops {
                value *= factor(dropped, (base + i) as u32);
            }
            // A sum that nobody wants is kept where its norm is written next.
            if keeps_sum {
                sum[base + i] = value + x[base + i];
            } else {
                out[base + i] = value + x[base + i];
            }
        }
        // Each unit reads only elements that it wrote itself.
        let (mean, scale) = if keeps_sum {
            moments(sum, base, cols, epsilon)
        } else {
            moments(out, base, cols, epsilon)
        };
        for i in range_stepped(UNIT_POS as usize, cols, ROW_UNITS) {
            let value = if keeps_sum { sum[base + i] } else { out[base + i] };
            let value = (value - mean) * scale * gain[i] + bias[i];
            out[base + i] = value;
            write_rounded(short, base + i, value, rounds);
        }
    }
}

/// The layer norm of `x + mask(y + shift)`. That sum is written to `sum`, if it is given.
pub(crate) fn join(
    context: &Context,
    [y, shift, x]: [&Tensor; 3],
    mask: Option<(f32, u64)>,
    LayerNorm { gain, bias, epsilon }: LayerNorm<'_, Tensor>,
    sum: Option<&Tensor>,
) -> Tensor {
    let (rows, cols) = (x.rows(), x.cols());
    assert!(y.shape == x.shape && [gain, bias, shift].iter().all(|p| p.len() == cols), "join");
    let out = empty(context, x.shape);
    let nothing = empty(context, Shape::vector(1));
    let (p, key) = mask.unwrap_or_default();
    let (y, held) = context.held(y);
    let short = RoundedCopy::of(context, &out, true);
    launch!(
        context,
        join_kernel(
            cubes(rows),
            row_units(),
            y.arg(),
            shift.view().arg(),
            context.full(x).arg(),
            gain.view().arg(),
            bias.view().arg(),
            sum.unwrap_or(&nothing).view().arg(),
            out.view().arg(),
            short.view.arg(),
            drop_arg(p, key),
            rows as u32,
            cols as u32,
            epsilon,
            sum.is_some(),
            mask.is_some(),
            short.wanted,
            held,
            short.format,
        )
    );
    out
}

/// Elements of the rows that a cube has in hand at once, for each unit: what it reads twice is still in a cache the second time.
const IN_HAND: usize = 16;

/// Units of a cube for each row in hand, at least: a plane of CUDA's.
const LEAST_UNITS: usize = 32;

/// Units of all cubes in the backward pass, where there are rows for as many: 1,024 for each multiprocessor of a large device.
const ALL_UNITS: usize = 1 << 17;

/// Units of a cube in the backward pass. Each cube has sums of its own: with more units, there are fewer sums to add up.
/// Elsewhere than on CUDA, a cube may have no more than 256.
fn grad_units(context: &Context) -> usize {
    if context.client().is_cuda() { 512 } else { UNITS as usize }
}

/// Gradients of the rows of some tiles of `tile` rows, and the sums over these rows that the gradients of gain and bias
/// consist of, `[cubes, cols]` each. The gradient of the result is the sum of `dy`, if it has that, and `more`; a sum of several is
/// computed once, and kept in `dx` meanwhile. Each row of a tile first has a part of the units for itself; then each unit has
/// columns of the whole tile. With `branches`, also the gradient of the branch that was joined, after its dropout.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn layer_norm_grad_kernel<F: Float>(
    dy: &Array<f32>,
    more: &Sequence<Array<F>>,
    x: &Array<f32>,
    gain: &Array<f32>,
    dx: &mut Array<f32>,
    dgain: &mut Array<f32>,
    dbias: &mut Array<f32>,
    branch: &mut Array<F>,
    dropped: &Drop,
    rows: u32,
    cols: u32,
    epsilon: f32,
    #[comptime] units: usize,
    #[comptime] tile: usize,
    #[comptime] has_dy: bool,
    #[comptime] keeps_sum: bool,
    #[comptime] branches: bool,
    #[comptime] drops: bool,
    #[define(F)] _format: StorageType,
) {
    let group = comptime!(units / tile);
    let (unit, rows, cols) = (UNIT_POS as usize, rows as usize, cols as usize);
    let width = f32::cast_from(cols);
    // Of each row: mean and reciprocal deviation of `x`; the means of `g = gain dy`, and of `g` times the normalised `x`.
    let mut stats = SharedMemory::<f32>::new(comptime!(4 * tile));
    let sums = CUBE_POS * cols;
    let first = CUBE_POS * tile;
    for start in range_stepped(first, rows, CUBE_COUNT * tile) {
        let (own, lane) = (unit / group, unit % group);
        let base = (start + own) * cols;
        let mut end = cols;
        if start + own >= rows {
            end = 0;
        }
        let mut sum = 0.0f32;
        for i in range_stepped(lane, end, group) {
            sum += x[base + i];
        }
        let mean = group_sum(sum, units, group) / width;
        let mut squares = 0.0f32;
        for i in range_stepped(lane, end, group) {
            let deviation = x[base + i] - mean;
            squares += deviation * deviation;
        }
        let scale = 1.0 / (group_sum(squares, units, group) / width + epsilon).sqrt();
        let mut sum_g = 0.0f32;
        let mut sum_gh = 0.0f32;
        for i in range_stepped(lane, end, group) {
            let sum = added::<F>(dy, more, base + i, has_dy);
            if keeps_sum {
                dx[base + i] = sum;
            }
            let g = sum * gain[i];
            sum_g += g;
            sum_gh += g * ((x[base + i] - mean) * scale);
        }
        let mean_g = group_sum(sum_g, units, group) / width;
        let mean_gh = group_sum(sum_gh, units, group) / width;
        if lane == 0 {
            stats[4 * own] = mean;
            stats[4 * own + 1] = scale;
            stats[4 * own + 2] = mean_g;
            stats[4 * own + 3] = mean_gh;
        }
        sync_cube();
        for col in range_stepped(unit, cols, units) {
            let mut gain_sum = 0.0f32;
            let mut bias_sum = 0.0f32;
            if start > first {
                gain_sum = dgain[sums + col];
                bias_sum = dbias[sums + col];
            }
            for row in 0..min(tile, rows - start) {
                let at = (start + row) * cols + col;
                let h = (x[at] - stats[4 * row]) * stats[4 * row + 1];
                let g = if keeps_sum { dx[at] } else { added::<F>(dy, more, at, has_dy) };
                gain_sum += g * h;
                bias_sum += g;
                let inner = g * gain[col] - stats[4 * row + 2] - h * stats[4 * row + 3];
                let mut value = stats[4 * row + 1] * inner;
                dx[at] = value;
                if drops {
                    value *= factor(dropped, at as u32);
                }
                write_rounded(branch, at, value, branches);
            }
            dgain[sums + col] = gain_sum;
            dbias[sums + col] = bias_sum;
        }
        sync_cube();
    }
}

/// Gradients of [`layer_norm`]; those of gain and bias are written to `out`.
pub(crate) fn layer_norm_grad(
    context: &Context,
    dy: &Tensor,
    x: &Tensor,
    norm: LayerNorm<'_, Tensor>,
    out: Stack,
) -> NormGrad<Tensor> {
    grad(context, dy, x, norm, None, None, out)
}

/// Gradients of [`join`]: those of its norm, and of what was joined to the residual, rounded where only products read it so.
pub(crate) fn join_grad(
    context: &Context,
    dy: &Tensor,
    sum: &Tensor,
    norm: LayerNorm<'_, Tensor>,
    mask: Option<(f32, u64)>,
    out: Stack,
) -> (NormGrad<Tensor>, Tensor) {
    let has_own = context.rounds || mask.is_some();
    let branch = has_own.then(|| rounded::empty_in(context, sum.shape, context.rounds));
    let d = grad(context, dy, sum, norm, mask, branch.as_ref(), out);
    let branch = branch.unwrap_or_else(|| d.x.clone());
    (d, branch)
}

/// Gradients of a norm; also writes `branch`, that of its input after `mask`.
fn grad(
    context: &Context,
    dy: &Tensor,
    x: &Tensor,
    LayerNorm { gain, epsilon, .. }: LayerNorm<'_, Tensor>,
    mask: Option<(f32, u64)>,
    branch: Option<&Tensor>,
    out: Stack,
) -> NormGrad<Tensor> {
    let (rows, cols) = (x.rows(), x.cols());
    assert!(dy.shape == x.shape && gain.len() == cols, "layer_norm_grad");
    let dx = empty(context, x.shape);
    let units = grad_units(context);
    let tile = (units * IN_HAND / cols.next_power_of_two()).clamp(1, units / LEAST_UNITS);
    let count = rows.div_ceil(tile).min(ALL_UNITS / units);
    let parts = Stack::new(context, Shape::matrix(count, cols), 2);
    let (p, key) = mask.unwrap_or_default();
    let nothing = empty(context, Shape::vector(1));
    let dy = context.addends(dy);
    let to = branch.map_or_else(|| nothing.view(), |branch| context.held(branch).0);
    if count > 0 {
        launch!(
            context,
            layer_norm_grad_kernel(
                cubes(count),
                CubeDim::new_1d(units as u32),
                dy.full.arg(),
                dy.rounded.iter().map(View::arg).collect(),
                x.view().arg(),
                gain.view().arg(),
                dx.view().arg(),
                parts.tensors[0].view().arg(),
                parts.tensors[1].view().arg(),
                to.arg(),
                drop_arg(p, key),
                rows as u32,
                cols as u32,
                epsilon,
                units,
                tile,
                dy.has_full,
                dy.rounded.len() + usize::from(dy.has_full) > 1,
                branch.is_some(),
                mask.is_some(),
                dy.format,
            )
        );
    }
    stack_sums(context, &parts, &out);
    NormGrad { x: dx, gain: out.tensors[0].clone(), bias: out.tensors[1].clone() }
}
