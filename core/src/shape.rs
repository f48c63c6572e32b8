//! The extent of a tensor.

use core::fmt;

/// One or two dimensions, row-major.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    dims: [usize; 2],
    rank: u8,
}

impl Shape {
    /// `[n]`
    pub const fn vector(n: usize) -> Self {
        Self { dims: [n, 1], rank: 1 }
    }

    /// `[rows, cols]`
    pub const fn matrix(rows: usize, cols: usize) -> Self {
        Self { dims: [rows, cols], rank: 2 }
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        match &self.dims {
            [n, _] if self.rank == 1 => core::slice::from_ref(n),
            both => both,
        }
    }

    /// The number of rows; a vector is one row.
    pub const fn rows(&self) -> usize {
        if self.rank == 1 { 1 } else { self.dims[0] }
    }

    /// The length of a row.
    pub const fn cols(&self) -> usize {
        if self.rank == 1 { self.dims[0] } else { self.dims[1] }
    }

    /// The number of elements, saturated at `usize::MAX`.
    pub const fn len(&self) -> usize {
        self.dims[0].saturating_mul(self.dims[1])
    }

    /// Whether the tensor has no elements.
    pub const fn is_empty(&self) -> bool {
        self.dims[0] == 0 || self.dims[1] == 0
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
