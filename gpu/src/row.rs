//! Tensors that lie in one row of memory, so that one kernel can walk over all of them.

use crate::kernels::adam::gather;
use crate::kernels::pointwise::{copy, empty, zeros};
use crate::memory::Client;
use crate::tensor::{ALIGNMENT, Tensor, View};
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use std::rc::Rc;

/// One row of memory with a piece for each of some tensors.
#[derive(Debug)]
pub(crate) struct Row {
    memory: Tensor,
    /// Where each piece begins.
    offsets: Vec<usize>,
}

impl Row {
    /// A row of zeros with a piece for each shape.
    pub fn new<R: Runtime>(client: &Client<R>, shapes: &[Shape]) -> Self {
        let (offsets, end) = places(shapes);
        Self { memory: zeros(client, Shape::vector(end)), offsets }
    }

    /// Tensors that are the pieces of a row of their own, holding anything.
    pub fn tensors<R: Runtime>(client: &Client<R>, shapes: &[Shape]) -> Vec<Tensor> {
        let (offsets, end) = places(shapes);
        // What lies between pieces is read with them.
        let gaps = shapes.iter().map(|shape| shape.len()).sum::<usize>() < end;
        let all = Shape::vector(end);
        let memory = if gaps { zeros(client, all) } else { empty(client, all) };
        let row = Rc::new(Self { memory, offsets });
        shapes.iter().enumerate().map(|(number, &shape)| row.tensor(number, shape)).collect()
    }

    /// All of it.
    pub fn memory(&self) -> &Tensor {
        &self.memory
    }

    /// Where a piece begins.
    pub fn offset(&self, number: usize) -> usize {
        self.offsets[number]
    }

    /// Whether it has a piece for each of `shapes`.
    pub fn fits(&self, shapes: &[Shape]) -> bool {
        let (offsets, end) = places(shapes);
        offsets == self.offsets && end == self.memory.len()
    }

    /// Copies each tensor to its piece.
    pub fn fill<R: Runtime>(&self, client: &Client<R>, tensors: &[Tensor]) {
        gather(client, tensors, &self.offsets, &self.memory.view());
    }

    /// The row that `tensors` are the pieces of, to be written over. Where they are not, or somebody else sees one of
    /// them, they move to a row of their own first.
    pub fn of<R: Runtime>(client: &Client<R>, tensors: &mut [Tensor]) -> Rc<Self> {
        if let Some(row) = Self::shared(tensors) {
            row.memory.forget_rounding();
            return row;
        }
        let shapes: Vec<Shape> = tensors.iter().map(|x| x.shape).collect();
        let row = Rc::new(Self::new(client, &shapes));
        row.fill(client, tensors);
        for (number, x) in tensors.iter_mut().enumerate() {
            *x = row.tensor(number, x.shape);
        }
        row
    }

    /// The row whose pieces are these tensors, in order, seen by nobody else.
    fn shared(tensors: &[Tensor]) -> Option<Rc<Self>> {
        let (row, _) = tensors.first()?.buffer.place.as_ref()?;
        let in_place = |(number, x): (usize, &Tensor)| {
            let place = x.buffer.place.as_ref();
            place.is_some_and(|(of, at)| Rc::ptr_eq(of, row) && *at == number) && x.is_alone()
        };
        let all = row.offsets.len() == tensors.len() && tensors.iter().enumerate().all(in_place);
        all.then(|| row.clone())
    }

    fn tensor(self: &Rc<Self>, number: usize, shape: Shape) -> Tensor {
        let piece = self.memory.part_of(self.offsets[number], shape.len());
        Tensor::placed(piece, shape, self.clone(), number)
    }
}

/// Where a row's pieces begin, and where it ends.
fn places(shapes: &[Shape]) -> (Vec<usize>, usize) {
    let mut end = 0usize;
    let place = |shape: &Shape| {
        let offset = end.next_multiple_of(ALIGNMENT);
        end = offset + shape.len().max(1);
        offset
    };
    (shapes.iter().map(place).collect(), end)
}

/// Tensors of one shape at equal distances in a row: what one launch takes all of.
pub(crate) struct Stack {
    /// In order; at least one.
    pub tensors: Vec<Tensor>,
    /// Elements from the beginning of one to that of the next.
    pub step: usize,
    /// From the beginning of the first to the end of the last.
    pub view: View,
}

impl Stack {
    /// A new one, holding anything.
    pub fn new<R: Runtime>(client: &Client<R>, shape: Shape, count: usize) -> Self {
        let tensors = Row::tensors(client, &vec![shape; count]);
        Self::in_place(&tensors.iter().collect::<Vec<_>>()).expect("pieces of one shape")
    }

    /// The stack of `tensors`, copied where they do not lie in one.
    pub fn of<R: Runtime>(client: &Client<R>, tensors: &[&Tensor]) -> Self {
        Self::in_place(tensors).unwrap_or_else(|| {
            let shape = tensors[0].shape;
            assert!(tensors.iter().all(|x| x.shape == shape), "a stack of unlike tensors");
            let stack = Self::new(client, shape, tensors.len());
            for (x, to) in tensors.iter().zip(&stack.tensors) {
                copy(client, &x.view(), &to.view());
            }
            stack
        })
    }

    /// What all have.
    pub fn shape(&self) -> Shape {
        self.tensors[0].shape
    }

    fn in_place(tensors: &[&Tensor]) -> Option<Self> {
        let first = *tensors.first()?;
        let (row, start) = first.buffer.place.as_ref()?;
        let start = row.offset(*start);
        let distance = |x: &&Tensor| {
            let (of, number) = x.buffer.place.as_ref()?;
            let same = Rc::ptr_eq(of, row) && x.shape == first.shape;
            same.then(|| row.offset(*number).checked_sub(start)).flatten()
        };
        let distances: Vec<usize> = tensors.iter().map(distance).collect::<Option<_>>()?;
        let step = distances.get(1).copied().unwrap_or(0);
        let even = distances.iter().enumerate().all(|(i, &distance)| distance == i * step);
        let len = step * (tensors.len() - 1) + first.len();
        let tensors = || tensors.iter().map(|&x| x.clone()).collect();
        even.then(|| Self { tensors: tensors(), step, view: row.memory.part_of(start, len) })
    }
}
