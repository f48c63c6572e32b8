//! Gradients of parameters, written where Adam reads them.

use crate::context::Context;
use crate::kernels::copy::empty;
use crate::row;
use crate::stack::Stack;
use crate::tensor::{Buffer, Row, Tensor};
use a2d_core::shape::Shape;
use std::sync::{Arc, Weak};

/// The row of gradients that Adam reads. It is laid out as the row of their parameters, so that the gradient of a parameter has
/// a place that is known before it is computed.
#[derive(Default)]
pub(crate) struct Gradients {
    row: Option<Arc<Row>>,
    /// The row of parameters.
    params: Weak<Row>,
    /// The memory of the tensor that was last made of each piece. While that lives, the piece must not be overwritten.
    given: Vec<Weak<Buffer>>,
}

impl Gradients {
    /// Uninitialised memory for a gradient of `param`: its place in the row, or new memory where that is in use.
    pub fn empty(&mut self, context: &Context, param: &Tensor) -> Tensor {
        self.place(context, param).unwrap_or_else(|| empty(context, param.shape))
    }

    /// [`Self::empty`] for parameters of one shape, as a stack.
    pub fn empty_stack(&mut self, context: &Context, params: &[&Tensor]) -> Stack {
        let places: Option<Vec<Tensor>> =
            params.iter().map(|param| self.place(context, param)).collect();
        let stack = places.and_then(|places| Stack::in_place(&places.iter().collect::<Vec<_>>()));
        stack.unwrap_or_else(|| Stack::new(context, params[0].shape, params.len()))
    }

    /// The row with `grads` in their places, to be read. Those that are elsewhere are copied.
    pub fn gathered(&mut self, context: &Context, grads: &[Tensor]) -> Arc<Row> {
        self.filled(context, grads, |_| true)
    }

    /// The row with `grads` in their places, to be overwritten there: they become its pieces.
    pub fn moved(&mut self, context: &Context, grads: &mut [Tensor]) -> Arc<Row> {
        let row = self.filled(context, grads, Tensor::is_unshared);
        for (number, x) in grads.iter_mut().enumerate() {
            *x = self.piece(&row, number, x.shape);
        }
        row
    }

    /// Takes the row for that of the gradients of `params`, in the same order.
    pub fn follow(&mut self, params: &Arc<Row>) {
        self.params = Arc::downgrade(params);
    }

    /// The row, filled with `grads`. It is a new one where something else has a place that this overwrites, or where one of
    /// `grads` that is in its place may not `stay` there.
    fn filled(
        &mut self,
        context: &Context,
        grads: &[Tensor],
        stay: impl Fn(&Tensor) -> bool,
    ) -> Arc<Row> {
        let shapes: Vec<Shape> = grads.iter().map(|x| x.shape).collect();
        let row = self.row.take().filter(|row| {
            let may_be_written = |(number, x): (usize, &Tensor)| {
                if x.is_piece(row, number) { stay(x) } else { self.is_free(number) }
            };
            row.fits(&shapes) && grads.iter().enumerate().all(may_be_written)
        });
        let row = match row {
            Some(row) => self.row.insert(row).clone(),
            None => self.start(row::zero_row(context, &shapes)),
        };
        row::fill(context, &row, grads);
        row
    }

    /// The place of the gradient of `param`, if nothing has it.
    fn place(&mut self, context: &Context, param: &Tensor) -> Option<Tensor> {
        let (params, number) = param.buffer.place.as_ref()?;
        if self.row.is_none() {
            self.start(row::zeros_like(context, params));
            self.follow(params);
        }
        let is_followed = self.params.as_ptr() == Arc::as_ptr(params);
        let row = self.row.clone().filter(|_| is_followed && self.is_free(*number))?;
        Some(self.piece(&row, *number, param.shape))
    }

    /// Begins with a new row, whose parameters are not known.
    fn start(&mut self, row: Row) -> Arc<Row> {
        self.params = Weak::new();
        self.given = row.offsets().iter().map(|_| Weak::new()).collect();
        self.row.insert(Arc::new(row)).clone()
    }

    /// A piece of the row, to be overwritten.
    fn piece(&mut self, row: &Arc<Row>, number: usize, shape: Shape) -> Tensor {
        row.memory().forget_rounding();
        let x = row.tensor(number, shape);
        self.given[number] = Arc::downgrade(&x.buffer);
        x
    }

    fn is_free(&self, number: usize) -> bool {
        self.given[number].strong_count() == 0
    }
}
