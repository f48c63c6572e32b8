//! Losses on relations, computed by the host: the device waits for them. Right, and slow.

use crate::backend::Gpu;
use crate::index::Index;
use crate::tensor::Tensor;
use a2d_core::backend::{RelationLoss, RelationLosses, Train};
use a2d_core::batch::{Grid, Run, Span};
use a2d_core::compare::{self, Relations};
use a2d_core::device::Device;
use a2d_core::shape::Shape;

/// The elements of all tensors, read with one synchronisation.
fn read(gpu: &mut Gpu, tensors: &[&Tensor]) -> Vec<Vec<f32>> {
    let mut all: Vec<_> = tensors.iter().map(|x| vec![f32::NAN; x.len()]).collect();
    let mut places: Vec<_> = all.iter_mut().map(Vec::as_mut_slice).collect();
    // A lost device leaves NaN. It is an error where the losses are read.
    let _ = gpu.read_all(tensors, &mut places);
    all
}

fn spans(grid: &Grid<Index>) -> Vec<Span> {
    grid.spans.values.chunks_exact(Span::WORDS).map(Span::decode).collect()
}

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
    let elements = read(gpu, &[student[0], student[1], teacher[0], teacher[1]]);
    let of = |first: usize, width, heads| Relations {
        left: &elements[first],
        right: &elements[first + 1],
        width,
        heads,
    };
    let (own, theirs) = (of(0, width, how.heads[0]), of(2, wide, how.heads[1]));
    let mut out = gradient.then(|| student.map(|side| vec![0.0; side.len()]));
    let mut sum = 0.0;
    for span in spans(grid) {
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
