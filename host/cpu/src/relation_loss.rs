//! Losses between relations of student and teacher.

use super::attend::{spans, split};
use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::{RelationLoss, RelationLosses};
use a2d_core::batch::Grid;
use a2d_core::compare::{self, Relations};
use a2d_core::shape::Shape;
use std::sync::Arc;

/// The sum of the differences, `[1]`, and the weighted gradients of the student's sides.
pub fn relation_loss(
    team: &Team,
    pool: &Pool,
    student: [&Tensor; 2],
    teacher: [&Tensor; 2],
    grid: &Grid<Arc<[u32]>>,
    how: RelationLoss,
    gradient: bool,
) -> RelationLosses<Tensor> {
    let of = |[left, right]: [&Tensor; 2]| [left.shape(), right.shape()];
    let [width, wide] = compare::relation_widths(of(student), of(teacher), grid, how);
    let spans = spans(grid);
    let mut out = gradient.then(|| student.map(|side| pool.zeros(side.shape())));
    let gradients: Vec<Option<[&mut [f32]; 2]>> = match &mut out {
        Some([left, right]) => {
            let left = split(left.data_mut(), spans.iter().map(|span| span.query), width);
            let right = split(right.data_mut(), spans.iter().map(|span| span.key), width);
            left.into_iter().zip(right).map(|(left, right)| Some([left, right])).collect()
        }
        None => spans.iter().map(|_| None).collect(),
    };
    let [student, teacher] = [(student, width, how.heads[0]), (teacher, wide, how.heads[1])].map(
        |([left, right], width, heads)| Relations {
            left: left.data(),
            right: right.data(),
            width,
            heads,
        },
    );
    let values = team.map(spans.iter().zip(gradients), |(span, mut gradients)| {
        vectorised(
            #[inline(always)]
            || {
                let gradients = gradients.as_mut().map(|all| all.each_mut().map(|x| &mut **x));
                compare::relations(student, teacher, span, grid.causal, how, gradients)
            },
        )
    });
    let value = values.iter().sum::<f64>() as f32;
    RelationLosses { value: pool.filled(&[value], Shape::vector(1)), gradients: out }
}
