//! Device memory as kernels take it.

use crate::pool::{Piece, part_of};
use cubecl::prelude::*;
use cubecl::server::Handle;
use std::sync::Arc;

/// Elements of device memory.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) handle: Handle,
    pub(crate) len: usize,
    /// The piece that the memory belongs to; none where CubeCL counts the handles.
    owner: Option<Arc<Piece>>,
}

impl View {
    /// The first `len` elements of a piece.
    pub(crate) fn of(piece: Arc<Piece>, len: usize) -> Self {
        Self { handle: piece.handle.clone(), len, owner: Some(piece) }
    }

    /// An upload of `len` elements.
    pub(crate) fn uploaded(handle: Handle, len: usize) -> Self {
        Self { handle, len, owner: None }
    }

    /// `len` 4-byte elements from `first`, a multiple of [`ALIGNMENT`](crate::pool::ALIGNMENT).
    pub(crate) fn part(&self, first: usize, len: usize) -> Self {
        self.part_of::<f32>(first, len)
    }

    /// `len` elements of type `F` from `first`, a multiple of [`ALIGNMENT`](crate::pool::ALIGNMENT).
    pub(crate) fn part_of<F>(&self, first: usize, len: usize) -> Self {
        let size = size_of::<F>();
        let handle = part_of(&self.handle, size * first, size * len.max(1));
        Self { handle, len, owner: self.owner.clone() }
    }

    /// The view as a kernel's argument.
    #[allow(unsafe_code)]
    pub(crate) fn arg<R: Runtime>(&self) -> ArrayArg<R> {
        // SAFETY: every handle of a view has at least `len` elements, and one where `len` is 0.
        unsafe { ArrayArg::from_raw_parts(self.handle.clone(), self.len.max(1)) }
    }
}
