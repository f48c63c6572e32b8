//! Bytes that begin where an image or an arena may.

/// Something that begins at a multiple of 16.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);
