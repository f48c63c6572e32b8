//! Rows of memory: allocated, filled, and found again from their tensors.

use crate::context::Context;
use crate::kernels::copy::{empty, gather, zeros};
use crate::tensor::{Row, Tensor};
use a2d_core::shape::Shape;
use std::sync::Arc;

/// A row of zeros with a piece for each shape.
pub(crate) fn zero_row(context: &Context, shapes: &[Shape]) -> Row {
    Row::new(shapes, |len, _| zeros(context, Shape::vector(len)))
}

/// A row of zeros with the pieces of another.
pub(crate) fn zeros_like(context: &Context, row: &Row) -> Row {
    row.like(zeros(context, row.memory().shape))
}

/// Uninitialised tensors that are the pieces of a new row.
pub(crate) fn tensors(context: &Context, shapes: &[Shape]) -> Vec<Tensor> {
    // Kernels that process the whole row read the gaps between pieces too.
    let row = Row::new(shapes, |len, used| {
        let all = Shape::vector(len);
        if used < len { zeros(context, all) } else { empty(context, all) }
    });
    let row = Arc::new(row);
    shapes.iter().enumerate().map(|(number, &shape)| row.tensor(number, shape)).collect()
}

/// Copies each tensor to its piece of a row, unless it is that.
pub(crate) fn fill(context: &Context, row: &Arc<Row>, tensors: &[Tensor]) {
    let all = tensors.iter().zip(row.offsets()).enumerate();
    let apart = all.filter(|(number, (x, _))| !x.is_piece(row, *number)).map(|(_, of)| of);
    let (tensors, offsets): (Vec<&Tensor>, Vec<usize>) = apart.unzip();
    row.memory().forget_rounding();
    gather(context, &tensors, &offsets, &row.memory().view());
}

/// The row whose pieces are `tensors`, to be overwritten. Tensors that do not form a row, or that have clones, are first
/// moved to a new row.
pub(crate) fn of_tensors(context: &Context, tensors: &mut [Tensor]) -> Arc<Row> {
    if let Some(row) = Row::shared_by(tensors) {
        row.memory().forget_rounding();
        return row;
    }
    let shapes: Vec<Shape> = tensors.iter().map(|x| x.shape).collect();
    let row = Arc::new(zero_row(context, &shapes));
    fill(context, &row, tensors);
    for (number, x) in tensors.iter_mut().enumerate() {
        *x = row.tensor(number, x.shape);
    }
    row
}
