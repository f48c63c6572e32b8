//! The device: storage of tensors, independent of the operations on them.

use crate::shape::Shape;

/// Memory for tensors and integers, with transfers to and from the host.
pub trait Device {
    /// An activation. Not `Clone`: an operation may reuse the memory of a tensor that it owns.
    type Tensor;
    /// Integers in the device's memory: token ids, positions, spans.
    type Index: Clone;

    /// Whether an operation is complete when it returns, so that a read never waits. If not, reads should be rare, and
    /// should read several tensors in one call.
    const READS_ARE_FREE: bool = false;

    /// The extent of `x`.
    fn shape(&self, x: &Self::Tensor) -> Shape;
    /// Copies integers to the device.
    fn index(&mut self, values: &[u32]) -> Self::Index;
    /// [`Device::index`] of token ids and of their positions, for a device that prepares the gradient of embeddings.
    fn index_tokens(&mut self, ids: &[u32], positions: &[u32]) -> [Self::Index; 2] {
        [self.index(ids), self.index(positions)]
    }
    /// Copies `x` to `out`, which has `shape(x).len()` elements.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn read(&mut self, x: &Self::Tensor, out: &mut [f32]) -> Result<(), Lost>;
    /// [`Device::read`] of `xs[i]` into `out[i]` for each `i`, with one device synchronisation.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn read_all(&mut self, xs: &[&Self::Tensor], out: &mut [&mut [f32]]) -> Result<(), Lost> {
        xs.iter().zip(out).try_for_each(|(x, out)| self.read(x, out))
    }
    /// Waits until all submitted operations are complete.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn wait(&mut self) -> Result<(), Lost> {
        Ok(())
    }
    /// Bytes of the device's own memory in use, if the device reports it.
    fn memory(&self) -> Option<u64> {
        None
    }
    /// Number of devices that [`Device::share`] has at most.
    fn workers(&self) -> usize {
        1
    }
    /// Calls `work` with each number below `count`, each on this device or on another with the same tensors. Several
    /// calls may run at once.
    fn share(&mut self, count: usize, work: &(dyn Fn(&mut Self, usize) + Sync))
    where
        Self: Sized,
    {
        (0..count).for_each(|number| work(self, number));
    }
    /// Replaces `x` by `f(x)`. A device with an arena frees every other tensor that `f` made.
    fn advance(
        &mut self,
        x: Self::Tensor,
        f: impl FnOnce(&mut Self, &Self::Tensor) -> Self::Tensor,
    ) -> Self::Tensor {
        f(self, &x)
    }
    /// Runs `f`, then frees the tensors made by `f`. `R: Copy` keeps tensors from escaping.
    fn scratch<R: Copy>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        f(self)
    }
}

/// The device was lost: its tensors cannot be read any more. Holds the reason, in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost(pub &'static str);

impl core::fmt::Display for Lost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Lost {}
