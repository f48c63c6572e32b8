//! Tensors that lie in one row of memory, so that one kernel can walk over all of them.

use crate::kernels::adam::gather;
use crate::kernels::pointwise::zeros;
use crate::memory::Client;
use crate::tensor::{ALIGNMENT, Tensor, View};
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// One row of memory with a piece for each of some tensors.
#[derive(Debug)]
pub(crate) struct Row {
    memory: View,
    /// Where each piece begins.
    offsets: Vec<usize>,
    /// All of it in fewer bits, until it is written over.
    rounded: RefCell<Option<View>>,
}

impl Row {
    /// A row of zeros with a piece for each shape.
    pub fn new<R: Runtime>(client: &Client<R>, shapes: &[Shape]) -> Self {
        let mut end = 0;
        let place = |shape: &Shape| {
            let offset = end;
            end += shape.len().max(1).next_multiple_of(ALIGNMENT);
            offset
        };
        let offsets = shapes.iter().map(place).collect();
        let memory = zeros(client, Shape::vector(end)).view();
        Self { memory, offsets, rounded: RefCell::default() }
    }

    /// All of it.
    pub fn memory(&self) -> &View {
        &self.memory
    }

    /// Whether it has a piece for each of `count` tensors of together as many elements.
    pub fn fits(&self, shapes: &[Shape]) -> bool {
        let elements = |shape: &Shape| shape.len().max(1).next_multiple_of(ALIGNMENT);
        self.offsets.len() == shapes.len()
            && self.memory.len == shapes.iter().map(elements).sum::<usize>()
    }

    /// Piece `number`, of `len` elements, in a type that `round` rounds to: all pieces at once.
    pub fn rounded<F>(&self, number: usize, len: usize, round: impl FnOnce(&View) -> View) -> View {
        let mut rounded = self.rounded.borrow_mut();
        let all = rounded.get_or_insert_with(|| round(&self.memory));
        all.part_of::<F>(self.offsets[number], len)
    }

    /// Copies each tensor to its piece.
    pub fn fill<R: Runtime>(&self, client: &Client<R>, tensors: &[Tensor]) {
        gather(client, tensors, &self.offsets, &self.memory);
    }

    /// The row that `tensors` are the pieces of, to be written over. Where they are not, or somebody else sees one of
    /// them, they move to a row of their own first.
    pub fn of<R: Runtime>(client: &Client<R>, tensors: &mut [Tensor]) -> Rc<Self> {
        if let Some(row) = Self::shared(tensors) {
            row.rounded.take();
            return row;
        }
        let shapes: Vec<Shape> = tensors.iter().map(|x| x.shape).collect();
        let row = Rc::new(Self::new(client, &shapes));
        row.fill(client, tensors);
        for (number, x) in tensors.iter_mut().enumerate() {
            let piece = row.memory.part(row.offsets[number], x.len());
            *x = Tensor::placed(piece, x.shape, row.clone(), number);
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
}
