//! How deep the stack ever was, and could have been.

/// What `cortex-m-rt` fills the free memory with before `main`.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Bytes that no static is in.
pub fn room() -> usize {
    (&raw const _stack_start).addr().saturating_sub((&raw const _stack_end).addr())
}

/// Bytes between the top of the stack and the lowest word that is no longer as it was painted.
pub fn high_water() -> usize {
    let (low, high) = (&raw const _stack_end, &raw const _stack_start);
    let mut at = low;
    // SAFETY: the linker script puts both symbols at the ends of one piece of memory that is all readable words, and
    // `at` stays between them. A volatile read minds no one else writing there.
    while at < high && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    high.addr().saturating_sub(at.addr())
}
