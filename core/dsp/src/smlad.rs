//! Armv7E-M, and Armv8-M with the DSP extension: `SXTB16` makes two numbers of 16 bits of bytes 0 and 2, or 1 and 3, and
//! `SMLAD` adds the products of two pairs. The instructions are also those of Armv7-A.

use core::arch::global_asm;

/// The number of columns is a multiple of this.
pub const COLUMNS: usize = 4;

unsafe extern "C" {
    /// Writes `blocks * 4` sums: of the products of `x`, `columns` bytes, with each row of `w`.
    ///
    /// # Safety
    ///
    /// `columns` is positive and a multiple of [`COLUMNS`], `blocks` is positive, and the memory is as long as that
    /// says. Addresses of bytes need no alignment.
    pub fn a2d_dots(x: *const i8, w: *const i8, columns: usize, sums: *mut i32, blocks: usize);
}

// r0: x, r1 r4 r5 r6: the rows, r8 to r11: their sums, r2: the end of x; r7 r12: four elements of x, r3 lr: of a row.
// On the stack: the columns, the place for the sums; above the registers, the blocks.
global_asm!(
    ".macro a2d_row row, sum",
    "    ldr lr, [\\row], #4",
    "    sxtb16 r3, lr",
    "    sxtb16 lr, lr, ror #8",
    "    smlad \\sum, r3, r7, \\sum",
    "    smlad \\sum, lr, r12, \\sum",
    ".endm",
    ".macro a2d_step",
    "    ldr r12, [r0], #4",
    "    sxtb16 r7, r12",
    "    sxtb16 r12, r12, ror #8",
    "    a2d_row r1, r8",
    "    a2d_row r4, r9",
    "    a2d_row r5, r10",
    "    a2d_row r6, r11",
    ".endm",
    ".pushsection .text.a2d_dots, \"ax\"",
    ".balign 4",
    ".global a2d_dots",
    ".hidden a2d_dots",
    ".type a2d_dots, %function",
    "a2d_dots:",
    "    push {{r4-r11, lr}}",
    "    push {{r2, r3}}",
    "    mov r6, r1",
    "    adds r2, r0, r2",
    "1:  ldr lr, [sp]",
    "    mov r1, r6",
    "    add r4, r1, lr",
    "    add r5, r4, lr",
    "    add r6, r5, lr",
    "    mov r8, #0",
    "    mov r9, #0",
    "    mov r10, #0",
    "    mov r11, #0",
    "    tst lr, #4",
    "    bne 3f",
    "2:  a2d_step",
    "3:  a2d_step",
    "    cmp r0, r2",
    "    bne 2b",
    "    ldrd r2, r3, [sp]",
    "    stmia r3!, {{r8-r11}}",
    "    str r3, [sp, #4]",
    "    mov lr, r2",
    "    mov r2, r0",
    "    sub r0, r0, lr",
    "    ldr lr, [sp, #44]",
    "    subs lr, lr, #1",
    "    str lr, [sp, #44]",
    "    bne 1b",
    "    add sp, sp, #8",
    "    pop {{r4-r11, pc}}",
    ".size a2d_dots, . - a2d_dots",
    ".popsection",
    ".purgem a2d_row",
    ".purgem a2d_step",
);
