//! What lies on the device: floats with a shape, and integers uploaded a batch at a time.

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

/// A piece of device memory.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) handle: Handle,
    /// The row of tensors that it is a piece of, and the how manyth.
    pub(crate) place: Option<(Rc<Row>, usize)>,
}

impl Tensor {
    pub(crate) fn new(handle: Handle, shape: Shape) -> Self {
        Self { buffer: Rc::new(Buffer { handle, place: None }), shape }
    }

    pub(crate) fn placed(view: View, shape: Shape, row: Rc<Row>, number: usize) -> Self {
        let place = Some((row, number));
        Self { buffer: Rc::new(Buffer { handle: view.handle, place }), shape }
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
        View { handle: self.buffer.handle.clone(), len: self.len() }
    }

    /// Rows `from..from + rows`; `from * cols` is a multiple of [`ALIGNMENT`] elements.
    pub(crate) fn part(&self, from: usize, rows: usize) -> View {
        View::within(&self.buffer.handle, from * self.cols(), rows * self.cols())
    }

    /// Whether nobody else sees this memory, so that it may be written over.
    pub(crate) fn is_alone(&self) -> bool {
        Rc::strong_count(&self.buffer) == 1
    }

    /// The same memory under another shape of as many elements.
    pub(crate) fn reshaped(self, shape: Shape) -> Self {
        assert_eq!(self.len(), shape.len(), "reshaped: {} to {shape}", self.shape);
        Self { shape, ..self }
    }
}

/// Elements that views are aligned to: every device takes offsets of 256 bytes.
pub(crate) const ALIGNMENT: usize = 64;

/// Elements of device memory, as a kernel takes them.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) handle: Handle,
    pub(crate) len: usize,
}

impl View {
    /// `len` 4-byte elements from `first`, a multiple of [`ALIGNMENT`].
    pub(crate) fn within(handle: &Handle, first: usize, len: usize) -> Self {
        let (start, bytes) = (4 * first as u64, 4 * len.max(1) as u64);
        let end = handle.size_in_used() - start - bytes;
        let offset = |handle: Handle, by: u64, f: fn(Handle, u64) -> Handle| {
            if by == 0 { handle } else { f(handle, by) }
        };
        let handle = offset(handle.clone(), start, Handle::offset_start);
        Self { handle: offset(handle, end, Handle::offset_end), len }
    }

    /// As a kernel's argument, of 4-byte elements.
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
}

/// Integers that travel together.
#[derive(Debug, Default)]
pub(crate) struct Block {
    waiting: RefCell<Vec<u32>>,
    there: OnceCell<Handle>,
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
        Self { block: block.clone(), offset, values: values.into() }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn view<R: Runtime>(&self, client: &ComputeClient<R>) -> View {
        let handle = self.block.there.get_or_init(|| {
            client.create(Bytes::from_elems(std::mem::take(&mut *self.block.waiting.borrow_mut())))
        });
        View::within(handle, self.offset, self.values.len())
    }
}
