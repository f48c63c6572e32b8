//! How far aligned maps are from the teacher's.
//!
//! With the teacher's distribution `q`, the student's `p = softmax(a)` and `d = a - ln q` up to a constant,
//! `KL(q || p) = ln E_q[e^(d - mean d)]`, the mean under `q` too. Near-uniform maps differ by little, and this form
//! loses no digits there: `e^x - 1 - x` is summed, whose mean is the whole difference.

use super::columns::column_sums;
use super::cube::{LOWEST, Place, cube_max, cube_sum, place, visible};
use super::pointwise::empty;
use crate::grid::{ROW_UNITS, row_units};
use crate::memory::Client;
use crate::tensor::{Index, Tensor};
use a2d_core::backend::{Loss, MapLoss, Normalisation, Target};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// `e^x - 1 - x`, exact to the last digits around 0.
#[cube]
fn exp_beyond(x: f32) -> f32 {
    let x = min(x, 80.0);
    // Taylor's series: 1 / 8!, 1 / 7!, …, 1 / 2!
    let series = 2.480_158_7e-5 * x + 1.984_127e-4;
    let series = series * x + 1.388_888_9e-3;
    let series = series * x + 8.333_333e-3;
    let series = series * x + 4.166_666_8e-2;
    let series = series * x + 0.166_666_67;
    let series = series * x + 0.5;
    select(x.abs() < 0.5, series * x * x, x.exp() - 1.0 - x)
}

/// `ln(1 + x)` for `x >= 0`, exact to the last digits around 0.
#[cube]
fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from x is given back in proportion.
    let mut out = x;
    if u != 1.0 {
        out = u.ln() * (x / (u - 1.0));
    }
    out
}

/// The weight of an entry in the teacher's distribution, not normalised, and `a - ln` of it.
#[cube]
fn weigh(a: f32, t: f32, most: f32, #[comptime] as_is: bool) -> (f32, f32) {
    if as_is {
        let mut off = a;
        if t > 0.0 {
            off = a - t.ln();
        }
        (t, off)
    } else {
        ((t - most).exp(), a - t)
    }
}

/// What an entry adds to the divergence, `mean` being that of `d`. One that the teacher gives nothing still takes part
/// in the student's softmax.
#[cube]
fn apart(q: f32, d: f32, mean: f32, #[comptime] as_is: bool) -> f32 {
    if as_is && q == 0.0 { min(d - mean, 80.0).exp() } else { q * exp_beyond(d - mean) }
}

/// `weight (p - q)` of an entry; `share` normalises `q`, and the divergence is `ln(1 + beyond)`.
#[cube]
fn pull(
    q: f32,
    d: f32,
    mean: f32,
    share: f32,
    beyond: f32,
    weight: f32,
    #[comptime] as_is: bool,
) -> f32 {
    let student = min(d - mean, 80.0).exp() / (1.0 + beyond);
    if as_is && q == 0.0 { weight * share * student } else { weight * q * share * (student - 1.0) }
}

/// One map as one distribution.
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
    let span = place(spans, sentence);
    let keys = span.key_len;
    let area = span.query_len * keys;
    let (maps, m) = (of.maps as usize, of.from as usize + head);
    let at_student = maps * span.before + m * area;
    let at_teacher = of.heads as usize * span.before + head * area;
    let first = UNIT_POS as usize;

    let mut most = LOWEST.runtime();
    for i in range_stepped(first, area, ROW_UNITS) {
        if !masked || is_seen(&span, i, of.causal) {
            most = max(most, teacher[at_teacher + i]);
        }
    }
    let most = cube_max(most, ROW_UNITS);

    let mut total = 0.0f32;
    let mut mean = 0.0f32;
    for i in range_stepped(first, area, ROW_UNITS) {
        if !masked || is_seen(&span, i, of.causal) {
            let (q, d) = weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
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

    let mut beyond = 0.0f32;
    for i in range_stepped(first, area, ROW_UNITS) {
        if !masked || is_seen(&span, i, of.causal) {
            let (q, d) = weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
            beyond += apart(q, d, mean, as_is);
        }
    }
    let beyond = cube_sum(beyond, ROW_UNITS) * share;

    if wants_gradient {
        for i in range_stepped(first, area, ROW_UNITS) {
            let mut g = 0.0f32;
            if (!masked || is_seen(&span, i, of.causal)) && total > 0.0 {
                let (q, d) = weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
                g = pull(q, d, mean, share, beyond, of.weight, as_is);
            }
            gradient[at_student + i] = g;
        }
    }
    if UNIT_POS == 0 {
        values[sentence * maps + m] = ln_1p(beyond);
    }
}

/// Whether entry `i` of a map is that of a real query and a key that it may see.
#[cube]
fn is_seen(span: &Place, i: usize, causal: u32) -> bool {
    let query = i / span.key_len;
    query < span.query_valid && i % span.key_len < visible(causal, query, span.key_valid)
}

/// Each query's row of one map as a distribution: a unit a row.
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
    let span = place(spans, sentence);
    let keys = span.key_len;
    let area = span.query_len * keys;
    let (maps, m) = (of.maps as usize, of.from as usize + head);
    let mut value = 0.0f32;
    for query in range_stepped(UNIT_POS as usize, span.query_len, ROW_UNITS) {
        let at_student = maps * span.before + m * area + query * keys;
        let at_teacher = of.heads as usize * span.before + head * area + query * keys;
        let mut seen = keys;
        if masked {
            seen = visible(of.causal, query, span.key_valid);
            if query >= span.query_valid {
                seen = 0;
            }
        }
        let mut most = LOWEST.runtime();
        for i in 0..seen {
            most = max(most, teacher[at_teacher + i]);
        }
        let mut total = 0.0f32;
        let mut mean = 0.0f32;
        for i in 0..seen {
            let (q, d) = weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
            total += q;
            mean += q * d;
        }
        let mut share = 0.0f32;
        if total > 0.0 {
            share = 1.0 / total;
        }
        mean *= share;
        let mut beyond = 0.0f32;
        for i in 0..seen {
            let (q, d) = weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
            beyond += apart(q, d, mean, as_is);
        }
        beyond *= share;
        if wants_gradient {
            for i in 0..keys {
                let mut g = 0.0f32;
                if i < seen && total > 0.0 {
                    let (q, d) =
                        weigh(student[at_student + i], teacher[at_teacher + i], most, as_is);
                    g = pull(q, d, mean, share, beyond, of.weight, as_is);
                }
                gradient[at_student + i] = g;
            }
        }
        value += ln_1p(beyond);
    }
    let value = cube_sum(value, ROW_UNITS);
    if UNIT_POS == 0 {
        values[sentence * maps + m] = value;
    }
}

/// Which maps a launch compares.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Maps {
    /// M
    maps: u32,
    /// The first of these.
    from: u32,
    /// How many they are: those of one layer.
    heads: u32,
    causal: u32,
    weight: f32,
}

/// The sum of divergences, and the weighted gradient of the student's maps.
pub(crate) fn map_loss<R: Runtime>(
    client: &Client<R>,
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
    let values = empty(client, Shape::matrix(sentences, m));
    let shape = if wants_gradient { student.shape } else { Shape::vector(1) };
    let gradient = empty(client, shape);
    let launch = match how.normalisation {
        Normalisation::Map => whole_kernel::launch::<R>,
        Normalisation::Row => rows_kernel::launch::<R>,
    };
    let mut from = 0;
    for layer in teacher {
        let heads = layer.rows();
        if sentences > 0 {
            launch(
                client,
                CubeCount::Static(heads as u32, sentences as u32, 1),
                row_units(),
                student.view().arg(),
                layer.view().arg(),
                grid.spans.view(client).arg(),
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
            );
        }
        from += heads;
    }
    let value = column_sums(client, &values.view(), sentences * m, 1);
    Loss { value, gradient: wants_gradient.then_some(gradient) }
}
