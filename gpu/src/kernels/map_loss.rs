//! The divergence of aligned maps from the teacher's.
//!
//! With the teacher's distribution `q`, the student's `p = softmax(a)` and `d = a - ln q` up to a constant,
//! `KL(q || p) = ln E_q[e^(d - mean d)]`, where the mean is under `q` too. Near-uniform maps differ little, and this form
//! loses no digits there: it sums `e^x - 1 - x`, whose mean under `q` is the excess of the expectation over 1.

use super::columns::column_sums;
use super::copy::empty;
use super::cube::{DeviceSpan, LOWEST, cube_sum, group_max, group_sum, read_span, visible_keys};
use super::layers::{element, layers_arg, runs};
use crate::context::{Context, launch};
use crate::grid::{UNITS, units};
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{Loss, MapLoss, Normalisation, Target};
use a2d_core::batch::Grid;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// Units that compare a row of a map: they read a sector of memory at once.
const ROW_GROUP: usize = 8;

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

/// Where the entries lie that are taken as one distribution, and of which layer the teacher's are.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Entries {
    /// The first of the student's, and of the teacher's.
    pub student: usize,
    pub teacher: usize,
    pub layer: usize,
    pub count: usize,
    /// The query of a row of a map; 0 for a whole map.
    pub query: usize,
}

/// How entries are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Comparison {
    /// Units of a cube, and those that compare entries together: a power of two.
    pub units: usize,
    pub group: usize,
    /// Whether the entries are a row of a map, or else all rows of one.
    pub row: bool,
    /// Whether those that are not visible take no part.
    pub masked: bool,
    /// Whether the teacher's are a distribution as they are, or else its logarithms up to a constant.
    pub as_is: bool,
    pub wants_gradient: bool,
    /// Whether the gradient is added to what is there.
    pub adds: bool,
}

/// The divergence of these entries, which every unit of the group gets. Writes the weighted gradient of each.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn divergence(
    student: &Array<f32>,
    teacher: &Sequence<Array<f32>>,
    gradient: &mut Array<f32>,
    of: &Entries,
    span: &DeviceSpan,
    causal: u32,
    weight: f32,
    #[comptime] how: Comparison,
) -> f32 {
    let (units, group, as_is) = comptime!((how.units, how.group, how.as_is));
    let first = UNIT_POS as usize % group;
    let mut largest = LOWEST.runtime();
    if !as_is {
        for i in range_stepped(first, of.count, group) {
            if is_visible(of, span, i, causal, how) {
                largest = max(largest, element(teacher, of.layer, of.teacher + i));
            }
        }
        largest = group_max(largest, units, group);
    }

    let mut total = 0.0f32;
    let mut mean = 0.0f32;
    for i in range_stepped(first, of.count, group) {
        if is_visible(of, span, i, causal, how) {
            let t = element(teacher, of.layer, of.teacher + i);
            let (q, d) = weight_and_difference(student[of.student + i], t, largest, as_is);
            total += q;
            mean += q * d;
        }
    }
    let total = group_sum(total, units, group);
    let mut share = 0.0f32;
    if total > 0.0 {
        share = 1.0 / total;
    }
    let mean = group_sum(mean, units, group) * share;

    let mut excess = 0.0f32;
    for i in range_stepped(first, of.count, group) {
        if is_visible(of, span, i, causal, how) {
            let t = element(teacher, of.layer, of.teacher + i);
            let (q, d) = weight_and_difference(student[of.student + i], t, largest, as_is);
            excess += excess_term(q, d, mean, as_is);
        }
    }
    let excess = group_sum(excess, units, group) * share;

    if how.wants_gradient {
        for i in range_stepped(first, of.count, group) {
            let mut g = 0.0f32;
            if how.adds {
                g = gradient[of.student + i];
            }
            if is_visible(of, span, i, causal, how) && total > 0.0 {
                let t = element(teacher, of.layer, of.teacher + i);
                let (q, d) = weight_and_difference(student[of.student + i], t, largest, as_is);
                g += gradient_term(q, d, mean, share, excess, weight, as_is);
            }
            gradient[of.student + i] = g;
        }
    }
    ln_1p(excess)
}

/// Whether entry `i` belongs to a valid query and a key visible to it, or all entries take part.
#[cube]
fn is_visible(
    of: &Entries,
    span: &DeviceSpan,
    i: usize,
    causal: u32,
    #[comptime] how: Comparison,
) -> bool {
    let mut visible = true;
    if how.masked {
        let mut query = of.query;
        let mut key = i;
        if !how.row {
            query = i / span.key_len;
            key = i % span.key_len;
        }
        let keys = visible_keys(causal, query, span.key_valid);
        visible = query < span.query_valid && key < keys;
    }
    visible
}

/// Compares a map (x) of a sentence (y), whole or each of its rows.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn map_loss_kernel(
    student: &Array<f32>,
    teacher: &Sequence<Array<f32>>,
    spans: &Array<u32>,
    values: &mut Array<f32>,
    gradient: &mut Array<f32>,
    of: &Maps,
    #[comptime] how: Comparison,
) {
    let (map, sentence) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let (units, group) = comptime!((how.units, how.group));
    let (maps, heads) = (of.maps as usize, of.heads as usize);
    let (layer, m) = (map / heads, of.from as usize + map);
    let span = read_span(spans, sentence);
    let area = span.query_len * span.key_len;
    let student_at = maps * span.before + m * area;
    let teacher_at = heads * span.before + map % heads * area;
    let mut sets = 1usize.runtime();
    let mut count = area;
    if how.row {
        sets = span.query_len;
        count = span.key_len;
    }
    let mut value = 0.0f32;
    for first in range_stepped(0, sets, comptime!(units / group)) {
        let query = first + UNIT_POS as usize / group;
        let entries = Entries {
            student: student_at + query * count,
            teacher: teacher_at + query * count,
            layer,
            count: select(query < sets, count, 0),
            query,
        };
        let own =
            divergence(student, teacher, gradient, &entries, &span, of.causal, of.weight, how);
        let lane = UNIT_POS as usize % group;
        if lane == 0 {
            value += own;
        }
    }
    let value = cube_sum(value, units);
    if UNIT_POS == 0 {
        values[sentence * maps + m] = value;
    }
}

/// The maps that one launch compares.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Maps {
    /// M, the number of all maps.
    maps: u32,
    /// The first map of the layers.
    from: u32,
    /// The number of maps of a layer.
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
    assert_eq!(student.cols(), grid.area, "map_loss: the student's maps");
    assert_eq!(teacher.iter().map(Tensor::rows).sum::<usize>(), m, "map_loss: the teacher's maps");
    assert!(teacher.iter().all(|map| map.cols() == grid.area), "map_loss: an area");
    let sentences = grid.sentences;
    let values = empty(context, Shape::matrix(sentences, m));
    let shape = if wants_gradient { student.shape } else { Shape::vector(1) };
    let gradient = empty(context, shape);
    let row = how.normalisation == Normalisation::Row;
    let comparison = Comparison {
        units: UNITS as usize,
        group: if row { ROW_GROUP } else { UNITS as usize },
        row,
        masked: how.masked,
        as_is: how.target == Target::Probabilities,
        wants_gradient,
        adds: false,
    };
    for (from, layers) in runs(teacher) {
        if sentences == 0 {
            continue;
        }
        let heads = layers[0].rows();
        launch!(
            context,
            map_loss_kernel(
                CubeCount::Static((layers.len() * heads) as u32, sentences as u32, 1),
                units(),
                student.view().arg(),
                layers_arg(layers),
                grid.spans.view(context).arg(),
                values.view().arg(),
                gradient.view().arg(),
                MapsLaunch::new(
                    m as u32,
                    from as u32,
                    heads as u32,
                    u32::from(grid.causal),
                    how.weight
                ),
                comparison,
            )
        );
    }
    let value = column_sums(context, &values.view(), sentences * m, 1);
    Loss { value, gradient: wants_gradient.then_some(gradient) }
}
