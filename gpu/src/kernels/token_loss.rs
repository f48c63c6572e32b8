//! Label-smoothed cross-entropy and cross-entropy against a teacher, with a cube for each row. The gradient overwrites the
//! logits, one block of rows at a time, so that no more than a block of logits exists. Where a multiprocessor has room for a
//! row, its logits are read once: the student's stay in registers, the teacher's in shared memory.

use super::columns::column_sums;
use super::copy::{empty, fill, zeros};
use super::cube::{Fold, cube_fold, cube_sum};
use super::pointwise::add_to;
use crate::context::{Context, launch};
use crate::gemm::{Gemm, Out};
use crate::grid::{UNITS, cubes};
use crate::index::Index;
use crate::pool::ALIGNMENT;
use crate::rounded::{self, RoundedCopy};
use crate::tensor::Tensor;
use a2d_core::backend::{TeacherRows, TokenLosses};
use a2d_core::batch::IGNORE;
use a2d_core::rows::TokenRow;
use a2d_core::shape::Shape;
use a2d_gemm::Form;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// Less than every logit. Its distance from one, times a softness, is finite.
const LOWEST: f32 = -1.0e30;

/// Bounds of the number of logits in a block: 64 MiB, and 256 MiB where the device has buffers many times as large.
const BLOCK_BOUNDS: [usize; 2] = [1 << 24, 1 << 26];

/// The values of a row: ce, kd, the two negative log-likelihoods, and the entropy of the softened teacher.
const VALUES: usize = 5;

/// Sums that the units of a cube add up, at most.
const SUMS: usize = 7;

/// The most logits of a vector: 16 bytes.
const LANES: usize = 4;

/// The most units of a cube, which leave 64 registers to each, and the most logits that a unit keeps in them.
const MOST_UNITS: usize = 1024;
const MOST_KEPT: usize = 32;

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

/// How the units of a cube share a row: each has every `units`th vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cut {
    units: usize,
    /// Logits of a vector, and vectors of a row.
    lanes: usize,
    vectors: usize,
    /// Whether the units keep the logits that they have read, in registers, and those of the teacher, in shared memory.
    keeps: bool,
    keeps_teacher: bool,
}

impl Cut {
    /// For rows of `v` logits.
    fn of(context: &Context, v: usize) -> Self {
        let lanes = if v.is_multiple_of(LANES) { LANES } else { 1 };
        let vectors = v / lanes;
        let cut = |units, keeps| Self { units, lanes, vectors, keeps, keeps_teacher: false };
        // Elsewhere than on CUDA, the registers of a unit may leave room for no more units.
        let most = if context.client().is_cuda() { MOST_UNITS } else { UNITS as usize };
        let kept = |units: &usize| *units <= most && cut(*units, true).each() * lanes <= MOST_KEPT;
        let units = [UNITS as usize, 512, MOST_UNITS].into_iter().find(kept);
        units.map_or(cut(UNITS as usize, false), |units| {
            let cut = cut(units, true);
            Self { keeps_teacher: cut.shared() <= context.max_shared(), ..cut }
        })
    }

    /// Bytes of shared memory with the teacher's logits: these, and a value of each unit for each sum and each of two maxima.
    fn shared(&self) -> usize {
        size_of::<f32>() * (self.vectors * self.lanes + self.units * (SUMS + 2))
    }

    /// The most vectors of a unit.
    const fn each(&self) -> usize {
        self.vectors.div_ceil(self.units)
    }

    /// Elements of the local and shared memory that logits are kept in.
    const fn kept(&self) -> [usize; 2] {
        let own = if self.keeps { self.each() } else { 1 };
        let teacher = if self.keeps_teacher { self.vectors } else { 1 };
        [own, teacher]
    }
}

/// The place of a unit's `i`th vector in a row.
#[cube]
fn place(i: usize, #[comptime] cut: Cut) -> usize {
    i * cut.units + UNIT_POS as usize
}

/// A unit's `i`th vector of the row from vector `base`.
#[cube]
fn own_logits<N: Size>(
    z: &Array<Vector<f32, N>>,
    kept: &Array<Vector<f32, N>>,
    base: usize,
    i: usize,
    #[comptime] cut: Cut,
) -> Vector<f32, N> {
    if comptime!(cut.keeps) { kept[i] } else { z[base + place(i, cut)] }
}

/// [`own_logits`] of the teacher.
#[cube]
fn teacher_logits<N: Size>(
    teacher: &Array<Vector<f32, N>>,
    kept: &SharedMemory<Vector<f32, N>>,
    base: usize,
    i: usize,
    #[comptime] cut: Cut,
) -> Vector<f32, N> {
    let at = place(i, cut);
    if comptime!(cut.keeps_teacher) { kept[at] } else { teacher[base + at] }
}

/// The logit of token `id` in the row from vector `base`.
#[cube]
fn logit<N: Size>(z: &Array<Vector<f32, N>>, base: usize, id: usize, #[comptime] cut: Cut) -> f32 {
    let vector = z[base + id / cut.lanes];
    let mut found = vector[0];
    #[unroll]
    for lane in 1..cut.lanes {
        if id % cut.lanes == lane {
            found = vector[lane];
        }
    }
    found
}

/// The largest of `from` and the elements of a vector.
#[cube]
fn largest_of<N: Size>(from: f32, vector: Vector<f32, N>, #[comptime] lanes: usize) -> f32 {
    let mut largest = from;
    #[unroll]
    for lane in 0..lanes {
        largest = max(largest, vector[lane]);
    }
    largest
}

/// Reads what is kept, and returns a unit's largest logit of that, and the teacher's.
#[cube]
fn keep<N: Size>(
    z: &Array<Vector<f32, N>>,
    teacher: &Array<Vector<f32, N>>,
    kept: &mut Array<Vector<f32, N>>,
    kept_teacher: &mut SharedMemory<Vector<f32, N>>,
    base: usize,
    #[comptime] cut: Cut,
    #[comptime] taught: bool,
) -> (f32, f32) {
    let mut largest = LOWEST.runtime();
    let mut largest_t = LOWEST.runtime();
    if comptime!(cut.keeps) {
        // No branches before the loads, so that all of them are in flight at once: a unit that has no vector left reads the last.
        #[unroll]
        for i in 0..comptime!(cut.each()) {
            kept[i] = z[base + min(place(i, cut), comptime!(cut.vectors - 1))];
        }
        #[unroll]
        for i in 0..comptime!(cut.each()) {
            largest = largest_of(largest, kept[i], cut.lanes);
        }
    }
    if comptime!(taught && cut.keeps_teacher) {
        #[unroll]
        for i in 0..comptime!(cut.each()) {
            let at = min(place(i, cut), comptime!(cut.vectors - 1));
            let vector = teacher[base + at];
            kept_teacher[at] = vector;
            largest_t = largest_of(largest_t, vector, cut.lanes);
        }
        // Else the compiler would hold in registers what was just written.
        sync_cube();
    }
    (largest, largest_t)
}

/// The sums in one pass: a unit scales what it has summed whenever it meets a larger logit, if the largest is not known.
#[cube]
// The outer one of two conditions is known when a kernel is compiled.
#[allow(clippy::too_many_arguments, clippy::collapsible_if)]
fn row_sums<N: Size>(
    z: &Array<Vector<f32, N>>,
    teacher: &Array<Vector<f32, N>>,
    kept: &mut Array<Vector<f32, N>>,
    kept_teacher: &mut SharedMemory<Vector<f32, N>>,
    base: usize,
    of: &Row,
    #[comptime] cut: Cut,
    #[comptime] taught: bool,
    #[comptime] softens: bool,
) -> RowSums {
    let (soft, soft_t) = (of.student_softness, of.teacher_softness);
    let (mut largest, mut largest_t) = keep(z, teacher, kept, kept_teacher, base, cut, taught);
    let mut total = 0.0f32;
    let mut sum = 0.0f32;
    let mut soft_total = 0.0f32;
    let mut total_t = 0.0f32;
    let mut soft_total_t = 0.0f32;
    let mut expected = 0.0f32;
    let mut weighted = 0.0f32;
    #[unroll(cut.keeps)]
    for i in 0..comptime!(cut.each()) {
        if place(i, cut) < cut.vectors {
            let own = own_logits(z, kept, base, i, cut);
            let mut others = Vector::<f32, N>::new(0.0f32);
            if taught {
                others = teacher_logits(teacher, kept_teacher, base, i, cut);
            }
            #[unroll]
            for lane in 0..cut.lanes {
                let x = own[lane];
                if comptime!(!cut.keeps) {
                    if x > largest {
                        total *= (largest - x).exp();
                        if softens {
                            soft_total *= (soft * (largest - x)).exp();
                        }
                        largest = x;
                    }
                }
                sum += x;
                total += (x - largest).exp();
                if softens {
                    soft_total += (soft * (x - largest)).exp();
                }
                if taught {
                    let t = others[lane];
                    if comptime!(!cut.keeps_teacher) {
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
        }
    }
    let mut most = Array::<f32>::new(2usize);
    most[0] = largest;
    most[1] = largest_t;
    cube_fold(&mut most, comptime!(if taught { 2usize } else { 1usize }), cut.units, Fold::Largest);
    let (below, below_t) = (largest - most[0], largest_t - most[1]);
    let scale_t = (soft_t * below_t).exp();
    let mut sums = Array::<f32>::new(SUMS);
    sums[0] = total * below.exp();
    sums[1] = sum;
    sums[2] = total_t * below_t.exp();
    sums[3] = soft_total * (soft * below).exp();
    sums[4] = scale_t * soft_total_t;
    sums[5] = scale_t * expected;
    sums[6] = scale_t * (weighted + below_t * soft_total_t);
    let count = comptime!(match (taught, softens) {
        (false, _) => 2usize,
        (true, false) => 3,
        (true, true) => SUMS,
    });
    cube_fold(&mut sums, count, cut.units, Fold::Sum);
    RowSums {
        largest: most[0],
        total: sums[0],
        sum: sums[1],
        soft_total: sums[3],
        largest_t: most[1],
        total_t: sums[2],
        soft_total_t: sums[4],
        expected: sums[5],
        weighted: sums[6],
    }
}

/// Writes a vector of the gradient to `z`, or to `short` alone where products round.
#[cube]
fn write<F: Float, N: Size>(
    z: &mut Array<Vector<f32, N>>,
    short: &mut Array<Vector<F, N>>,
    index: usize,
    value: Vector<f32, N>,
    #[comptime] rounds: bool,
) {
    if rounds {
        short[index] = Vector::cast_from(value);
    } else {
        z[index] = value;
    }
}

/// Computes the formulas of [`TokenRow`].
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn token_loss_kernel<F: Float, N: Size>(
    z: &mut Array<Vector<f32, N>>,
    teacher: &Array<Vector<f32, N>>,
    targets: &Array<u32>,
    values: &mut Array<f32>,
    short: &mut Array<Vector<F, N>>,
    of: &Row,
    from: u32,
    rows: u32,
    #[comptime] cut: Cut,
    #[comptime] taught: bool,
    #[comptime] mutual: bool,
    #[comptime] wants_gradient: bool,
    #[comptime] rounds: bool,
    #[define(F)] _rounded: StorageType,
) {
    let softens = comptime!(taught && !mutual);
    let row = CUBE_POS;
    let (vectors, v) = comptime!((cut.vectors, cut.vectors * cut.lanes));
    let [own, others] = comptime!(cut.kept());
    let mut kept = Array::<Vector<f32, N>>::new(own);
    let mut kept_teacher = SharedMemory::<Vector<f32, N>>::new(others);
    if row < rows as usize {
        let (base, first) = (row * vectors, (from as usize + row) * VALUES);
        let target = targets[from as usize + row];
        if target == IGNORE {
            if wants_gradient {
                for at in range_stepped(UNIT_POS as usize, vectors, cut.units) {
                    write(z, short, base + at, Vector::new(0.0f32), rounds);
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
            let z_target = logit(z, base, target as usize, cut);

            let sums =
                row_sums(z, teacher, &mut kept, &mut kept_teacher, base, of, cut, taught, softens);
            let lse = sums.largest + sums.total.ln();
            let nll = lse - z_target;
            let ce = sharp * nll + even * (f32::cast_from(v) * lse - sums.sum);

            let mut lse_soft = 0.0f32;
            let mut lse_t = 0.0f32;
            let mut kd = 0.0f32;
            let mut teacher_nll = 0.0f32;
            let mut entropy = 0.0f32;
            let mut back = 0.0f32;
            if taught {
                teacher_nll =
                    sums.largest_t + sums.total_t.ln() - logit(teacher, base, target as usize, cut);
            }
            if mutual {
                lse_t = sums.largest_t + sums.total_t.ln();
                // Both directions term by term: the passes are close, and a difference of sums would lose their distance.
                let mut forth_sum = 0.0f32;
                let mut back_sum = 0.0f32;
                #[unroll(cut.keeps)]
                for i in 0..comptime!(cut.each()) {
                    if place(i, cut) < cut.vectors {
                        let own = own_logits(z, &kept, base, i, cut);
                        let others = teacher_logits(teacher, &kept_teacher, base, i, cut);
                        #[unroll]
                        for lane in 0..cut.lanes {
                            let (p, q) = (own[lane] - lse, others[lane] - lse_t);
                            forth_sum += q.exp() * (q - p);
                            back_sum += p.exp() * (p - q);
                        }
                    }
                }
                back = cube_sum(back_sum, cut.units);
                kd = 0.5 * (cube_sum(forth_sum, cut.units) + back);
            } else if taught {
                let (largest_t, soft_t) = (sums.largest_t, sums.soft_total_t);
                lse_soft = soft * sums.largest + sums.soft_total.ln();
                lse_t = teacher_soft * largest_t + soft_t.ln();
                kd = lse_soft - soft * sums.expected / soft_t;
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
                #[unroll(cut.keeps)]
                for i in 0..comptime!(cut.each()) {
                    let at = place(i, cut);
                    if at < cut.vectors {
                        let own = own_logits(z, &kept, base, i, cut);
                        let mut others = Vector::<f32, N>::new(0.0f32);
                        if taught {
                            others = teacher_logits(teacher, &kept_teacher, base, i, cut);
                        }
                        let mut gradient = Vector::<f32, N>::new(0.0f32);
                        #[unroll]
                        for lane in 0..cut.lanes {
                            let (x, t) = (own[lane], others[lane]);
                            let mut g = hard * (x - lse).exp() - floor;
                            if mutual {
                                let (p, q) = (x - lse, t - lse_t);
                                g += 0.5 * kd_scale * (p.exp() * (1.0 + p - q - back) - q.exp());
                            } else if taught {
                                let of_teacher = (teacher_soft * t - lse_t).exp();
                                g += kd_scale * ((soft * x - lse_soft).exp() - of_teacher);
                            }
                            if at * cut.lanes + lane == target as usize {
                                g -= of.ce_weight * sharp;
                            }
                            gradient[lane] = g;
                        }
                        write(z, short, base + at, gradient, rounds);
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
    let rounds = context.rounds;
    let hidden = of.gradient.then(|| rounded::empty_in(context, of.hidden.shape, rounds));
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
        launch(context, of, &z, taught.as_ref(), &values, [from, rows, v]);
        if let (Some(hidden), Some(table)) = (&hidden, &table) {
            let to = Out::To(part(hidden));
            gemm.run(context, Form::Nn, &z, of.table, [rows, width, v], to);
            let to = if from == 0 { Out::To(table.clone()) } else { Out::Onto(table.view()) };
            gemm.run(context, Form::Tn, &z, &x, [v, width, rows], to);
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
    teacher: Option<&Tensor>,
    values: &Tensor,
    [from, rows, v]: [usize; 3],
) {
    let mutual = of.teacher.is_some() && of.row.mutual;
    let row = if mutual { TokenRow::two_passes(of.row.kd_weight) } else { of.row };
    let cut = Cut::of(context, v);
    let nothing = empty(context, Shape::vector(LANES));
    // Where no gradient is wanted, none is rounded; that of a bias is summed unrounded.
    let short = RoundedCopy::of(context, z, of.gradient && of.bias.is_none());
    launch!(
        context,
        token_loss_kernel(
            cubes(rows),
            CubeDim::new_1d(cut.units as u32),
            cut.lanes,
            z.view().arg(),
            teacher.unwrap_or(&nothing).view().arg(),
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
            cut,
            teacher.is_some(),
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
