//! Tensors and the pool that they allocate from.
//!
//! Training steps allocate the same sizes again and again. Freed memory is kept on shelves, eight sizes to an octave,
//! so a warm step neither allocates from the system nor waits for pages to be cleared.

use a2d_core::shape::Shape;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A tensor with copy-on-write storage.
#[derive(Clone)]
pub struct Tensor {
    storage: Arc<Storage>,
    shape: Shape,
}

struct Storage {
    data: Scratch,
    /// Packed forms for matrix products, made at first use and kept until the tensor changes.
    packed: [OnceLock<Scratch>; 2],
    /// The result of [`Tensor::rounded`].
    rounded: OnceLock<Tensor>,
}

impl Storage {
    fn new(data: Scratch) -> Arc<Self> {
        Arc::new(Self { data, packed: Default::default(), rounded: OnceLock::new() })
    }
}

impl Tensor {
    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[f32] {
        &self.storage.data
    }

    /// The elements, mutable. Copies them first if another tensor shares them.
    pub fn data_mut(&mut self) -> &mut [f32] {
        if Arc::get_mut(&mut self.storage).is_none() {
            let mut copy = self.storage.data.pool.take(self.shape.len());
            copy.copy_from_slice(self.data());
            self.storage = Storage::new(copy);
        }
        let storage = Arc::get_mut(&mut self.storage).expect("a fresh copy is not shared");
        (storage.packed, storage.rounded) = Default::default();
        &mut storage.data
    }

    /// The same elements in another shape.
    pub fn reshaped(self, shape: Shape) -> Self {
        assert_eq!(self.shape.len(), shape.len(), "{} as {shape}", self.shape);
        Self { storage: self.storage, shape }
    }

    /// The packed form number `form`, made by `pack` at first use.
    pub fn packed(&self, form: usize, pack: impl FnOnce(&Pool) -> Scratch) -> &[f32] {
        self.storage.packed[form].get_or_init(|| pack(&self.storage.data.pool))
    }

    /// The tensor of rounded elements, made by `round` at first use.
    pub fn rounded(&self, round: impl FnOnce(&Pool) -> Self) -> &Self {
        self.storage.rounded.get_or_init(|| round(&self.storage.data.pool))
    }

    /// Whether `other` has the same storage.
    pub fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }
}

/// Memory from a [`Pool`], returned to it on drop.
pub struct Scratch {
    /// The allocation: the size of its shelf and [`SLACK`].
    data: Vec<f32>,
    /// The first element on a boundary of [`LINE`] bytes.
    start: usize,
    len: usize,
    pool: Pool,
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[self.start..][..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..][..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.pool.shelves().put(data);
    }
}

/// A pool of memory for tensors.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Shelves>>);

impl Pool {
    /// Memory for `len` elements. Their values are unspecified: write before reading.
    pub fn take(&self, len: usize) -> Scratch {
        let (shelf, size) = shelf(len);
        let found = self.shelves().take(shelf, size);
        let data = found.unwrap_or_else(|| vec![0.0; size + SLACK]);
        let start = data.as_ptr().align_offset(LINE).min(SLACK);
        Scratch { data, start, len, pool: self.clone() }
    }

    /// A tensor with unspecified elements: write before reading.
    pub fn tensor(&self, shape: Shape) -> Tensor {
        Tensor { storage: Storage::new(self.take(shape.len())), shape }
    }

    /// A tensor of zeros.
    pub fn zeros(&self, shape: Shape) -> Tensor {
        let mut out = self.tensor(shape);
        out.data_mut().fill(0.0);
        out
    }

    /// A tensor from row-major data.
    pub fn filled(&self, data: &[f32], shape: Shape) -> Tensor {
        let mut out = self.tensor(shape);
        out.data_mut().copy_from_slice(data);
        out
    }

    /// Bytes allocated from the system, current and peak.
    pub fn memory(&self) -> (usize, usize) {
        let shelves = self.shelves();
        (BYTES * (shelves.used + shelves.idle), BYTES * shelves.peak)
    }

    /// Returns unused memory to the system.
    pub fn trim(&self) {
        self.shelves().shrink(0);
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const BYTES: usize = size_of::<f32>();

/// Bytes of a cache line. Memory begins on a line, so that a vector never lies on two.
const LINE: usize = 64;

/// Elements allocated in excess, to begin on a line.
const SLACK: usize = LINE / BYTES - 1;

/// Number of larger shelves that may serve a request: a quarter of an octave.
const STAND_INS: usize = 2;

/// Free memory by size, with usage counters. All counts are in elements.
#[derive(Default)]
struct Shelves {
    free: Vec<Vec<Vec<f32>>>,
    used: usize,
    idle: usize,
    most_used: usize,
    peak: usize,
}

impl Shelves {
    /// Takes memory from this shelf or one of the next larger ones. On `None`, the caller allocates `size` elements,
    /// which are already counted as used.
    fn take(&mut self, shelf: usize, size: usize) -> Option<Vec<f32>> {
        let last = self.free.len().min(shelf + STAND_INS + 1);
        let found = self.free.get_mut(shelf.min(last)..last)?.iter_mut().find_map(Vec::pop);
        let taken = found.as_ref().map_or(size, |data| data.len() - SLACK);
        if found.is_some() {
            self.idle -= taken;
        } else {
            // Sizes change from batch to batch: idle memory is freed before a new allocation.
            self.shrink((self.most_used / 2).saturating_sub(size));
        }
        self.used += taken;
        self.most_used = self.most_used.max(self.used);
        self.peak = self.peak.max(self.used + self.idle);
        found
    }

    fn put(&mut self, data: Vec<f32>) {
        let (shelf, size) = shelf(data.len() - SLACK);
        debug_assert_eq!(size + SLACK, data.len());
        if self.free.len() <= shelf {
            self.free.resize_with(shelf + 1, Vec::new);
        }
        self.used -= size;
        self.idle += size;
        self.free[shelf].push(data);
    }

    /// Frees the largest pieces until at most `idle` elements are unused.
    fn shrink(&mut self, idle: usize) {
        for shelf in self.free.iter_mut().rev() {
            while self.idle > idle {
                let Some(data) = shelf.pop() else { break };
                self.idle -= data.len() - SLACK;
            }
        }
    }
}

/// The shelf that fits `len` elements, and its size: 8, 9 .. 15 times a power of two.
fn shelf(len: usize) -> (usize, usize) {
    const SMALLEST: usize = 64;
    let most = len.max(SMALLEST) - 1;
    let shift = most.ilog2() as usize - 3;
    let steps = (most >> shift) + 1;
    (shift * 8 + steps - 8, steps << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shelves_fit_and_waste_at_most_an_eighth() {
        let mut before = (0, 0);
        for len in 1..10_000 {
            let (number, size) = shelf(len);
            assert!(size >= len && (len < 64 || size <= len + len / 8 + 1), "{len} {size}");
            assert!(before == (number, size) || before.0 < number && before.1 < size);
            assert_eq!(shelf(size), (number, size));
            before = (number, size);
        }
    }

    #[test]
    fn memory_is_used_again_and_can_be_given_back() {
        let pool = Pool::default();
        drop(pool.take(1000));
        let (held, _) = pool.memory();
        assert!(held >= 4000);
        let again = pool.take(990);
        assert_eq!(pool.memory().0, held);
        drop(again);
        pool.trim();
        assert_eq!(pool.memory(), (0, held));
    }

    #[test]
    fn writing_to_a_shared_tensor_copies_it() {
        let pool = Pool::default();
        let mut x = pool.filled(&[1.0, 2.0], Shape::vector(2));
        let y = x.clone();
        x.data_mut()[0] = 3.0;
        assert_eq!((x.data(), y.data()), (&[3.0, 2.0][..], &[1.0, 2.0][..]));
        assert!(!x.shares(&y));
    }
}
