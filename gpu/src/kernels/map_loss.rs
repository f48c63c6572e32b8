//! The divergence of aligned maps from the teacher's.
//!
//! With the teacher's distribution `q`, the student's `p = softmax(a)` and `d = a - ln q` up to a constant,
//! `KL(q || p) = ln E_q[e^(d - mean d)]`, where the mean is under `q` too. Near-uniform maps differ little, and this form
//! loses no digits there: it sums `e^x - 1 - x`, whose mean under `q` is the excess of the expectation over 1.

use super::columns::column_sums;
use super::copy::empty;
use super::cube::{DeviceSpan, LOWEST, cube_max, cube_sum, read_span, visible_keys};
use crate::context::Context;
use crate::grid::{ROW_UNITS, row_units};
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{Loss, MapLoss, Normalisation, Target};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use a2d_gemm::dispatch;
use cubecl::prelude::*;

/// `e^x - 1 - x`, accurate around 0.
#[cube]
fn exp_excess(x: f32) -> f32 {
    let x = min(x, 80.0);
    // The Taylor series: 1 / 8!, 1 / 7!, …, 1 / 2!
    let series = 2.480_158_7e-5 * x + 1.984_127e-4;
    let series = series * x + 1.388_888_9e-3;
    let series = series * x + 8.333_333e-3;
    let series = series * x + 4.166_666_8e-2;
    let series = series * x + 0.166_666_67;
    let series = series * x + 0.5;
    select(x.abs() < 0.5, series * x * x, x.exp() - 1.0 - x)
}

/// `ln(1 + x)` for `x >= 0`, accurate around 0.
#[cube]
fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // Corrects for the rounding of `1 + x`.
    let mut out = x;
    if u != 1.0 {
        out = u.ln() * (x / (u - 1.0));
    }
    out
}

/// The weight `q` of an entry in the teacher's distribution, not normalised, and the difference `d = a - ln q`.
#[cube]
fn weight_and_difference(a: f32, t: f32, largest: f32, #[comptime] as_is: bool) -> (f32, f32) {
    if as_is {
        let mut difference = a;
        if t > 0.0 {
            difference = a - t.ln();
        }
        (t, difference)
    } else {
        ((t - largest).exp(), a - t)
    }
}

/// The term of an entry in the excess, where `mean` is that of `d`. An entry of teacher probability 0 still takes part in
/// the student's softmax.
#[cube]
fn excess_term(q: f32, d: f32, mean: f32, #[comptime] as_is: bool) -> f32 {
    if as_is && q == 0.0 { min(d - mean, 80.0).exp() } else { q * exp_excess(d - mean) }
}

/// `weight (p - q)` of an entry; `share` normalises `q`, and the divergence is `ln(1 + excess)`.
#[cube]
fn gradient_term(
    q: f32,
    d: f32,
    mean: f32,
    share: f32,
    excess: f32,
    weight: f32,
    #[comptime] as_is: bool,
) -> f32 {
    let student = min(d - mean, 80.0).exp() / (1.0 + excess);
    if as_is && q == 0.0 { weight * share * student } else { weight * q * share * (student - 1.0) }
}

/// Where the entries lie that are taken as one distribution.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Entries {
    /// The first of the student's, and of the teacher's.
    pub student: usize,
    pub teacher: usize,
    pub count: usize,
}

/// The divergence of these entries. With `masked` they are a map of the span's sentence, and those that are not visible take
/// no part. Writes the gradient of each, or with `adds` adds it.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn divergence(
    student: &Array<f32>,
    teacher: &Array<f32>,
    gradient: &mut Array<f32>,
    of: &Entries,
    span: &DeviceSpan,
    causal: u32,
    weight: f32,
    #[comptime] masked: bool,
    #[comptime] as_is: bool,
    #[comptime] wants_gradient: bool,
    #[comptime] adds: bool,
) -> f32 {
    let first = UNIT_POS as usize;
    let mut largest = LOWEST.runtime();
    for i in range_stepped(first, of.count, ROW_UNITS) {
        if !masked || is_visible(span, i, causal) {
            largest = max(largest, teacher[of.teacher + i]);
        }
    }
    let largest = cube_max(largest, ROW_UNITS);

    let mut total = 0.0f32;
    let mut mean = 0.0f32;
    for i in range_stepped(first, of.count, ROW_UNITS) {
        if !masked || is_visible(span, i, causal) {
            let (a, t) = (student[of.student + i], teacher[of.teacher + i]);
            let (q, d) = weight_and_difference(a, t, largest, as_is);
            total += q;
            mean += q * d;
        }
    }
    let total = cube_sum(total, ROW_UNITS);
    let mut share = 0.0f32;
    if total > 0.0 {
        share = 1.0 / total;
    }
    let mean = cube_sum(mean, ROW_UNITS) * share;

    let mut excess = 0.0f32;
    for i in range_stepped(first, of.count, ROW_UNITS) {
        if !masked || is_visible(span, i, causal) {
            let (a, t) = (student[of.student + i], teacher[of.teacher + i]);
            let (q, d) = weight_and_difference(a, t, largest, as_is);
            excess += excess_term(q, d, mean, as_is);
        }
    }
    let excess = cube_sum(excess, ROW_UNITS) * share;

    if wants_gradient {
        for i in range_stepped(first, of.count, ROW_UNITS) {
            let mut g = 0.0f32;
            if adds {
                g = gradient[of.student + i];
            }
            if (!masked || is_visible(span, i, causal)) && total > 0.0 {
                let (a, t) = (student[of.student + i], teacher[of.teacher + i]);
                let (q, d) = weight_and_difference(a, t, largest, as_is);
                g += gradient_term(q, d, mean, share, excess, weight, as_is);
            }
            gradient[of.student + i] = g;
        }
    }
    ln_1p(excess)
}

/// Takes each map as one distribution.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn whole_kernel(
    student: &Array<f32>,
    teacher: &Array<f32>,
    spans: &Array<u32>,
    values: &mut Array<f32>,
    gradient: &mut Array<f32>,
    of: &Maps,
    #[comptime] masked: bool,
    #[comptime] as_is: bool,
    #[comptime] wants_gradient: bool,
) {
    let (head, sentence) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let span = read_span(spans, sentence);
    let area = span.query_len * span.key_len;
    let (maps, m) = (of.maps as usize, of.from as usize + head);
    let entries = Entries {
        student: maps * span.before + m * area,
        teacher: of.heads as usize * span.before + head * area,
        count: area,
    };
    let value = divergence(
        student,
        teacher,
        gradient,
        &entries,
        &span,
        of.causal,
        of.weight,
        masked,
        as_is,
        wants_gradient,
        false,
    );
    if UNIT_POS == 0 {
        values[sentence * maps + m] = value;
    }
}

/// Whether entry `i` of a map belongs to a valid query and a key visible to it.
#[cube]
fn is_visible(span: &DeviceSpan, i: usize, causal: u32) -> bool {
    let query = i / span.key_len;
    query < span.query_valid && i % span.key_len < visible_keys(causal, query, span.key_valid)
}

/// Takes each query's row of a map as a distribution, with a unit for each row.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn rows_kernel(
    student: &Array<f32>,
    teacher: &Array<f32>,
    spans: &Array<u32>,
    values: &mut Array<f32>,
    gradient: &mut Array<f32>,
    of: &Maps,
    #[comptime] masked: bool,
    #[comptime] as_is: bool,
    #[comptime] wants_gradient: bool,
) {
    let (head, sentence) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let span = read_span(spans, sentence);
    let keys = span.key_len;
    let area = span.query_len * keys;
    let (maps, m) = (of.maps as usize, of.from as usize + head);
    let mut value = 0.0f32;
    for query in range_stepped(UNIT_POS as usize, span.query_len, ROW_UNITS) {
        let at_student = maps * span.before + m * area + query * keys;
        let at_teacher = of.heads as usize * span.before + head * area + query * keys;
        let mut visible = keys;
        if masked {
            visible = visible_keys(of.causal, query, span.key_valid);
            if query >= span.query_valid {
                visible = 0;
            }
        }
        let mut largest = LOWEST.runtime();
        for i in 0..visible {
            largest = max(largest, teacher[at_teacher + i]);
        }
        let mut total = 0.0f32;
        let mut mean = 0.0f32;
        for i in 0..visible {
            let (q, d) = weight_and_difference(
                student[at_student + i],
                teacher[at_teacher + i],
                largest,
                as_is,
            );
            total += q;
            mean += q * d;
        }
        let mut share = 0.0f32;
        if total > 0.0 {
            share = 1.0 / total;
        }
        mean *= share;
        let mut excess = 0.0f32;
        for i in 0..visible {
            let (q, d) = weight_and_difference(
                student[at_student + i],
                teacher[at_teacher + i],
                largest,
                as_is,
            );
            excess += excess_term(q, d, mean, as_is);
        }
        excess *= share;
        if wants_gradient {
            for i in 0..keys {
                let mut g = 0.0f32;
                if i < visible && total > 0.0 {
                    let (q, d) = weight_and_difference(
                        student[at_student + i],
                        teacher[at_teacher + i],
                        largest,
                        as_is,
                    );
                    g = gradient_term(q, d, mean, share, excess, of.weight, as_is);
                }
                gradient[at_student + i] = g;
            }
        }
        value += ln_1p(excess);
    }
    let value = cube_sum(value, ROW_UNITS);
    if UNIT_POS == 0 {
        values[sentence * maps + m] = value;
    }
}

/// The maps that one launch compares.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Maps {
    /// M, the number of all maps.
    maps: u32,
    /// The first map of the layer.
    from: u32,
    /// The number of maps of the layer.
    heads: u32,
    causal: u32,
    weight: f32,
}

/// The sum of the divergences, and the weighted gradient of the student's maps.
pub(crate) fn map_loss(
    context: &Context,
    student: &Tensor,
    teacher: &[Tensor],
    grid: &Grid<Index>,
    how: MapLoss,
    wants_gradient: bool,
) -> Loss<Tensor> {
    let m = student.rows();
    assert_eq!(teacher.iter().map(Tensor::rows).sum::<usize>(), m, "map_loss: the teacher's maps");
    assert_eq!(student.cols(), grid.area, "map_loss: the student's maps");
    assert!(teacher.iter().all(|map| map.cols() == grid.area), "map_loss: an area");
    let sentences = grid.sentences;
    let values = empty(context, Shape::matrix(sentences, m));
    let shape = if wants_gradient { student.shape } else { Shape::vector(1) };
    let gradient = empty(context, shape);
    let mut from = 0;
    for layer in teacher {
        let heads = layer.rows();
        if sentences > 0 {
            dispatch!(context.client(), client: R => {
                let launch = match how.normalisation {
                    Normalisation::Map => whole_kernel::launch::<R>,
                    Normalisation::Row => rows_kernel::launch::<R>,
                };
                launch(
                    client,
                    CubeCount::Static(heads as u32, sentences as u32, 1),
                    row_units(),
                    student.view().arg(),
                    layer.view().arg(),
                    grid.spans.view(context).arg(),
                    values.view().arg(),
                    gradient.view().arg(),
                    MapsLaunch::new(
                        m as u32,
                        from as u32,
                        heads as u32,
                        u32::from(grid.causal),
                        how.weight,
                    ),
                    how.masked,
                    how.target == Target::Probabilities,
                    wants_gradient,
                )
            });
        }
        from += heads;
    }
    let value = column_sums(context, &values.view(), sentences * m, 1);
    Loss { value, gradient: wants_gradient.then_some(gradient) }
}
