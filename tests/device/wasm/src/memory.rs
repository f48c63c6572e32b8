//! Memory that outlives a call, and all of this module's `unsafe` but that of its exports' names.
//!
//! It rests on two things: without the target feature `atomics` an instance has one thread, and the page reads and
//! writes memory between calls, never during one.

use a2d_core::micro::{Error, Job, Translator};
use core::arch::wasm32::memory_grow;
use core::cell::RefCell;
use core::ptr::{self, NonNull};
use core::slice;

#[cfg(target_feature = "atomics")]
compile_error!("an instance has one thread");

/// Layers of the largest model, on each side.
pub const LAYERS: usize = 12;

/// Bytes by which memory grows.
const PAGE: usize = 1 << 16;

/// A value of the one thread.
pub struct Single<T>(RefCell<T>);

// SAFETY: there is one thread.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Runs `f` with the value; not at all from within itself.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok().map(|mut value| f(&mut value))
    }

    /// Where the value lies, for the page.
    pub fn pointer(&self) -> *mut T {
        self.0.as_ptr()
    }
}

/// Memory that was grown: it begins at a page and belongs to nothing else.
pub struct Region {
    start: *mut u8,
    len: usize,
}

impl Region {
    /// Grows memory by at least `len` bytes, all 0, if it can.
    pub fn grow(len: usize) -> Option<Self> {
        let before = memory_grow::<0>(len.div_ceil(PAGE));
        let at = (before != usize::MAX).then(|| before.checked_mul(PAGE)).flatten()?;
        Some(Self { start: ptr::with_exposed_provenance_mut(at), len })
    }

    /// Where it lies, for the page.
    pub fn pointer(&self) -> *mut u8 {
        self.start
    }

    /// The bytes, for ever.
    pub fn into_bytes(self) -> &'static mut [u8] {
        // SAFETY: memory never shrinks, no allocator knows of these bytes, all of them have a value, and of each growth
        // there is one region, which is gone now.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }
}

/// Puts a value into memory of its own, for ever.
pub fn place<T>(value: T) -> Option<&'static mut T> {
    const { assert!(align_of::<T>() <= PAGE) };
    let at = Region::grow(size_of::<T>())?.start.cast::<T>();
    // SAFETY: there is room for the value, a page is aligned for it, and nothing else lies there.
    unsafe {
        at.write(value);
        Some(&mut *at)
    }
}

/// A translator, and the job that borrows it from one call to the next.
pub struct Work {
    job: Option<Job<'static, 'static, LAYERS>>,
    translator: NonNull<Translator<'static, 'static, LAYERS>>,
}

impl Work {
    /// Of a translator that nobody else has.
    pub fn new(translator: &'static mut Translator<'static, 'static, LAYERS>) -> Self {
        Self { job: None, translator: NonNull::from(translator) }
    }

    /// Gives up the job that is under way and begins another.
    pub fn start(&mut self, text: &str) -> Result<(), Error> {
        self.job = None;
        // SAFETY: `new` was given the only reference, and the job that borrowed it is gone.
        let translator = unsafe { self.translator.as_mut() };
        self.job = Some(translator.start(text)?);
        Ok(())
    }

    /// Runs `f` with the job, if there is one. That `f` must take any lifetime keeps the job here.
    pub fn with<R>(
        &mut self,
        f: impl for<'t> FnOnce(&mut Job<'t, 'static, LAYERS>) -> R,
    ) -> Option<R> {
        self.job.as_mut().map(f)
    }
}
