//! Losses on relations, by the formulas of [`compare::relations`]: the scores of both models, then their differences with a
//! cube for each query of a student's head, then the gradients of what the student's scores are products of.

use super::columns::column_sums;
use super::copy::{empty, rows_of};
use super::cube::{Extent, cube_sum, read_span, visible_keys};
use super::layers::layers_arg;
use super::map_loss::{Comparison, Entries, divergence};
use super::products::{scores, scores_grad};
use crate::context::{Context, launch};
use crate::grid::{ROW_UNITS, row_units};
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{RelationForm, RelationLoss, RelationLosses};
use a2d_core::batch::Grid;
use a2d_core::compare;
use a2d_core::shape::Shape;
use cubecl::prelude::*;

/// The heads of both models, and the weight of the loss.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Heads {
    student: u32,
    teacher: u32,
    causal: u32,
    weight: f32,
}

/// The sum of the squared differences of these entries. Adds its weighted gradient.
#[cube]
fn square(
    student: &Array<f32>,
    teacher: &Array<f32>,
    gradient: &mut Array<f32>,
    of: &Entries,
    weight: f32,
    #[comptime] wants_gradient: bool,
) -> f32 {
    let mut value = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, of.count, ROW_UNITS) {
        let e = student[of.student + i] - teacher[of.teacher + i];
        value += e * e;
        if wants_gradient {
            gradient[of.student + i] += 2.0 * weight * e;
        }
    }
    cube_sum(value, ROW_UNITS)
}

/// Both sides are scores of one query, and those that are not visible are left out.
const fn comparison(wants_gradient: bool) -> Comparison {
    Comparison {
        units: ROW_UNITS,
        group: ROW_UNITS,
        row: true,
        masked: false,
        as_is: false,
        wants_gradient,
        adds: true,
    }
}

/// Compares the scores of a query (x) of a student's head (y) of a sentence (z) with those of each of the teacher's heads
/// that this head is paired with. Where nothing is seen, the value and the gradient are 0.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn relation_loss_kernel(
    student: &Array<f32>,
    teacher: &Sequence<Array<f32>>,
    spans: &Array<u32>,
    values: &mut Array<f32>,
    gradient: &mut Array<f32>,
    of: &Heads,
    #[comptime] diverges: bool,
    #[comptime] wants_gradient: bool,
) {
    let (query, head) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let span = read_span(spans, CUBE_POS_Z as usize);
    let (heads, others) = (of.student as usize, of.teacher as usize);
    let (keys, area) = (span.key_len, span.query_len * span.key_len);
    let at = heads * span.before + head * area + query * keys;
    if query < span.query_len {
        if wants_gradient {
            for key in range_stepped(UNIT_POS as usize, keys, ROW_UNITS) {
                gradient[at + key] = 0.0;
            }
        }
        let mut value = 0.0f32;
        if query < span.query_valid {
            let count = visible_keys(of.causal, query, span.key_valid);
            let mut weight = of.weight;
            if diverges {
                weight /= f32::cast_from(span.query_valid);
            }
            let pairs = max(heads, others);
            let mut pair = (head * pairs).div_ceil(heads);
            while pair * heads / pairs == head {
                let from = others * span.before + pair * others / pairs * area + query * keys;
                let entries = Entries { student: at, teacher: from, layer: 0, count, query };
                if diverges {
                    let divergence = divergence(
                        student,
                        teacher,
                        gradient,
                        &entries,
                        &span,
                        of.causal,
                        weight,
                        comptime!(comparison(wants_gradient)),
                    );
                    value += divergence / f32::cast_from(span.query_valid);
                } else {
                    value +=
                        square(student, &teacher[0], gradient, &entries, weight, wants_gradient);
                }
                pair += 1;
            }
        }
        if UNIT_POS == 0 {
            values[(span.query_start + query) * heads + head] = value;
        }
    }
}

/// The sum of the differences, and the weighted gradients of the student's sides.
pub(crate) fn relation_loss(
    context: &Context,
    student: [&Tensor; 2],
    teacher: [&Tensor; 2],
    grid: &Grid<Index>,
    how: RelationLoss,
    wants_gradient: bool,
) -> RelationLosses<Tensor> {
    let shapes = |sides: [&Tensor; 2]| sides.map(|side| side.shape);
    compare::relation_widths(shapes(student), shapes(teacher), grid, how);
    let ([heads, others], extent) = (how.heads, Extent::of(&grid.spans.values));
    let [z, t] = [(student, heads), (teacher, others)]
        .map(|(sides, heads)| scores(context, sides, grid, heads));
    let queries = student[0].rows();
    let values = rows_of(context, Shape::matrix(queries, heads), extent.queries);
    let dmap = empty(context, if wants_gradient { z.shape } else { Shape::vector(1) });
    if extent.query > 0 {
        launch!(
            context,
            relation_loss_kernel(
                CubeCount::Static(extent.query as u32, heads as u32, grid.sentences as u32),
                row_units(),
                z.view().arg(),
                layers_arg(&[t]),
                grid.spans.view(context).arg(),
                values.view().arg(),
                dmap.view().arg(),
                HeadsLaunch::new(heads as u32, others as u32, u32::from(grid.causal), how.weight,),
                how.form == RelationForm::Divergence,
                wants_gradient,
            )
        );
    }
    RelationLosses {
        value: column_sums(context, &values.view(), queries * heads, 1),
        gradients: wants_gradient.then(|| scores_grad(context, &dmap, student, grid)),
    }
}
