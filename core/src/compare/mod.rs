//! The formulas that compare a student's hidden states and projections with a teacher's, one sentence at a time. A
//! backend that computes on the host is a loop over sentences around these functions.

mod relations;
mod states;

pub use relations::{Relations, relations};
pub use states::{SHORTEST, States, states};

use crate::backend::{RelationLoss, StateForm, StateLoss};
use crate::batch::Grid;
use crate::shape::Shape;

/// The width of the teacher's states.
///
/// # Panics
///
/// There are none, or their shapes do not match the student's.
pub fn teacher_width(
    student: Shape,
    mut teacher: impl ExactSizeIterator<Item = Shape>,
    how: StateLoss,
) -> usize {
    let count = teacher.len();
    let first = teacher.next().expect("state_loss: a teacher");
    assert!(teacher.all(|other| other == first), "state_loss: shapes of the teacher");
    let width = match how.form {
        StateForm::Direction | StateForm::Square => count * first.cols(),
        StateForm::Mixture { .. } => first.cols(),
    };
    let fits = student.rows() == first.rows() && student.cols() == width;
    assert!(fits, "state_loss: student {student}, {count} of the teacher {first}");
    first.cols()
}

/// The widths of student and teacher.
///
/// # Panics
///
/// The shapes do not match, or heads do not divide a width.
pub fn relation_widths<I>(
    student: [Shape; 2],
    teacher: [Shape; 2],
    grid: &Grid<I>,
    how: RelationLoss,
) -> [usize; 2] {
    for ([left, right], heads) in [student, teacher].into_iter().zip(how.heads) {
        let even = heads > 0 && left.cols().is_multiple_of(heads);
        let rows = left.rows() >= grid.queries && right.rows() >= grid.keys;
        let fits = even && rows && left.cols() == right.cols();
        assert!(fits, "relation_loss: {left} and {right} with {heads} heads");
    }
    [student, teacher].map(|[left, _]| left.cols())
}
