//! A pool of device memory, in pieces of the size asked for.
//!
//! CubeCL's pools round up: on a large device, a buffer of 64 MiB opens a page of gigabytes. This pool takes slabs from
//! CubeCL and divides them. A dropped piece may be handed out again at once, though kernels that use it are still queued:
//! the kernels that will use it next are queued behind them. Any thread may read tensors; one alone launches kernels and
//! drops tensors.

use cubecl::server::Handle;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The alignment of views in 4-byte elements: every device accepts offsets of 256 bytes, and elements may have 2 bytes.
pub(crate) const ALIGNMENT: usize = 128;

/// Pieces start at multiples of this many bytes.
const GRAIN: usize = 4 * ALIGNMENT;

/// The bounds of a slab's size in bytes, where no piece needs more; between them, an eighth of all slabs together.
const MIN_SLAB: usize = 2 << 20;
const MAX_SLAB: usize = 64 << 20;

/// Memory taken from CubeCL, with its unused ranges.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    slabs: Arc<Mutex<Slabs>>,
}

impl Pool {
    /// Uninitialised memory for `bytes`, at least for one element. `new_slab` allocates memory of exactly its argument.
    pub fn allocate(&self, bytes: usize, new_slab: impl FnOnce(usize) -> Handle) -> Arc<Piece> {
        let bytes = bytes.max(size_of::<f32>());
        let size = bytes.next_multiple_of(GRAIN);
        let mut slabs = locked(&self.slabs);
        let start = slabs.free.take(size).unwrap_or_else(|| {
            let size_of_slab = size.max(slabs.next_size());
            slabs.add(new_slab(size_of_slab), size_of_slab);
            slabs.free.take(size).expect("a new slab has room")
        });
        let handle = part_of(&slabs.handles[start.slab], start.first, bytes);
        Arc::new(Piece { handle, start, size, slabs: self.slabs.clone() })
    }
}

/// A piece of memory, which returns to the pool when its last owner is dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    pub handle: Handle,
    start: Start,
    size: usize,
    slabs: Arc<Mutex<Slabs>>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        locked(&self.slabs).free.give(self.start, self.size);
    }
}

fn locked(slabs: &Mutex<Slabs>) -> MutexGuard<'_, Slabs> {
    slabs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `bytes` of a handle, from byte `first`.
pub(crate) fn part_of(handle: &Handle, first: usize, bytes: usize) -> Handle {
    let (start, bytes) = (first as u64, bytes as u64);
    let end = handle.size_in_used() - start - bytes;
    let offset = |handle: Handle, by: u64, f: fn(Handle, u64) -> Handle| {
        if by == 0 { handle } else { f(handle, by) }
    };
    offset(offset(handle.clone(), start, Handle::offset_start), end, Handle::offset_end)
}

/// The slabs taken from CubeCL.
#[derive(Debug, Default)]
struct Slabs {
    handles: Vec<Handle>,
    bytes: usize,
    free: Free,
}

impl Slabs {
    /// Bytes of the next slab, where no piece needs more.
    fn next_size(&self) -> usize {
        (self.bytes / 8).clamp(MIN_SLAB, MAX_SLAB).next_multiple_of(GRAIN)
    }

    fn add(&mut self, handle: Handle, bytes: usize) {
        let slab = self.handles.len();
        self.handles.push(handle);
        self.bytes += bytes;
        self.free.give(Start { slab, first: 0 }, bytes);
    }
}

/// The first byte of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    slab: usize,
    first: usize,
}

/// The unused ranges by start and by size. Adjacent ranges are merged.
#[derive(Debug, Default)]
struct Free {
    sizes: BTreeMap<Start, usize>,
    starts: BTreeSet<(usize, Start)>,
}

impl Free {
    /// Takes `size` bytes from the smallest range that has them.
    fn take(&mut self, size: usize) -> Option<Start> {
        let lowest = Start { slab: 0, first: 0 };
        let &(available, start) = self.starts.range((size, lowest)..).next()?;
        self.remove(start, available);
        if available > size {
            self.insert(Start { first: start.first + size, ..start }, available - size);
        }
        Some(start)
    }

    /// Returns a range.
    fn give(&mut self, mut start: Start, mut size: usize) {
        let after = Start { first: start.first + size, ..start };
        if let Some(&more) = self.sizes.get(&after) {
            self.remove(after, more);
            size += more;
        }
        let before = self.sizes.range(..start).next_back().map(|(&start, &size)| (start, size));
        if let Some((before, more)) = before
            && before.slab == start.slab
            && before.first + more == start.first
        {
            self.remove(before, more);
            (start, size) = (before, size + more);
        }
        self.insert(start, size);
    }

    fn insert(&mut self, start: Start, size: usize) {
        self.sizes.insert(start, size);
        self.starts.insert((size, start));
    }

    fn remove(&mut self, start: Start, size: usize) {
        self.sizes.remove(&start);
        self.starts.remove(&(size, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(slab: usize, first: usize) -> Start {
        Start { slab, first }
    }

    #[test]
    fn the_smallest_range_is_divided() {
        let mut free = Free::default();
        free.give(start(0, 0), 1000);
        free.give(start(1, 0), 300);
        assert_eq!(free.take(200), Some(start(1, 0)));
        assert_eq!(free.take(200), Some(start(0, 0)));
        assert_eq!(free.take(100), Some(start(1, 200)));
        assert_eq!(free.take(801), None);
        assert_eq!(free.take(800), Some(start(0, 200)));
        assert_eq!(free.take(1), None);
    }

    #[test]
    fn adjacent_ranges_of_a_slab_are_merged() {
        let mut free = Free::default();
        free.give(start(0, 0), 100);
        free.give(start(0, 200), 100);
        free.give(start(1, 0), 100);
        free.give(start(0, 100), 100);
        assert_eq!(
            free.sizes.into_iter().collect::<Vec<_>>(),
            [(start(0, 0), 300), (start(1, 0), 100)]
        );
        assert_eq!(free.starts.len(), 2);
    }
}
