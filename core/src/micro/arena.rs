//! The memory of a translator, and the alignment of images.

use core::ops::{Deref, DerefMut};

/// A value aligned to 16 bytes, for images and arenas.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// N bytes of working memory for a [`Translator`](super::Translator), which takes `&mut arena`.
///
/// [`Arena::new`] is `const` and all 0. An arena can be in a `static` behind a cell that lends it once, such as
/// `static_cell::StaticCell`, in a static of `cortex_m_rt::entry`, in a box, or on the stack.
#[derive(Clone, Debug)]
pub struct Arena<const N: usize>(Aligned<[u8; N]>);

impl<const N: usize> Arena<N> {
    /// An arena filled with 0.
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

/// The bytes of an image file as `&'static [u8]`, included at build time. Unlike `include_bytes!`, the bytes are
/// aligned, as an image needs. The path is relative, as for `include_bytes!`.
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
