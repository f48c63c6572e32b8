//! Stacks: tensors of one shape at equal distances.

use crate::context::Context;
use crate::kernels::copy::copy;
use crate::rounded;
use crate::row;
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::shape::Shape;
use std::sync::Arc;

/// Tensors of one shape at equal distances in a row, which one launch can process.
pub(crate) struct Stack {
    /// The tensors in order; at least one.
    pub tensors: Vec<Tensor>,
    /// Elements from the start of one tensor to the start of the next.
    pub step: usize,
}

impl Stack {
    /// A stack of `count` uninitialised tensors.
    pub fn new(context: &Context, shape: Shape, count: usize) -> Self {
        let tensors = row::tensors(context, &vec![shape; count]);
        Self::in_place(&tensors.iter().collect::<Vec<_>>()).expect("pieces of one shape")
    }

    /// A stack of `count` uninitialised tensors that are held rounded.
    pub fn rounded(context: &Context, shape: Shape, count: usize) -> Self {
        let tensors = rounded::tensors(context, &vec![shape; count]);
        Self::in_place(&tensors.iter().collect::<Vec<_>>()).expect("pieces of one shape")
    }

    /// A stack of `tensors`, copied where they do not lie in one.
    pub fn of(context: &Context, tensors: &[&Tensor]) -> Self {
        tensors.iter().filter(|x| !x.is_held_rounded()).for_each(|x| drop(context.full(x)));
        Self::in_place(tensors).unwrap_or_else(|| {
            let shape = tensors[0].shape;
            assert!(tensors.iter().all(|x| x.shape == shape), "a stack of unlike tensors");
            let stack = Self::new(context, shape, tensors.len());
            for (x, to) in tensors.iter().zip(&stack.tensors) {
                copy(context, &context.full(x), &to.view());
            }
            stack
        })
    }

    /// The shape of each tensor.
    pub fn shape(&self) -> Shape {
        self.tensors[0].shape
    }

    /// Elements from the start of the first tensor to the end of the last.
    pub fn len(&self) -> usize {
        self.step * (self.tensors.len() - 1) + self.shape().len()
    }

    /// The tensors as one, if they are adjacent: rows of matrices below each other, elements of vectors behind each other.
    pub fn joined(&self) -> Option<Tensor> {
        let (first, count, shape) = (&self.tensors[0], self.tensors.len(), self.shape());
        let (row, number) = match &first.buffer.place {
            _ if count == 1 => return Some(first.clone()),
            Some(place) if self.step == shape.len() => place,
            _ => return None,
        };
        let all = match shape.dims() {
            [len] => Shape::vector(count * len),
            _ => Shape::matrix(count * shape.rows(), shape.cols()),
        };
        Some(row.tensor(*number, all))
    }

    /// These elements in single precision, of a stack that is held so.
    pub fn view(&self) -> View {
        self.tensors[0].run(self.len())
    }

    /// These elements in bf16.
    pub fn short(&self, context: &Context) -> View {
        rounded::rounded::<half::bf16>(context, &self.tensors[0], self.len(), false).view
    }

    /// The stack that `tensors` lie in, if they do.
    pub fn in_place(tensors: &[&Tensor]) -> Option<Self> {
        if let [one] = tensors {
            return Some(Self { tensors: vec![(*one).clone()], step: 0 });
        }
        let first = *tensors.first()?;
        let (row, start) = first.buffer.place.as_ref()?;
        let start = row.offsets()[*start];
        let distance = |x: &&Tensor| {
            let (of, number) = x.buffer.place.as_ref()?;
            let same = Arc::ptr_eq(of, row) && x.shape == first.shape;
            same.then(|| row.offsets()[*number].checked_sub(start)).flatten()
        };
        let distances: Vec<usize> = tensors.iter().map(distance).collect::<Option<_>>()?;
        let step = *distances.get(1)?;
        let even = distances.iter().enumerate().all(|(i, &distance)| distance == i * step);
        let tensors = || tensors.iter().map(|&x| x.clone()).collect();
        even.then(|| Self { tensors: tensors(), step })
    }
}
