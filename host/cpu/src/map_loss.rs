//! Losses between aligned maps and the teacher's maps.

use super::attend::{blocks, spans};
use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::{Loss, MapLoss, Normalisation, Target};
use a2d_core::batch::{Grid, Span};
use a2d_core::rows;
use a2d_core::shape::Shape;
use std::ops::Range;
use std::sync::Arc;

/// The sum of the losses of all maps, `[1]`, and the weighted gradient of the student's maps, `[M, A]`.
pub fn map_loss(
    team: &Team,
    pool: &Pool,
    student: &Tensor,
    teacher: &[Tensor],
    grid: &Grid<Arc<[u32]>>,
    how: MapLoss,
    gradient: bool,
) -> Loss<Tensor> {
    let m = student.shape().rows();
    let maps: usize = teacher.iter().map(|map| map.shape().rows()).sum();
    assert_eq!(maps, m, "map_loss: the teacher's maps");
    assert_eq!(student.shape().cols(), grid.area, "map_loss: the student's maps");
    assert!(teacher.iter().all(|map| map.shape().cols() == grid.area), "map_loss: an area");
    let spans = spans(grid);
    let mut out = gradient.then(|| pool.tensor(student.shape()));
    let gradients: Vec<Option<&mut [f32]>> = match &mut out {
        Some(out) => blocks(out.data_mut(), &spans, m).into_iter().map(Some).collect(),
        None => spans.iter().map(|_| None).collect(),
    };
    let values = team.map(spans.iter().zip(gradients), |(span, gradient)| {
        let student = &student.data()[m * span.before..][..m * span.area()];
        sentence(span, student, teacher, grid.causal, how, gradient)
    });
    let value = values.iter().sum::<f64>() as f32;
    Loss { value: pool.filled(&[value], Shape::vector(1)), gradient: out }
}

/// The loss of one sentence, summed over maps.
fn sentence(
    span: &Span,
    student: &[f32],
    teacher: &[Tensor],
    causal: bool,
    how: MapLoss,
    mut gradient: Option<&mut [f32]>,
) -> f64 {
    let area = span.area();
    if area == 0 {
        return 0.0;
    }
    if let Some(gradient) = gradient.as_deref_mut() {
        gradient.fill(0.0);
    }
    let teacher = teacher.iter().flat_map(|map| {
        let heads = map.shape().rows();
        map.data()[heads * span.before..][..heads * area].chunks_exact(area)
    });
    let mut value = 0.0;
    for (i, (student, teacher)) in student.chunks_exact(area).zip(teacher).enumerate() {
        let mut gradient = gradient.as_deref_mut().map(|g| &mut g[i * area..][..area]);
        value += vectorised(
            #[inline(always)]
            || map(span, student, teacher, causal, how, gradient.as_deref_mut()),
        );
    }
    value
}

/// The loss of one map, as one distribution or as one distribution per query.
#[inline(always)]
fn map(
    span: &Span,
    student: &[f32],
    teacher: &[f32],
    causal: bool,
    how: MapLoss,
    mut gradient: Option<&mut [f32]>,
) -> f64 {
    let as_is = how.target == Target::Probabilities;
    let keys = span.key.len;
    let queries = if how.masked { span.query.valid } else { span.query.len };
    let seen = move |i: usize| -> Range<usize> {
        let width = if how.masked { rows::visible(causal, i, span.key.valid) } else { keys };
        i * keys..i * keys + width
    };
    match how.normalisation {
        Normalisation::Map if !how.masked => {
            let all = std::iter::once(0..student.len());
            rows::map_divergence(student, teacher, all, as_is, how.weight, gradient)
        }
        Normalisation::Map => {
            let ranges = (0..queries).map(seen);
            rows::map_divergence(student, teacher, ranges, as_is, how.weight, gradient)
        }
        Normalisation::Row => {
            let mut value = 0.0;
            for i in 0..queries {
                let one = std::iter::once(seen(i));
                let gradient = gradient.as_deref_mut();
                value += rows::map_divergence(student, teacher, one, as_is, how.weight, gradient);
            }
            value
        }
    }
}
