//! Losses on hidden states, by the formulas of [`compare::states`], with a cube for each row: that of a token, or with pooling the mean of a sentence's rows.

use super::columns::column_sums;
use super::copy::empty;
use super::cube::{Extent, LOWEST, cube_sum, read_span};
use crate::context::{Context, launch};
use crate::grid::{ROW_UNITS, UNITS, row_units, units};
use crate::index::Index;
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::backend::{Loss, StateForm, StateLoss};
use a2d_core::batch::Grid;
use a2d_core::compare::{self, SHORTEST};
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// `mean[k, sentence]` of the valid rows of a sentence, for each matrix of a stack; 0 where there are none.
#[cube(launch)]
fn means_kernel(
    x: &Array<f32>,
    spans: &Array<u32>,
    means: &mut Array<f32>,
    step: u32,
    sentences: u32,
    cols: u32,
) {
    let (col, cols) = (ABSOLUTE_POS_X as usize, cols as usize);
    let (sentence, matrix) = (CUBE_POS_Y as usize, CUBE_POS_Z as usize);
    if col < cols {
        let span = read_span(spans, sentence);
        let from = matrix * step as usize + span.query_start * cols + col;
        let mut sum = 0.0f32;
        for row in 0..span.query_valid {
            sum += x[from + row * cols];
        }
        let rows = max(span.query_valid, 1);
        means[(matrix * sentences as usize + sentence) * cols + col] = sum / f32::cast_from(rows);
    }
}

/// The means over each sentence of `count` matrices that lie `step` elements apart, `[count, B, cols]`.
fn means(
    context: &Context,
    x: &View,
    [count, step, cols]: [usize; 3],
    grid: &Grid<Index>,
) -> Tensor {
    let means = empty(context, Shape::matrix(count * grid.sentences, cols));
    if means.len() > 0 {
        let cubes = [cols.div_ceil(UNITS as usize), grid.sentences, count].map(|n| n as u32);
        launch!(
            context,
            means_kernel(
                CubeCount::Static(cubes[0], cubes[1], cubes[2]),
                units(),
                x.arg(),
                grid.spans.view(context).arg(),
                means.view().arg(),
                step as u32,
                grid.sentences as u32,
                cols as u32,
            )
        );
    }
    means
}

/// The rows that a cube compares, and the factors of the loss.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct States {
    /// The columns of the student and of each of the teacher's matrices.
    width: u32,
    wide: u32,
    /// Elements from one of the teacher's matrices to the next.
    step: u32,
    /// The factor of a mixture's products.
    scale: f32,
    weight: f32,
}

/// Element `c` of the concatenation of the teacher's rows, the first of which begins at `from`.
#[cube]
fn joined(teacher: &Array<f32>, from: usize, c: usize, of: &States) -> f32 {
    let wide = of.wide as usize;
    teacher[c / wide * of.step as usize + from + c % wide]
}

/// [`StateForm::Direction`] of the rows at `at` and `from`.
#[cube]
fn direction(
    student: &Array<f32>,
    teacher: &Array<f32>,
    gradient: &mut Array<f32>,
    at: usize,
    from: usize,
    of: &States,
    #[comptime] wants_gradient: bool,
) -> f32 {
    let width = of.width as usize;
    let mut squares = 0.0f32;
    let mut squares_t = 0.0f32;
    for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
        let (s, t) = (student[at + c], joined(teacher, from, c, of));
        squares += s * s;
        squares_t += t * t;
    }
    let length = cube_sum(squares, ROW_UNITS).sqrt();
    let own = 1.0 / max(length, SHORTEST);
    let other = 1.0 / max(cube_sum(squares_t, ROW_UNITS).sqrt(), SHORTEST);
    let mut value = 0.0f32;
    let mut along = 0.0f32;
    for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
        let s = own * student[at + c];
        let e = s - other * joined(teacher, from, c, of);
        value += e * e;
        along += s * e;
    }
    if wants_gradient {
        let along = cube_sum(along, ROW_UNITS);
        let mut factor = 2.0 * of.weight * own;
        if length < SHORTEST {
            factor = 0.0;
        }
        for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
            let s = own * student[at + c];
            let e = s - other * joined(teacher, from, c, of);
            gradient[at + c] = factor * (e - s * along);
        }
    }
    cube_sum(value, ROW_UNITS)
}

/// [`StateForm::Square`] of the rows at `at` and `from`.
#[cube]
fn square(
    student: &Array<f32>,
    teacher: &Array<f32>,
    gradient: &mut Array<f32>,
    at: usize,
    from: usize,
    of: &States,
    #[comptime] wants_gradient: bool,
) -> f32 {
    let mut value = 0.0f32;
    for c in range_stepped(UNIT_POS as usize, of.width as usize, ROW_UNITS) {
        let e = student[at + c] - joined(teacher, from, c, of);
        value += e * e;
        if wants_gradient {
            gradient[at + c] = 2.0 * of.weight * e;
        }
    }
    cube_sum(value, ROW_UNITS)
}

/// Replaces scores by their softmax.
#[cube]
fn softmax(scores: &mut Array<f32>, #[comptime] count: usize) {
    let mut largest = LOWEST.runtime();
    for k in 0..count {
        largest = max(largest, scores[k]);
    }
    let mut total = 0.0f32;
    for k in 0..count {
        let e = (scores[k] - largest).exp();
        scores[k] = e;
        total += e;
    }
    for k in 0..count {
        scores[k] /= total;
    }
}

/// `s - sum_k a_k t_k` at column `c`.
#[cube]
fn rest(
    student: f32,
    teacher: &Array<f32>,
    shares: &Array<f32>,
    from: usize,
    of: &States,
    #[comptime] count: usize,
) -> f32 {
    let mut e = student;
    for k in 0..count {
        e -= shares[k] * teacher[k * of.step as usize + from];
    }
    e
}

/// [`StateForm::Mixture`] of the rows at `at` and `from`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn mixture(
    student: &Array<f32>,
    teacher: &Array<f32>,
    gradient: &mut Array<f32>,
    at: usize,
    from: usize,
    of: &States,
    #[comptime] count: usize,
    #[comptime] detached: bool,
    #[comptime] wants_gradient: bool,
) -> f32 {
    let (width, step) = (of.width as usize, of.step as usize);
    let mut shares = Array::<f32>::new(count);
    let mut along = Array::<f32>::new(count);
    for k in 0..count {
        let mut product = 0.0f32;
        for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
            product += student[at + c] * teacher[k * step + from + c];
        }
        shares[k] = of.scale * cube_sum(product, ROW_UNITS);
        along[k] = 0.0;
    }
    softmax(&mut shares, count);
    let mut value = 0.0f32;
    for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
        let e = rest(student[at + c], teacher, &shares, from + c, of, count);
        value += e * e;
        for k in 0..count {
            along[k] += e * teacher[k * step + from + c];
        }
    }
    if wants_gradient {
        // The factor of each of the teacher's rows in the gradient through the shares.
        if !detached {
            let mut mean = 0.0f32;
            for k in 0..count {
                let sum = cube_sum(along[k], ROW_UNITS);
                along[k] = sum;
                mean += shares[k] * sum;
            }
            for k in 0..count {
                along[k] = of.scale * shares[k] * (along[k] - mean);
            }
        }
        for c in range_stepped(UNIT_POS as usize, width, ROW_UNITS) {
            let mut g = rest(student[at + c], teacher, &shares, from + c, of, count);
            if !detached {
                for k in 0..count {
                    g -= along[k] * teacher[k * step + from + c];
                }
            }
            gradient[at + c] = 2.0 * of.weight * g;
        }
    }
    cube_sum(value, ROW_UNITS)
}

/// Compares the row `x` of the sentence `y`, or with `pooled` the means of the sentence. Padding has the value 0 and no
/// gradient.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn state_loss_kernel(
    student: &Array<f32>,
    teacher: &Array<f32>,
    spans: &Array<u32>,
    values: &mut Array<f32>,
    gradient: &mut Array<f32>,
    of: &States,
    #[comptime] directed: bool,
    #[comptime] mixed: bool,
    #[comptime] detached: bool,
    #[comptime] count: usize,
    #[comptime] pooled: bool,
    #[comptime] wants_gradient: bool,
) {
    let (i, sentence) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let span = read_span(spans, sentence);
    let mut row = span.query_start + i;
    let mut len = span.query_len;
    if pooled {
        row = sentence;
        len = 1;
    }
    let (at, from) = (row * of.width as usize, row * of.wide as usize);
    if i < len {
        let mut value = 0.0f32;
        if i < span.query_valid {
            if directed {
                value = direction(student, teacher, gradient, at, from, of, wants_gradient);
            } else if mixed {
                value = mixture(
                    student,
                    teacher,
                    gradient,
                    at,
                    from,
                    of,
                    count,
                    detached,
                    wants_gradient,
                );
            } else {
                value = square(student, teacher, gradient, at, from, of, wants_gradient);
            }
        } else if wants_gradient {
            for c in range_stepped(UNIT_POS as usize, of.width as usize, ROW_UNITS) {
                gradient[at + c] = 0.0;
            }
        }
        if UNIT_POS == 0 {
            values[row] = value;
        }
    }
}

/// The gradient of each valid row (`y`) of a sentence (`z`) from that of their mean.
#[cube(launch)]
fn spread_kernel(means: &Array<f32>, spans: &Array<u32>, out: &mut Array<f32>, cols: u32) {
    let (col, cols) = (ABSOLUTE_POS_X as usize, cols as usize);
    let (row, sentence) = (CUBE_POS_Y as usize, CUBE_POS_Z as usize);
    let span = read_span(spans, sentence);
    if col < cols && row < span.query_len {
        let mut g = 0.0f32;
        if row < span.query_valid {
            g = means[sentence * cols + col] / f32::cast_from(span.query_valid);
        }
        out[(span.query_start + row) * cols + col] = g;
    }
}

fn spread(context: &Context, means: &Tensor, grid: &Grid<Index>, shape: Shape) -> Tensor {
    let out = empty(context, shape);
    let rows = Extent::of(&grid.spans.values).query;
    if rows > 0 {
        let cubes = [shape.cols().div_ceil(UNITS as usize), rows, grid.sentences].map(|n| n as u32);
        launch!(
            context,
            spread_kernel(
                CubeCount::Static(cubes[0], cubes[1], cubes[2]),
                units(),
                means.view().arg(),
                grid.spans.view(context).arg(),
                out.view().arg(),
                shape.cols() as u32,
            )
        );
    }
    out
}

/// The sum of the differences, and the weighted gradient of the student's states.
pub(crate) fn state_loss(
    context: &Context,
    student: &Tensor,
    teacher: &[&Tensor],
    grid: &Grid<Index>,
    how: StateLoss,
    wants_gradient: bool,
) -> Loss<Tensor> {
    let wide = compare::teacher_width(student.shape, teacher.iter().map(|t| t.shape), how);
    let (count, shape) = (teacher.len(), student.shape);
    let stack = Stack::of(context, teacher);
    let (theirs, step) = (stack.view(), stack.step);
    if !how.pooled {
        let given = Given { student, teacher: &theirs, sizes: [count, step, wide], grid, how };
        return compared(context, &given, wants_gradient);
    }
    let own = means(context, &context.full(student), [1, 0, shape.cols()], grid);
    let theirs = means(context, &theirs, [count, step, wide], grid).view();
    let sizes = [count, grid.sentences * wide, wide];
    let given = Given { student: &own, teacher: &theirs, sizes, grid, how };
    let Loss { value, gradient } = compared(context, &given, wants_gradient);
    Loss { value, gradient: gradient.map(|g| spread(context, &g, grid, shape)) }
}

/// What is compared: rows, or means of sentences.
struct Given<'a> {
    student: &'a Tensor,
    teacher: &'a View,
    /// The number of the teacher's matrices, the elements from one to the next, and their columns.
    sizes: [usize; 3],
    grid: &'a Grid<Index>,
    how: StateLoss,
}

fn compared(context: &Context, of: &Given<'_>, wants_gradient: bool) -> Loss<Tensor> {
    let (shape, grid, [count, step, wide]) = (of.student.shape, of.grid, of.sizes);
    let values = empty(context, Shape::matrix(shape.rows(), 1));
    let gradient = empty(context, if wants_gradient { shape } else { Shape::vector(1) });
    let (scale, mixed, detached) = match of.how.form {
        StateForm::Mixture { scale, detached } => (scale, true, detached),
        StateForm::Direction | StateForm::Square => (0.0, false, false),
    };
    let rows = if of.how.pooled { 1 } else { Extent::of(&grid.spans.values).query };
    if rows > 0 && grid.sentences > 0 {
        launch!(
            context,
            state_loss_kernel(
                CubeCount::Static(rows as u32, grid.sentences as u32, 1),
                row_units(),
                context.full(of.student).arg(),
                of.teacher.arg(),
                grid.spans.view(context).arg(),
                values.view().arg(),
                gradient.view().arg(),
                StatesLaunch::new(
                    shape.cols() as u32,
                    wide as u32,
                    step as u32,
                    scale,
                    of.how.weight,
                ),
                of.how.form == StateForm::Direction,
                mixed,
                detached,
                count,
                of.how.pooled,
                wants_gradient,
            )
        );
    }
    let value = column_sums(context, &values.view(), shape.rows(), 1);
    Loss { value, gradient: wants_gradient.then_some(gradient) }
}
