//! Reading ahead of memory that is soon needed.
#![allow(unsafe_code)]

/// Floats of a cache line.
pub const LINE: usize = 16;

/// Asks the processor for the cache line of element `at`; does nothing on a processor for which there is no instruction.
#[inline(always)]
pub fn prefetch(x: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        let line = x.as_ptr().wrapping_add(at).cast();
        // SAFETY: the instruction is part of every x86-64 processor; it reads nothing, and no address makes it fail.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, at);
}
