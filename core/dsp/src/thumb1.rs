//! Armv6-M and Armv8-M Baseline: `LDRSB` reads a byte with its sign, at an index that all rows have in common.

use core::arch::global_asm;

/// The number of columns is a multiple of this.
pub const COLUMNS: usize = 4;

unsafe extern "C" {
    /// Writes `blocks * 4` sums: of the products of `x`, `columns` bytes, with each row of `w`.
    ///
    /// # Safety
    ///
    /// `columns` is positive and a multiple of [`COLUMNS`], `blocks` is positive, and the memory is as long as that
    /// says.
    pub fn a2d_dots(x: *const i8, w: *const i8, columns: usize, sums: *mut i32, blocks: usize);
}

// r0 to r4: the ends of x and of the rows, r5: an index from -columns to 0, r6: an element of x, r7: of a row, then a
// product; r8 to r11: the sums. On the stack: the columns, the place for the sums; above the registers, the blocks.
global_asm!(
    ".macro a2d_row row, sum",
    "    ldrsb r7, [\\row, r5]",
    "    muls r7, r6, r7",
    "    add \\sum, r7",
    ".endm",
    ".macro a2d_step",
    "    ldrsb r6, [r0, r5]",
    "    a2d_row r1, r8",
    "    a2d_row r2, r9",
    "    a2d_row r3, r10",
    "    a2d_row r4, r11",
    "    adds r5, #1",
    ".endm",
    ".pushsection .text.a2d_dots, \"ax\"",
    ".balign 4",
    ".global a2d_dots",
    ".hidden a2d_dots",
    ".type a2d_dots, %function",
    ".thumb_func",
    "a2d_dots:",
    "    push {{r4-r7, lr}}",
    "    mov r4, r8",
    "    mov r5, r9",
    "    mov r6, r10",
    "    mov r7, r11",
    "    push {{r2-r7}}",
    "    add r0, r2",
    "    mov r4, r1",
    "1:  ldr r5, [sp]",
    "    adds r1, r4, r5",
    "    adds r2, r1, r5",
    "    adds r3, r2, r5",
    "    adds r4, r3, r5",
    "    rsbs r5, r5, #0",
    "    movs r6, #0",
    "    mov r8, r6",
    "    mov r9, r6",
    "    mov r10, r6",
    "    mov r11, r6",
    "2:  a2d_step",
    "    a2d_step",
    "    a2d_step",
    "    a2d_step",
    "    bne 2b",
    "    ldr r5, [sp, #4]",
    "    mov r6, r8",
    "    mov r7, r9",
    "    stm r5!, {{r6, r7}}",
    "    mov r6, r10",
    "    mov r7, r11",
    "    stm r5!, {{r6, r7}}",
    "    str r5, [sp, #4]",
    "    ldr r5, [sp, #44]",
    "    subs r5, #1",
    "    str r5, [sp, #44]",
    "    bne 1b",
    "    pop {{r2-r7}}",
    "    mov r8, r4",
    "    mov r9, r5",
    "    mov r10, r6",
    "    mov r11, r7",
    "    pop {{r4-r7, pc}}",
    ".size a2d_dots, . - a2d_dots",
    ".popsection",
    ".purgem a2d_row",
    ".purgem a2d_step",
);
