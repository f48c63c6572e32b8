//! Memory that outlives a call, and all `unsafe` code of this module except the names of its exports.
//!
//! Two conditions make it sound: without the target feature `atomics` an instance has one thread, and the page accesses
//! memory only between calls.

use crate::engine::{Job, Translator};
use a2d_core::micro::Error;
use core::arch::wasm32::memory_grow;
use core::cell::RefCell;
use core::ptr::{self, NonNull};
use core::slice;

/// The allocator of packed weights.
#[cfg(feature = "packed")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(target_feature = "atomics")]
compile_error!("an instance has one thread");

/// The bytes of a page, the unit of memory growth.
const PAGE: usize = 1 << 16;

/// A value of the only thread.
pub struct Single<T>(RefCell<T>);

// SAFETY: there is one thread.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Runs `f` with the value; `None` if called from within `f`.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok().map(|mut value| f(&mut value))
    }

    /// The address of the value, for the page.
    pub fn pointer(&self) -> *mut T {
        self.0.as_ptr()
    }
}

/// Newly grown memory, which starts at a page boundary and has no other owner.
pub struct Region {
    start: *mut u8,
    len: usize,
}

impl Region {
    /// Grows memory by at least `len` bytes, all 0; `None` if memory cannot grow.
    pub fn grow(len: usize) -> Option<Self> {
        let before = memory_grow::<0>(len.div_ceil(PAGE));
        let at = (before != usize::MAX).then(|| before.checked_mul(PAGE)).flatten()?;
        Some(Self { start: ptr::with_exposed_provenance_mut(at), len })
    }

    /// The address of the memory, for the page.
    pub fn pointer(&self) -> *mut u8 {
        self.start
    }

    /// The bytes, never freed.
    pub fn into_bytes(self) -> &'static mut [u8] {
        // SAFETY: memory never shrinks, the allocator uses only what it grew itself, all of them are initialised, and
        // each growth has one region, which is consumed here.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }
}

/// Moves a value to newly grown memory, which is never freed.
pub fn place<T>(value: T) -> Option<&'static mut T> {
    const { assert!(align_of::<T>() <= PAGE) };
    let at = Region::grow(size_of::<T>())?.start.cast::<T>();
    // SAFETY: the memory is large enough for the value, a page is aligned for it, and nothing else uses it.
    unsafe {
        at.write(value);
        Some(&mut *at)
    }
}

/// A translator, and the job that borrows it between calls.
pub struct Work {
    job: Option<Job<'static>>,
    translator: NonNull<Translator>,
}

impl Work {
    /// Wraps a translator, as its only reference.
    pub fn new(translator: &'static mut Translator) -> Self {
        Self { job: None, translator: NonNull::from(translator) }
    }

    /// Drops the current job and starts another.
    ///
    /// # Errors
    ///
    /// The sentence is too long.
    pub fn start(&mut self, text: &str) -> Result<(), Error> {
        self.job = None;
        // SAFETY: `new` took the only reference, and the job that borrowed it was dropped.
        let translator = unsafe { self.translator.as_mut() };
        self.job = Some(translator.start(text)?);
        Ok(())
    }

    /// Runs `f` with the job, if any. `f` must accept any lifetime, so the job cannot escape.
    pub fn with<R>(&mut self, f: impl for<'t> FnOnce(&mut Job<'t>) -> R) -> Option<R> {
        self.job.as_mut().map(f)
    }
}
