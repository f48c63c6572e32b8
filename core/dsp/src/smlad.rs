//! Armv7E-M, and Armv8-M with the DSP extension: `SXTB16` makes two numbers of 16 bits of bytes 0 and 2, or 1 and 3,
//! and `SMLAD` adds the products of two pairs. The instructions are also those of Armv7-A.

use core::arch::global_asm;

/// The number of columns is a multiple of this.
pub const COLUMNS: usize = 4;

unsafe extern "C" {
    /// Writes `blocks * 4` sums: of the products of `x`, `columns` bytes, with each row of `w`.
    ///
    /// # Safety
    ///
    /// `columns` is positive and a multiple of [`COLUMNS`], `blocks` is positive, and the memory is as long as that
    /// says. Addresses of bytes need no alignment, unless `CCR.UNALIGN_TRP` is set.
    pub fn a2d_dots(x: *const i8, w: *const i8, columns: usize, sums: *mut i32, blocks: usize);
}

// r0: x, r2: its end, r1 r4 r5 r6: the rows, r7 r8 r9 r12: their sums; r10 r11: four elements of x, r3 lr: of a row.
// On the stack: the columns, the place for the sums, the blocks; above them x as pairs, unless it is long.
#[cfg(extended)]
global_asm!(".cpu cortex-m33"); // the assembler does not know of the extension

global_asm!(
    ".macro a2d_pairs even, odd",
    "    sxtb16 \\even, \\odd",
    "    sxtb16 \\odd, \\odd, ror #8",
    ".endm",
    ".macro a2d_row row, sum",
    "    ldr lr, [\\row], #4",
    "    a2d_pairs r3, lr",
    "    smlad \\sum, r3, r10, \\sum",
    "    smlad \\sum, lr, r11, \\sum",
    ".endm",
    ".macro a2d_rows",
    "    a2d_row r1, r7",
    "    a2d_row r4, r8",
    "    a2d_row r5, r9",
    "    a2d_row r6, r12",
    ".endm",
    ".macro a2d_bytes",
    "    ldr r11, [r0], #4",
    "    a2d_pairs r10, r11",
    "    a2d_rows",
    ".endm",
    ".macro a2d_made",
    "    ldrd r10, r11, [r0], #8",
    "    a2d_rows",
    ".endm",
    // Step, and the logarithm of its bytes for a column.
    ".macro a2d_blocks step, shift",
    "1:  ldr lr, [sp]",
    "    mov r1, r6",
    "    add r4, r1, lr",
    "    add r5, r4, lr",
    "    add r6, r5, lr",
    "    mov r7, #0",
    "    mov r8, #0",
    "    mov r9, #0",
    "    mov r12, #0",
    "    tst lr, #4",
    "    bne 3f",
    "2:  \\step",
    "3:  \\step",
    "    cmp r0, r2",
    "    bne 2b",
    "    ldr r3, [sp, #4]",
    "    stmia r3!, {{r7, r8, r9, r12}}",
    "    str r3, [sp, #4]",
    "    ldr lr, [sp]",
    "    sub r0, r0, lr, lsl #\\shift",
    "    ldr r3, [sp, #8]",
    "    subs r3, r3, #1",
    "    str r3, [sp, #8]",
    "    bne 1b",
    "    add sp, sp, #12",
    ".endm",
    ".pushsection .text.a2d_dots, \"ax\"",
    ".balign 4",
    ".global a2d_dots",
    ".hidden a2d_dots",
    ".type a2d_dots, %function",
    "a2d_dots:",
    "    push {{r4-r11, lr}}",
    "    ldr r4, [sp, #36]",
    "    mov r6, r1",
    "    cmp r2, #128",
    "    bls 4f",
    "    push {{r2, r3, r4}}",
    "    adds r2, r0, r2",
    "    a2d_blocks a2d_bytes, 0",
    "    pop {{r4-r11, pc}}",
    "4:  sub sp, sp, r2, lsl #1",
    "    mov r5, sp",
    "    adds r7, r0, r2",
    "5:  ldr r11, [r0], #4",
    "    a2d_pairs r10, r11",
    "    strd r10, r11, [r5], #8",
    "    cmp r0, r7",
    "    bne 5b",
    "    mov r0, sp",
    "    push {{r2, r3, r4}}",
    "    mov r2, r5",
    "    a2d_blocks a2d_made, 1",
    "    add sp, sp, lr, lsl #1",
    "    pop {{r4-r11, pc}}",
    ".size a2d_dots, . - a2d_dots",
    ".popsection",
    ".purgem a2d_pairs",
    ".purgem a2d_row",
    ".purgem a2d_rows",
    ".purgem a2d_bytes",
    ".purgem a2d_made",
    ".purgem a2d_blocks",
);
