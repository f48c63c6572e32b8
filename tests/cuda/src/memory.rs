//! Allocations of the device.

use crate::machine::space::UNWRITTEN;
use crate::options::options;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The size of each allocation, by its first address.
pub struct Memory {
    sizes: BTreeMap<u64, usize>,
    pub live: usize,
    pub peak: usize,
}

static MEMORY: Mutex<Memory> = Mutex::new(Memory { sizes: BTreeMap::new(), live: 0, peak: 0 });

pub fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With the alignment of the device.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), 512).ok()
}

impl Memory {
    /// Allocates memory; none if the device has too little left.
    pub fn allocate(&mut self, size: usize) -> Option<u64> {
        if size > options().memory.saturating_sub(self.live) {
            return None;
        }
        let layout = layout(size)?;
        // SAFETY: the layout has a size other than zero, and the memory is initialised.
        let at = unsafe {
            if options().run {
                let at = alloc(layout);
                if !at.is_null() {
                    at.write_bytes(UNWRITTEN, layout.size());
                }
                at
            } else {
                alloc_zeroed(layout)
            }
        };
        if at.is_null() {
            return None;
        }
        self.sizes.insert(at as u64, size);
        self.live += size;
        self.peak = self.peak.max(self.live);
        Some(at as u64)
    }

    /// Frees an allocation; returns whether there was one.
    pub fn release(&mut self, at: u64) -> bool {
        let Some(size) = self.sizes.remove(&at) else { return false };
        self.live -= size;
        if let Some(layout) = layout(size) {
            // SAFETY: allocated above with the same layout, and removed from `sizes`.
            unsafe { dealloc(at as *mut u8, layout) };
        }
        true
    }

    /// Whether one allocation holds all these bytes.
    pub fn holds(&self, at: u64, bytes: usize) -> bool {
        let below = self.sizes.range(..=at).next_back();
        below.is_some_and(|(&from, &size)| {
            at - from <= size as u64 && bytes as u64 <= size as u64 - (at - from)
        })
    }

    /// The address ranges of all allocations, sorted: the first address and the one past the end.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.sizes.iter().map(|(&at, &size)| (at, at + size as u64)).collect()
    }
}
