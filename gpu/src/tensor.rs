//! Tensors on the device, and rows of memory that several of them share.

use crate::pool::{ALIGNMENT, Piece};
use crate::view::View;
use a2d_core::shape::Shape;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Floats on the device, row-major. A clone shares the memory.
///
/// They are held in single precision, rounded to the format of products, or both. What only products and attention read is
/// held rounded. A sum may be held as its terms. `Context::full` widens and adds for others.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) shape: Shape,
}

/// The memory of a tensor and its clones.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// The elements in single precision, unless they are held otherwise and nothing has asked for these.
    pub(crate) full: OnceLock<View>,
    /// How the elements are held instead, of a tensor without memory of its own.
    pub(crate) held: Option<Held>,
    /// The row that the memory is a piece of, and the index of the piece.
    pub(crate) place: Option<(Arc<Row>, usize)>,
    /// The elements rounded to 16 bits, once something has rounded them. Those of a piece are with its row.
    rounded: Mutex<Option<Rounded>>,
    /// Which elements of a result of ReLU are positive, where a library's product has kept that.
    signs: Mutex<Option<View>>,
}

/// Elements rounded to 16 bits.
#[derive(Clone, Debug)]
pub(crate) struct Rounded {
    pub(crate) view: View,
    /// `[1]`: the factor that they were multiplied by before rounding.
    pub(crate) factor: Option<Tensor>,
}

/// How elements are held that have no memory of their own.
#[derive(Debug)]
pub(crate) enum Held {
    /// As the terms of a sum, which what reads it adds.
    Sum(Terms),
    /// Rounded, as columns of a matrix, from this one on.
    Columns(Tensor, usize),
}

/// The terms of a sum.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// In single precision, if there is one.
    pub(crate) full: Option<Tensor>,
    /// Held rounded; at least one.
    pub(crate) rounded: Vec<Tensor>,
}

/// One row of memory with a piece for each of several tensors, so that one kernel can process all of them.
#[derive(Debug)]
pub(crate) struct Row {
    memory: Tensor,
    /// The first element of each piece.
    offsets: Vec<usize>,
}

impl Buffer {
    /// The rounded elements, locked.
    pub(crate) fn rounded(&self) -> MutexGuard<'_, Option<Rounded>> {
        self.rounded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signs, locked.
    pub(crate) fn signs(&self) -> MutexGuard<'_, Option<View>> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tensor {
    pub(crate) fn new(piece: Arc<Piece>, shape: Shape) -> Self {
        Self::of(View::of(piece, shape.len()), shape)
    }

    pub(crate) fn of(view: View, shape: Shape) -> Self {
        Self::with(Some(view), None, shape, None)
    }

    /// A sum of tensors of one shape.
    pub(crate) fn sum_of(terms: Terms) -> Self {
        let shape = terms.rounded[0].shape;
        let mut all = terms.full.iter().chain(&terms.rounded);
        assert!(all.all(|term| term.shape == shape), "terms of one shape");
        Self::held(Held::Sum(terms), shape)
    }

    /// `width` columns, from `first`, of a matrix that is held rounded.
    pub(crate) fn columns(of: Self, first: usize, width: usize) -> Self {
        assert!(of.is_held_rounded() && first + width <= of.cols(), "columns");
        let shape = Shape::matrix(of.rows(), width);
        Self::held(Held::Columns(of, first), shape)
    }

    fn held(held: Held, shape: Shape) -> Self {
        let (full, rounded, signs) = Default::default();
        let buffer = Buffer { full, held: Some(held), place: None, rounded, signs };
        Self { buffer: Arc::new(buffer), shape }
    }

    /// A tensor that is held rounded.
    pub(crate) fn held_rounded(view: View, shape: Shape) -> Self {
        Self::with(None, Some(Rounded { view, factor: None }), shape, None)
    }

    fn with(
        full: Option<View>,
        rounded: Option<Rounded>,
        shape: Shape,
        place: Option<(Arc<Row>, usize)>,
    ) -> Self {
        let views = [full.as_ref(), rounded.as_ref().map(|rounded| &rounded.view)];
        assert!(views.iter().flatten().all(|view| view.len == shape.len()), "a tensor's memory");
        let full = full.map_or_else(OnceLock::new, OnceLock::from);
        let (rounded, signs) = (Mutex::new(rounded), Mutex::default());
        Self { buffer: Arc::new(Buffer { full, held: None, place, rounded, signs }), shape }
    }

    pub(crate) fn rows(&self) -> usize {
        self.shape.rows()
    }

    pub(crate) fn cols(&self) -> usize {
        self.shape.cols()
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.len()
    }

    /// The elements in single precision, of a tensor that is held so.
    pub(crate) fn view(&self) -> View {
        self.full().clone()
    }

    /// `len` elements from its start: those behind it in its row too.
    pub(crate) fn run(&self, len: usize) -> View {
        match &self.buffer.place {
            Some((row, number)) => row.memory.part_of(row.offsets[*number], len),
            None => self.part_of(0, len),
        }
    }

    fn full(&self) -> &View {
        self.buffer
            .full
            .get()
            .expect("single precision; of a tensor held otherwise by Context::full")
    }

    /// Whether the elements are held rounded alone.
    pub(crate) fn is_held_rounded(&self) -> bool {
        !self.is_held_full() && self.terms().is_none()
    }

    /// The terms of a sum that is held so.
    pub(crate) fn terms(&self) -> Option<&Terms> {
        match &self.buffer.held {
            Some(Held::Sum(terms)) => Some(terms),
            _ => None,
        }
    }

    /// Whether the elements are held in single precision.
    pub(crate) fn is_held_full(&self) -> bool {
        self.buffer.full.get().is_some()
    }

    /// Rows `from..from + rows`, in the formats that they are held in; `from * cols` is a multiple of [`ALIGNMENT`].
    pub(crate) fn rows_from(&self, from: usize, rows: usize) -> Self {
        let (first, shape) = (from * self.cols(), Shape::matrix(rows, self.cols()));
        let full = self.buffer.full.get().map(|view| view.part(first, shape.len()));
        let rounded = match &*self.buffer.rounded() {
            Some(Rounded { view, factor: None }) => {
                let view = view.part_of::<half::f16>(first, shape.len());
                Some(Rounded { view, factor: None })
            }
            _ => None,
        };
        assert!(full.is_some() || rounded.is_some(), "rows of memory that a tensor has");
        Self::with(full, rounded, shape, None)
    }

    /// `len` elements from `first`, a multiple of [`ALIGNMENT`].
    pub(crate) fn part_of(&self, first: usize, len: usize) -> View {
        self.full().part(first, len)
    }

    /// Whether it is the piece `number` of a row.
    pub(crate) fn is_piece(&self, of: &Arc<Row>, number: usize) -> bool {
        let place = self.buffer.place.as_ref();
        place.is_some_and(|(row, at)| Arc::ptr_eq(row, of) && *at == number)
    }

    /// Whether no clone shares this memory.
    pub(crate) fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.buffer) == 1
    }

    /// Whether its owner may overwrite this memory with elements in single precision.
    pub(crate) fn may_be_overwritten(&self) -> bool {
        let is_its_own = self.is_held_full() && self.buffer.held.is_none();
        is_its_own && self.is_unshared() && !self.comes_rounded()
    }

    /// Whether the elements are held rounded, or were before they were widened.
    pub(crate) fn comes_rounded(&self) -> bool {
        let row = self.buffer.place.as_ref().map(|(row, _)| row.memory.is_held_rounded());
        row.unwrap_or(false) || self.is_held_rounded()
    }

    /// Drops the rounded elements, and what else is kept of these. Must be called before this memory is overwritten.
    pub(crate) fn forget_rounding(&self) {
        self.buffer.rounded().take();
        self.buffer.signs().take();
        if let Some((row, _)) = &self.buffer.place {
            row.memory.forget_rounding();
        }
    }

    /// The same memory under another shape with as many elements.
    pub(crate) fn reshaped(self, shape: Shape) -> Self {
        assert_eq!(self.len(), shape.len(), "reshaped: {} to {shape}", self.shape);
        Self { shape, ..self }
    }
}

impl Row {
    /// A row with a piece for each shape; `allocate` gets the row's length and the length of the pieces together, which
    /// is less where there are gaps between pieces.
    pub fn new(shapes: &[Shape], allocate: impl FnOnce(usize, usize) -> Tensor) -> Self {
        let (offsets, end) = offsets(shapes);
        let memory = allocate(end, shapes.iter().map(|shape| shape.len()).sum());
        Self { memory, offsets }
    }

    /// A row with the same pieces, in `memory` of the same length.
    pub fn like(&self, memory: Tensor) -> Self {
        assert_eq!(memory.len(), self.memory.len(), "a row's memory");
        Self { memory, offsets: self.offsets.clone() }
    }

    /// All of its memory, with the gaps between pieces.
    pub fn memory(&self) -> &Tensor {
        &self.memory
    }

    /// The first element of each piece.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Whether the row has exactly a piece for each of `shapes`.
    pub fn fits(&self, shapes: &[Shape]) -> bool {
        let (offsets, end) = offsets(shapes);
        offsets == self.offsets && end == self.memory.len()
    }

    /// A piece as a tensor.
    pub fn tensor(self: &Arc<Self>, number: usize, shape: Shape) -> Tensor {
        let full = self.memory.buffer.full.get();
        let piece = full.map(|view| view.part(self.offsets[number], shape.len()));
        Tensor::with(piece, None, shape, Some((self.clone(), number)))
    }

    /// The row whose pieces are exactly these tensors, in order and without clones.
    pub fn shared_by(tensors: &[Tensor]) -> Option<Arc<Self>> {
        let (row, _) = tensors.first()?.buffer.place.as_ref()?;
        let in_place = |(number, x): (usize, &Tensor)| x.is_piece(row, number) && x.is_unshared();
        let all = row.offsets.len() == tensors.len() && tensors.iter().enumerate().all(in_place);
        all.then(|| row.clone())
    }
}

/// The first element of each piece of a row, and the row's length. Vectors follow matrices: so the weights of maps of one input
/// are adjacent, and so are their biases.
fn offsets(shapes: &[Shape]) -> (Vec<usize>, usize) {
    let (mut offsets, mut end) = (vec![0; shapes.len()], 0usize);
    for rank in [2, 1] {
        let of_rank = |(_, shape): &(&mut usize, &Shape)| shape.dims().len() == rank;
        for (offset, shape) in offsets.iter_mut().zip(shapes).filter(of_rank) {
            *offset = end.next_multiple_of(ALIGNMENT);
            end = *offset + shape.len().max(1);
        }
    }
    (offsets, end)
}
