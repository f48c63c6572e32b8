//! Allocations of the device.

use crate::machine::space::UNWRITTEN;
use crate::options::options;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The alignment of allocations, as on a device.
const ALIGNMENT: usize = 512;

/// The allocations, by their first address.
pub struct Memory {
    blocks: BTreeMap<u64, Block>,
    pub live: usize,
    pub peak: usize,
}

static MEMORY: Mutex<Memory> = Mutex::new(Memory { blocks: BTreeMap::new(), live: 0, peak: 0 });

pub fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An allocation: its size, and the address of the host's memory that it begins in.
struct Block {
    size: usize,
    host: usize,
}

/// With room to align it: the host gives pages that are zero until they are touched only at its own alignment.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(ALIGNMENT)?, 16).ok()
}

impl Memory {
    /// Allocates memory; none if the device has too little left.
    pub fn allocate(&mut self, size: usize) -> Option<u64> {
        if size > options().memory.saturating_sub(self.live) {
            return None;
        }
        let layout = layout(size)?;
        // SAFETY: the layout has a size other than zero, and the memory is initialised.
        let host = unsafe {
            if options().run {
                let host = alloc(layout);
                if !host.is_null() {
                    host.write_bytes(UNWRITTEN, layout.size());
                }
                host
            } else {
                alloc_zeroed(layout)
            }
        };
        if host.is_null() {
            return None;
        }
        let host = host.expose_provenance();
        let at = host.next_multiple_of(ALIGNMENT) as u64;
        self.blocks.insert(at, Block { size, host });
        self.live += size;
        self.peak = self.peak.max(self.live);
        Some(at)
    }

    /// Frees an allocation; returns whether there was one.
    pub fn release(&mut self, at: u64) -> bool {
        let Some(Block { size, host }) = self.blocks.remove(&at) else { return false };
        self.live -= size;
        if let Some(layout) = layout(size) {
            // SAFETY: allocated above with the same layout, and removed from `blocks`.
            unsafe { dealloc(std::ptr::with_exposed_provenance_mut(host), layout) };
        }
        true
    }

    /// Whether one allocation holds all these bytes.
    pub fn holds(&self, at: u64, bytes: usize) -> bool {
        let below = self.blocks.range(..=at).next_back();
        below.is_some_and(|(&from, &Block { size, .. })| {
            at - from <= size as u64 && bytes as u64 <= size as u64 - (at - from)
        })
    }

    /// The address ranges of all allocations, sorted: the first address and the one past the end.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.blocks.iter().map(|(&at, block)| (at, at + block.size as u64)).collect()
    }
}
