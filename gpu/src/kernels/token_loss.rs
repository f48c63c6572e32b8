//! Label-smoothed cross-entropy and cross-entropy against a teacher, with a cube for each row. The gradient overwrites the
//! logits, one block of rows at a time, so that no more than a block of logits exists.

use super::columns::column_sums;
use super::copy::{empty, fill, zeros};
use super::cube::{cube_max, cube_sum};
use super::pointwise::add_to;
use crate::context::{Context, launch};
use crate::gemm::{Gemm, Out};
use crate::grid::{UNITS, cubes, units};
use crate::index::Index;
use crate::pool::ALIGNMENT;
use crate::rounded::RoundedCopy;
use crate::tensor::Tensor;
use a2d_core::backend::{TeacherRows, TokenLosses};
use a2d_core::batch::IGNORE;
use a2d_core::rows::TokenRow;
use a2d_core::shape::Shape;
use a2d_gemm::Form;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// Units of a cube.
const U: usize = UNITS as usize;

/// Less than every logit. Its distance from one, times a softness, is finite.
const LOWEST: f32 = -1.0e30;

/// Bounds of the number of logits in a block: 64 MiB, and 256 MiB where the device has buffers many times as large.
const BLOCK_BOUNDS: [usize; 2] = [1 << 24, 1 << 26];

/// The values of a row: ce, kd, the two negative log-likelihoods, and the entropy of the softened teacher.
const VALUES: usize = 5;

/// [`TokenRow`] as a kernel's argument.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Row {
    label_smoothing: f32,
    student_softness: f32,
    teacher_softness: f32,
    ce_weight: f32,
    kd_weight: f32,
}

/// Sums over a row of logits `x` and of the teacher's `t`, relative to the largest of each.
#[derive(CubeType, Clone, Copy)]
struct RowSums {
    /// The largest `x`.
    largest: f32,
    /// Of `e^(x - largest)`.
    total: f32,
    /// Of `x`.
    sum: f32,
    /// Of `e^(softness (x - largest))`.
    soft_total: f32,
    largest_t: f32,
    total_t: f32,
    soft_total_t: f32,
    /// Of the terms of `soft_total_t` times `x`, and times `t - largest_t`.
    expected: f32,
    weighted: f32,
}

/// The sums in one pass: a unit scales what it has summed whenever it meets a larger logit.
#[cube]
fn row_sums(
    z: &Array<f32>,
    teacher: &Array<f32>,
    base: usize,
    v: usize,
    of: &Row,
    #[comptime] taught: bool,
    #[comptime] softens: bool,
) -> RowSums {
    let (soft, soft_t) = (of.student_softness, of.teacher_softness);
    let mut largest = LOWEST.runtime();
    let mut total = 0.0f32;
    let mut sum = 0.0f32;
    let mut soft_total = 0.0f32;
    let mut largest_t = LOWEST.runtime();
    let mut total_t = 0.0f32;
    let mut soft_total_t = 0.0f32;
    let mut expected = 0.0f32;
    let mut weighted = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, v, U) {
        let x = z[base + i];
        if x > largest {
            total *= (largest - x).exp();
            if softens {
                soft_total *= (soft * (largest - x)).exp();
            }
            largest = x;
        }
        sum += x;
        total += (x - largest).exp();
        if softens {
            soft_total += (soft * (x - largest)).exp();
        }
        if taught {
            let t = teacher[base + i];
            if t > largest_t {
                let below = largest_t - t;
                total_t *= below.exp();
                if softens {
                    let scale = (soft_t * below).exp();
                    weighted = scale * (weighted + below * soft_total_t);
                    soft_total_t *= scale;
                    expected *= scale;
                }
                largest_t = t;
            }
            total_t += (t - largest_t).exp();
            if softens {
                let e = (soft_t * (t - largest_t)).exp();
                soft_total_t += e;
                expected += e * x;
                weighted += e * (t - largest_t);
            }
        }
    }
    let most = cube_max(largest, U);
    let total = cube_sum(total * (largest - most).exp(), U);
    let sum = cube_sum(sum, U);
    let mut most_t = LOWEST.runtime();
    if taught {
        most_t = cube_max(largest_t, U);
        total_t = cube_sum(total_t * (largest_t - most_t).exp(), U);
    }
    if softens {
        soft_total = cube_sum(soft_total * (soft * (largest - most)).exp(), U);
        let below = largest_t - most_t;
        let scale = (soft_t * below).exp();
        weighted = cube_sum(scale * (weighted + below * soft_total_t), U);
        soft_total_t = cube_sum(scale * soft_total_t, U);
        expected = cube_sum(scale * expected, U);
    }
    RowSums {
        largest: most,
        total,
        sum,
        soft_total,
        largest_t: most_t,
        total_t,
        soft_total_t,
        expected,
        weighted,
    }
}

/// Computes the formulas of [`TokenRow`]. The gradient is written to `z`, or to `short` alone where products round.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn token_loss_kernel<F: Float>(
    z: &mut Array<f32>,
    teacher: &Array<f32>,
    targets: &Array<u32>,
    values: &mut Array<f32>,
    short: &mut Array<F>,
    of: &Row,
    from: u32,
    rows: u32,
    vocabulary: u32,
    #[comptime] taught: bool,
    #[comptime] mutual: bool,
    #[comptime] wants_gradient: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let softens = comptime!(taught && !mutual);
    let (row, v) = (CUBE_POS, vocabulary as usize);
    if row < rows as usize {
        let (base, first) = (row * v, (from as usize + row) * VALUES);
        let target = targets[from as usize + row];
        if target == IGNORE {
            if wants_gradient {
                for i in range_stepped(UNIT_POS as usize, v, U) {
                    if rounds {
                        short[base + i] = F::cast_from(0.0f32);
                    } else {
                        z[base + i] = 0.0;
                    }
                }
            }
            if UNIT_POS == 0 {
                #[unroll]
                for i in 0..VALUES {
                    values[first + i] = 0.0;
                }
            }
        } else {
            let (soft, teacher_soft) = (of.student_softness, of.teacher_softness);
            let even = of.label_smoothing / f32::cast_from(v - 1);
            let sharp = 1.0 - of.label_smoothing - even;
            let z_target = z[base + target as usize];

            let sums = row_sums(z, teacher, base, v, of, taught, softens);
            let lse = sums.largest + sums.total.ln();
            let nll = lse - z_target;
            let ce = sharp * nll + even * (f32::cast_from(v) * lse - sums.sum);

            let mut lse_soft = 0.0f32;
            let mut lse_t = 0.0f32;
            let mut kd = 0.0f32;
            let mut teacher_nll = 0.0f32;
            let mut entropy = 0.0f32;
            let mut back = 0.0f32;
            if mutual {
                lse_t = sums.largest_t + sums.total_t.ln();
                teacher_nll = lse_t - teacher[base + target as usize];
                // Both directions term by term: the passes are close, and a difference of sums would lose their distance.
                let mut forth_sum = 0.0f32;
                let mut back_sum = 0.0f32;
                for i in range_stepped(UNIT_POS as usize, v, U) {
                    let (p, q) = (z[base + i] - lse, teacher[base + i] - lse_t);
                    forth_sum += q.exp() * (q - p);
                    back_sum += p.exp() * (p - q);
                }
                back = cube_sum(back_sum, U);
                kd = 0.5 * (cube_sum(forth_sum, U) + back);
            } else if taught {
                let (largest_t, soft_t) = (sums.largest_t, sums.soft_total_t);
                lse_soft = soft * sums.largest + sums.soft_total.ln();
                lse_t = teacher_soft * largest_t + soft_t.ln();
                kd = lse_soft - soft * sums.expected / soft_t;
                teacher_nll = largest_t + sums.total_t.ln() - teacher[base + target as usize];
                entropy = soft_t.ln() - teacher_soft * sums.weighted / soft_t;
            }
            if UNIT_POS == 0 {
                values[first] = ce;
                values[first + 1] = kd;
                values[first + 2] = nll;
                values[first + 3] = teacher_nll;
                values[first + 4] = entropy;
            }
            if wants_gradient {
                let hard = of.ce_weight * (sharp + even * f32::cast_from(v));
                let floor = of.ce_weight * even;
                let kd_scale = of.kd_weight * soft;
                for i in range_stepped(UNIT_POS as usize, v, U) {
                    let x = z[base + i];
                    let mut g = hard * (x - lse).exp() - floor;
                    if mutual {
                        let (p, q) = (x - lse, teacher[base + i] - lse_t);
                        g += 0.5 * kd_scale * (p.exp() * (1.0 + p - q - back) - q.exp());
                    } else if taught {
                        g += kd_scale
                            * ((soft * x - lse_soft).exp()
                                - (teacher_soft * teacher[base + i] - lse_t).exp());
                    }
                    if i == target as usize {
                        g -= of.ce_weight * sharp;
                    }
                    if rounds {
                        short[base + i] = F::cast_from(g);
                    } else {
                        z[base + i] = g;
                    }
                }
            }
        }
    }
}

/// The inputs of token losses.
pub(crate) struct Given<'a> {
    pub hidden: &'a Tensor,
    pub table: &'a Tensor,
    pub bias: Option<&'a Tensor>,
    pub teacher: Option<TeacherRows<'a, Tensor>>,
    pub targets: &'a Index,
    pub row: TokenRow,
    pub gradient: bool,
}

/// The losses of all rows, and the gradients of hidden rows and, in the memory of `table`, of the table.
pub(crate) fn token_loss(
    context: &Context,
    gemm: &Gemm,
    of: &Given<'_>,
    table: Option<Tensor>,
) -> TokenLosses<Tensor> {
    let ((n, width), v) = ((of.hidden.rows(), of.hidden.cols()), of.table.rows());
    check(of);
    let values = empty(context, Shape::matrix(n, VALUES));
    let hidden = of.gradient.then(|| empty(context, of.hidden.shape));
    let mut bias: Option<Tensor> = None;
    // A whole number of aligned rows, so that every device can bind a block.
    let block = (block(context) / v / ALIGNMENT).max(1) * ALIGNMENT;
    for from in (0..n).step_by(block) {
        let rows = block.min(n - from);
        let part = |x: &Tensor| match rows == n {
            true => x.clone(),
            false => x.rows_from(from, rows),
        };
        let logits = |x: &Tensor, table: &Tensor, bias: Option<&Tensor>| {
            gemm.linear(context, [x, table], bias)
        };
        let x = part(of.hidden);
        let z = logits(&x, of.table, of.bias);
        let taught = of.teacher.as_ref().map(|of| logits(&part(of.hidden), of.table, of.bias));
        launch(context, of, &z, taught.as_ref().unwrap_or(&x), &values, [from, rows, v]);
        if let (Some(hidden), Some(table)) = (&hidden, &table) {
            let to = Out::To(hidden.part(from, rows));
            gemm.run(context, Form::Nn, &z, of.table, [rows, width, v], to);
            let to = if from == 0 { Out::To } else { Out::Onto };
            gemm.run(context, Form::Tn, &z, &x, [v, width, rows], to(table.view()));
            if of.bias.is_some() {
                let part = column_sums(context, &z.view(), rows, v);
                match &bias {
                    None => bias = Some(part),
                    Some(bias) => add_to(context, &bias.view(), &part.view()),
                }
            }
        }
    }
    if let (0, Some(table)) = (n, &table) {
        fill(context, &table.view(), 0.0);
        bias = of.bias.map(|bias| zeros(context, bias.shape));
    }
    let sums = column_sums(context, &values.view(), n, VALUES);
    TokenLosses { values: sums, rows: values, hidden, table, bias }
}

/// The number of logits in a block.
fn block(context: &Context) -> usize {
    let largest = context.max_buffer() as usize / size_of::<f32>();
    (largest / 16).clamp(BLOCK_BOUNDS[0], BLOCK_BOUNDS[1])
}

fn launch(
    context: &Context,
    of: &Given<'_>,
    z: &Tensor,
    teacher: &Tensor,
    values: &Tensor,
    [from, rows, v]: [usize; 3],
) {
    let mutual = of.teacher.is_some() && of.row.mutual;
    let row = if mutual { TokenRow::two_passes(of.row.kd_weight) } else { of.row };
    // Where no gradient is wanted, none is rounded; that of a bias is summed unrounded.
    let short = RoundedCopy::of(context, z, of.gradient && of.bias.is_none());
    launch!(
        context,
        token_loss_kernel(
            cubes(rows),
            units(),
            z.view().arg(),
            teacher.view().arg(),
            of.targets.view(context).arg(),
            values.view().arg(),
            short.view.arg(),
            RowLaunch::new(
                row.label_smoothing,
                1.0 / row.student_temperature,
                1.0 / row.teacher_temperature,
                row.ce_weight,
                row.kd_weight,
            ),
            from as u32,
            rows as u32,
            v as u32,
            of.teacher.is_some(),
            mutual,
            of.gradient,
            short.wanted,
            short.format,
        )
    );
}

fn check(of: &Given<'_>) {
    let (n, v) = (of.hidden.rows(), of.table.rows());
    assert_eq!(of.hidden.cols(), of.table.cols(), "token_loss: hidden");
    assert_eq!(of.targets.len(), n, "token_loss: targets");
    if let Some(teacher) = &of.teacher {
        assert!(teacher.hidden.rows() == n && teacher.table.rows() == v, "token_loss: the teacher");
        assert_eq!(teacher.hidden.cols(), teacher.table.cols(), "token_loss: the teacher's hidden");
    }
    let fits = |target: &u32| *target == IGNORE || (*target as usize) < v;
    assert!(of.targets.values.iter().all(fits), "token_loss: a target beyond {v}");
}
