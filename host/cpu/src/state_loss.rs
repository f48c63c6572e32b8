//! Losses between hidden states of student and teacher.

use super::attend::{spans, split};
use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::{Loss, StateLoss};
use a2d_core::batch::Grid;
use a2d_core::compare::{self, States};
use a2d_core::shape::Shape;
use std::sync::Arc;

/// The sum of the differences, `[1]`, and the weighted gradient of the student's states, `[N, D]`.
pub fn state_loss(
    team: &Team,
    pool: &Pool,
    student: &Tensor,
    teacher: &[&Tensor],
    grid: &Grid<Arc<[u32]>>,
    how: StateLoss,
    gradient: bool,
) -> Loss<Tensor> {
    let wide = compare::teacher_width(student.shape(), teacher.iter().map(|t| t.shape()), how);
    let (width, spans) = (student.shape().cols(), spans(grid));
    let mut out = gradient.then(|| pool.tensor(student.shape()));
    let gradients: Vec<Option<&mut [f32]>> = match &mut out {
        Some(out) => {
            let rows = split(out.data_mut(), spans.iter().map(|span| span.query), width);
            rows.into_iter().map(Some).collect()
        }
        None => spans.iter().map(|_| None).collect(),
    };
    let teacher: Vec<&[f32]> = teacher.iter().map(|t| t.data()).collect();
    let states = States { student: student.data(), teacher: &teacher, width, teacher_width: wide };
    let values = team.map(spans.iter().zip(gradients), |(span, mut gradient)| {
        vectorised(
            #[inline(always)]
            || compare::states(&states, span.query, how, gradient.as_deref_mut()),
        )
    });
    let value = values.iter().sum::<f64>() as f32;
    Loss { value: pool.filled(&[value], Shape::vector(1)), gradient: out }
}
