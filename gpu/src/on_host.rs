//! Losses on relations, computed by the host: the device waits for them. Right, and slow.

use crate::backend::Gpu;
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{RelationLoss, RelationLosses, Train};
use a2d_core::batch::{Grid, Run, Span};
use a2d_core::compare::{self, Relations};
use a2d_core::kd::elements;
use a2d_core::shape::Shape;

/// The rows of a sentence.
fn rows(x: &mut [f32], run: Run, width: usize) -> &mut [f32] {
    &mut x[run.start * width..][..run.len * width]
}

/// [`Train::relation_loss`].
pub(crate) fn relation_loss(
    gpu: &mut Gpu,
    student: [&Tensor; 2],
    teacher: [&Tensor; 2],
    grid: &Grid<Index>,
    how: RelationLoss,
    gradient: bool,
) -> RelationLosses<Tensor> {
    let shapes = |sides: [&Tensor; 2]| sides.map(|side| side.shape);
    let [width, wide] = compare::relation_widths(shapes(student), shapes(teacher), grid, how);
    let tensors = [student, teacher].concat();
    let length = tensors.iter().map(|x| x.len()).sum();
    // A lost device leaves NaN. It is an error where the losses are read.
    let elements = elements(gpu, &tensors).unwrap_or_else(|_| vec![f32::NAN; length]);
    let mut rest = &elements[..];
    let mut of = |[left, right]: [&Tensor; 2], width, heads| {
        let [left, right] = [left, right].map(|x| {
            let (elements, after) = rest.split_at(x.len());
            rest = after;
            elements
        });
        Relations { left, right, width, heads }
    };
    let (own, theirs) = (of(student, width, how.heads[0]), of(teacher, wide, how.heads[1]));
    let mut out = gradient.then(|| student.map(|side| vec![0.0; side.len()]));
    let mut sum = 0.0;
    for span in Span::all(&grid.spans.values) {
        let gradients = out
            .as_mut()
            .map(|[left, right]| [rows(left, span.query, width), rows(right, span.key, width)]);
        sum += compare::relations(own, theirs, &span, grid.causal, how, gradients);
    }
    let value = gpu.tensor(&[sum as f32], Shape::vector(1));
    let gradients = out.map(|out| {
        let [left, right] = out;
        [gpu.tensor(&left, student[0].shape), gpu.tensor(&right, student[1].shape)]
    });
    RelationLosses { value, gradients }
}
