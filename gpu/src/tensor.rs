//! What lies on the device: floats with a shape, and integers uploaded a batch at a time.

use crate::memory::{Client, Piece, within};
use crate::row::Row;
use a2d_core::shape::Shape;
use cubecl::bytes::Bytes;
use cubecl::prelude::*;
use cubecl::server::Handle;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Floats on the device, row-major. A clone shares the memory.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) buffer: Rc<Buffer>,
    pub(crate) shape: Shape,
}

/// What clones of a tensor share.
#[derive(Debug)]
pub(crate) struct Buffer {
    view: View,
    /// The row of tensors that it is a piece of, and the how manyth.
    pub(crate) place: Option<(Rc<Row>, usize)>,
    /// The same in fewer bits, once a product has wanted it.
    pub(crate) rounded: RefCell<Option<Rounded>>,
}

/// Elements in fewer bits.
#[derive(Clone, Debug)]
pub(crate) struct Rounded {
    pub(crate) view: View,
    /// `[1]`: what they were multiplied by before.
    pub(crate) factor: Option<Tensor>,
}

impl Tensor {
    pub(crate) fn new(piece: Rc<Piece>, shape: Shape) -> Self {
        Self::of(View::of(piece, shape.len()), shape)
    }

    pub(crate) fn of(view: View, shape: Shape) -> Self {
        Self::at(view, shape, None)
    }

    pub(crate) fn placed(view: View, shape: Shape, row: Rc<Row>, number: usize) -> Self {
        Self::at(view, shape, Some((row, number)))
    }

    fn at(view: View, shape: Shape, place: Option<(Rc<Row>, usize)>) -> Self {
        assert_eq!(view.len, shape.len(), "a tensor's memory");
        let rounded = RefCell::default();
        Self { buffer: Rc::new(Buffer { view, place, rounded }), shape }
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

    pub(crate) fn view(&self) -> View {
        self.buffer.view.clone()
    }

    /// Rows `from..from + rows`; `from * cols` is a multiple of [`ALIGNMENT`] elements.
    pub(crate) fn part(&self, from: usize, rows: usize) -> View {
        self.part_of(from * self.cols(), rows * self.cols())
    }

    /// [`Tensor::part`] as a tensor, with its part of the rounding to 16 bits.
    pub(crate) fn rows_from(&self, from: usize, rows: usize) -> Self {
        let (first, shape) = (from * self.cols(), Shape::matrix(rows, self.cols()));
        let part = Self::of(self.part(from, rows), shape);
        if let Some(Rounded { view, factor: None }) = &*self.buffer.rounded.borrow() {
            let view = view.part_of::<half::f16>(first, shape.len());
            part.buffer.rounded.replace(Some(Rounded { view, factor: None }));
        }
        part
    }

    /// `len` elements from `first`, a multiple of [`ALIGNMENT`].
    pub(crate) fn part_of(&self, first: usize, len: usize) -> View {
        self.buffer.view.part(first, len)
    }

    /// Whether nobody else sees this memory, so that it may be written over.
    pub(crate) fn is_alone(&self) -> bool {
        Rc::strong_count(&self.buffer) == 1
    }

    /// To be called before this memory is written over.
    pub(crate) fn forget_rounding(&self) {
        self.buffer.rounded.take();
        if let Some((row, _)) = &self.buffer.place {
            row.memory().forget_rounding();
        }
    }

    /// The same memory under another shape of as many elements.
    pub(crate) fn reshaped(self, shape: Shape) -> Self {
        assert_eq!(self.len(), shape.len(), "reshaped: {} to {shape}", self.shape);
        Self { shape, ..self }
    }
}

/// Elements that views are aligned to: every device takes offsets of 256 bytes, elements may have two.
pub(crate) const ALIGNMENT: usize = 128;

/// Elements of device memory, as a kernel takes them.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) handle: Handle,
    pub(crate) len: usize,
    /// Whose memory it is; nobody's where CubeCL counts the handles.
    owner: Option<Rc<Piece>>,
}

impl View {
    /// The first `len` elements of a piece.
    pub(crate) fn of(piece: Rc<Piece>, len: usize) -> Self {
        Self { handle: piece.handle.clone(), len, owner: Some(piece) }
    }

    /// All that was uploaded.
    pub(crate) fn uploaded(handle: Handle, len: usize) -> Self {
        Self { handle, len, owner: None }
    }

    /// `len` 4-byte elements from `first`, a multiple of [`ALIGNMENT`].
    pub(crate) fn part(&self, first: usize, len: usize) -> Self {
        self.part_of::<f32>(first, len)
    }

    /// `len` elements of a type from `first`, a multiple of [`ALIGNMENT`].
    pub(crate) fn part_of<F>(&self, first: usize, len: usize) -> Self {
        let size = size_of::<F>();
        let handle = within(&self.handle, size * first, size * len.max(1));
        Self { handle, len, owner: self.owner.clone() }
    }

    /// As a kernel's argument.
    #[allow(unsafe_code)]
    pub(crate) fn arg<R: Runtime>(&self) -> ArrayArg<R> {
        // SAFETY: whoever made the handle asked for at least `len` elements (one, where `len` is 0).
        unsafe { ArrayArg::from_raw_parts(self.handle.clone(), self.len.max(1)) }
    }
}

/// Integers on the device, known to the host too. They travel with the others of their batch, when the first
/// of them is used.
#[derive(Clone, Debug)]
pub struct Index {
    block: Rc<Block>,
    offset: usize,
    pub(crate) values: Rc<[u32]>,
    /// Of token ids: the rows of each, as the gradient of the embedding wants them.
    pub(crate) groups: Option<Rc<[Index; 3]>>,
}

/// Integers that travel together.
#[derive(Debug, Default)]
pub(crate) struct Block {
    waiting: RefCell<Vec<u32>>,
    there: OnceCell<View>,
}

impl Index {
    /// Puts `values` into `block`, or into a new one where that has left.
    pub(crate) fn new(block: &mut Rc<Block>, values: &[u32]) -> Self {
        if block.there.get().is_some() {
            *block = Rc::default();
        }
        let mut waiting = block.waiting.borrow_mut();
        let offset = waiting.len();
        waiting.extend_from_slice(values);
        // Something to bind even for an empty list, and the next one aligned.
        let end = (offset + values.len().max(1)).next_multiple_of(ALIGNMENT);
        waiting.resize(end, 0);
        drop(waiting);
        Self { block: block.clone(), offset, values: values.into(), groups: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn view<R: Runtime>(&self, client: &Client<R>) -> View {
        let there = self.block.there.get_or_init(|| {
            let waiting = std::mem::take(&mut *self.block.waiting.borrow_mut());
            let len = waiting.len();
            View::uploaded(client.create(Bytes::from_elems(waiting)), len)
        });
        there.part(self.offset, self.values.len())
    }
}
