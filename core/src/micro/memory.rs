//! Bytes that begin where an image or an arena may.

use core::ops::{Deref, DerefMut};

/// Something that begins at a multiple of 16, as images and arenas want it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// N bytes for a [`Translator`](super::Translator) to work in; `&mut arena` is what it takes.
///
/// Its value is a constant, and all 0: it may lie in a `static` behind a cell that gives it out once, such as
/// `static_cell::StaticCell`, in the static of a `cortex_m_rt::entry`, in a box, or on the stack.
#[derive(Clone, Debug)]
pub struct Arena<const N: usize>(Aligned<[u8; N]>);

impl<const N: usize> Arena<N> {
    /// One that nobody works in yet.
    pub const fn new() -> Self {
        Self(Aligned([0; N]))
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Arena<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.0
    }
}

impl<const N: usize> DerefMut for Arena<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0.0
    }
}

/// An image's bytes, `&'static [u8]`, out of a file when the program is built; `include_bytes!` alone would put them
/// anywhere, and an image begins at a multiple of 4. The path is that of `include_bytes!`.
///
/// ```ignore
/// static IMAGE: &[u8] = a2d_core::include_image!("student.a2d");
/// ```
#[macro_export]
macro_rules! include_image {
    ($path:expr $(,)?) => {{
        static IMAGE: &$crate::micro::Aligned<[u8]> =
            &$crate::micro::Aligned(*::core::include_bytes!($path));
        &IMAGE.0
    }};
}
