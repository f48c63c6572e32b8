//! The size of the stack, and its maximum depth.

/// The word with which `cortex-m-rt` fills the free memory before `main`.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
}

/// The bytes of memory outside all statics.
pub fn room() -> usize {
    (&raw const _stack_start).addr().saturating_sub((&raw const _stack_end).addr())
}

/// The bytes between the top of the stack and the lowest overwritten word.
pub fn high_water() -> usize {
    let (low, high) = (&raw const _stack_end, &raw const _stack_start);
    let mut at = low;
    // SAFETY: both symbols of the linker script are the ends of one range of readable words, and `at` stays in it. The
    // read is volatile, as the stack may change.
    while at < high && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    high.addr().saturating_sub(at.addr())
}
