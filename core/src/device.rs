//! What holds tensors, whatever is computed with them.

use crate::shape::Shape;

/// Memory for tensors and integers, and how they are read back.
pub trait Device {
    /// An activation. Not `Clone`: owning it is what permits reuse.
    type Tensor;
    /// Integers where the backend computes: token ids, positions, spans.
    type Index: Clone;

    /// Whether the result of an operation is there when it returns, so that reading it waits for nothing. Otherwise
    /// read seldom, and many tensors at once.
    const READS_ARE_FREE: bool = false;

    /// The extent of `x`.
    fn shape(&self, x: &Self::Tensor) -> Shape;
    /// Hands integers to the device.
    fn index(&mut self, values: &[u32]) -> Self::Index;
    /// [`Device::index`] of token ids and of their positions, for a device that prepares the gradient of embeddings.
    fn index_tokens(&mut self, ids: &[u32], positions: &[u32]) -> [Self::Index; 2] {
        [self.index(ids), self.index(positions)]
    }
    /// Copies `x` to `out` (of `shape(x).len()` elements).
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn read(&mut self, x: &Self::Tensor, out: &mut [f32]) -> Result<(), Lost>;
    /// [`Device::read`] of each of `xs` into its place in `out`, with one synchronisation.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn read_all(&mut self, xs: &[&Self::Tensor], out: &mut [&mut [f32]]) -> Result<(), Lost> {
        xs.iter().zip(out).try_for_each(|(x, out)| self.read(x, out))
    }
    /// Returns when every operation that was begun is done.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn wait(&mut self) -> Result<(), Lost> {
        Ok(())
    }
    /// Bytes of the device's own memory in use, if it has one and tells.
    fn memory(&self) -> Option<u64> {
        None
    }
    /// `f(x)` in place of `x`. A device with an arena frees every other tensor that `f` made.
    fn advance(
        &mut self,
        x: Self::Tensor,
        f: impl FnOnce(&mut Self, &Self::Tensor) -> Self::Tensor,
    ) -> Self::Tensor {
        f(self, &x)
    }
    /// Runs `f`, then frees the tensors that it made. `R: Copy` keeps them from escaping.
    fn scratch<R: Copy>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        f(self)
    }
}

/// The device was lost: nothing computed on it can be read. It carries the reason, in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost(pub &'static str);

impl core::fmt::Display for Lost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Lost {}
