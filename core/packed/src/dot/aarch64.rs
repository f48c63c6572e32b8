//! NEON, and its instructions for dot products and for products of small matrices.

use super::{Dot, PANEL, Step};
use crate::isa::Work;
use crate::product::Product;
use core::arch::aarch64::*;
use core::arch::asm;

/// Runs `work` with NEON.
///
/// # Safety
///
/// The processor has NEON.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn neon<W: Work>(work: W) -> W::Output {
    work.run(Neon)
}

/// Runs `work` with NEON and `dotprod`.
///
/// # Safety
///
/// The processor has both.
#[target_feature(enable = "neon,dotprod")]
pub(crate) unsafe fn dotprod<W: Work>(work: W) -> W::Output {
    work.run(DotProd)
}

/// Runs `work` with NEON, `dotprod` and `i8mm`.
///
/// # Safety
///
/// The processor has all.
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(crate) unsafe fn i8mm<W: Work>(work: W) -> W::Output {
    work.run(I8mm)
}

// The tokens below are made by the functions above alone: who has one has the instructions.

#[derive(Clone, Copy)]
pub(super) struct Neon;

#[derive(Clone, Copy)]
pub(super) struct DotProd;

#[derive(Clone, Copy)]
pub(super) struct I8mm;

/// Four bytes of `x` at step `s`, four times.
///
/// # Safety
///
/// `x` has more than `4 s + 3` bytes; the processor has NEON.
#[inline(always)]
unsafe fn quads(x: &[u8], s: usize) -> int8x16_t {
    // SAFETY: the four bytes are inside the slice, as the caller promises.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(x.as_ptr().cast::<i32>().add(s).read_unaligned())) }
}

/// The weights of a step, four outputs in each vector.
///
/// # Safety
///
/// The processor has NEON.
#[inline(always)]
unsafe fn weights(step: &Step) -> [int8x16_t; 4] {
    // SAFETY: a step has four times 16 bytes.
    unsafe { core::array::from_fn(|i| vld1q_s8(step.0.as_ptr().add(16 * i))) }
}

/// # Safety
///
/// The processor has NEON.
#[inline(always)]
unsafe fn to_floats(sums: [int32x4_t; 4]) -> [float32x4_t; 4] {
    // SAFETY: as the caller promises.
    unsafe { sums.map(|sum| vcvtq_f32_s32(sum)) }
}

/// `sum + sdot(x, w)`: the intrinsic is not stable.
///
/// # Safety
///
/// The processor has `dotprod`.
#[inline(always)]
unsafe fn sdot(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: registers only.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {0:v}.4s, {1:v}.16b, {2:v}.16b",
            inout(vreg) sum, in(vreg) x, in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// `sum + x w^T` for matrices `[2, 8]` of bytes: the intrinsic is not stable.
///
/// # Safety
///
/// The processor has `i8mm`.
#[inline(always)]
unsafe fn smmla(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: registers only.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            "smmla {0:v}.4s, {1:v}.16b, {2:v}.16b",
            inout(vreg) sum, in(vreg) x, in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Eight bytes of two rows, from step `s` on.
///
/// # Safety
///
/// Each row has more than `4 s + 7` bytes; the processor has NEON.
#[inline(always)]
unsafe fn pair(x: [&[u8]; 2], s: usize) -> int8x16_t {
    // SAFETY: the eight bytes are inside the slices, as the caller promises.
    unsafe {
        let [top, bottom] = x.map(|x| x.as_ptr().cast::<u64>().byte_add(4 * s).read_unaligned());
        vreinterpretq_s8_u64(vcombine_u64(vcreate_u64(top), vcreate_u64(bottom)))
    }
}

/// The weights of two steps for eight outputs, the first or the last of a panel: eight inputs of two outputs in each
/// vector.
///
/// # Safety
///
/// The processor has NEON.
#[inline(always)]
unsafe fn pairs(steps: [&Step; 2], half: usize) -> [int8x16_t; 4] {
    // SAFETY: a step has twice 32 bytes.
    unsafe {
        let quads = |step: &Step, i: usize| {
            vreinterpretq_s32_s8(vld1q_s8(step.0.as_ptr().add(32 * half + 16 * i)))
        };
        core::array::from_fn(|i| {
            let (first, second) = (quads(steps[0], i / 2), quads(steps[1], i / 2));
            vreinterpretq_s8_s32(match i % 2 {
                0 => vzip1q_s32(first, second),
                _ => vzip2q_s32(first, second),
            })
        })
    }
}

/// The sums of one of two rows from those of both, which lie side by side for two outputs each.
///
/// # Safety
///
/// The processor has NEON.
#[inline(always)]
unsafe fn row_of(sums: [int32x4_t; 4], row: usize) -> [int32x4_t; 2] {
    // SAFETY: registers only.
    unsafe {
        let wide = sums.map(|sum| vreinterpretq_s64_s32(sum));
        core::array::from_fn(|i| {
            let (low, high) = (wide[2 * i], wide[2 * i + 1]);
            vreinterpretq_s32_s64(match row {
                0 => vzip1q_s64(low, high),
                _ => vzip2q_s64(low, high),
            })
        })
    }
}

impl Dot for I8mm {
    type I = [int32x4_t; 4];

    /// Pairs of rows; a single row has the instruction for dot products.
    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        if M % 2 == 1 {
            return DotProd.sums(x, w);
        }
        let steps = Self::steps(&x, &w);
        // SAFETY: the token says that the processor has the instructions; `s + 1` is below the number of steps of each
        // slice, which is even.
        unsafe {
            let mut out = [[[vdupq_n_s32(0); 4]; P]; M];
            for p in 0..P {
                // All sums of a panel would not fit the registers.
                for half in 0..2 {
                    // The first half of the array is used, by pairs of rows.
                    let mut sums = [[vdupq_n_s32(0); 4]; M];
                    for s in (0..steps).step_by(2) {
                        let steps = [w[p].get_unchecked(s), w[p].get_unchecked(s + 1)];
                        let w = pairs(steps, half);
                        for m in 0..M / 2 {
                            let x = pair([x[2 * m], x[2 * m + 1]], s);
                            for (sum, w) in sums[m].iter_mut().zip(w) {
                                *sum = smmla(*sum, x, w);
                            }
                        }
                    }
                    for m in 0..M {
                        let [first, second] = row_of(sums[m / 2], m % 2);
                        out[m][p][2 * half] = first;
                        out[m][p][2 * half + 1] = second;
                    }
                }
            }
            out
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        // SAFETY: as above.
        unsafe { to_floats(sums) }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 8, 1>(self);
    }
}

impl Dot for DotProd {
    type I = [int32x4_t; 4];

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        let steps = Self::steps(&x, &w);
        // SAFETY: the token says that the processor has the instructions; `s` is below the number of steps of each slice.
        unsafe {
            let mut sums = [[[vdupq_n_s32(0); 4]; P]; M];
            for s in 0..steps {
                for p in 0..P {
                    let w = weights(w[p].get_unchecked(s));
                    for m in 0..M {
                        let x = quads(x[m], s);
                        for (sum, w) in sums[m][p].iter_mut().zip(w) {
                            *sum = sdot(*sum, x, w);
                        }
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        // SAFETY: as above.
        unsafe { to_floats(sums) }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 4, 1>(self);
    }
}

impl Dot for Neon {
    type I = [int32x4_t; 4];

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        let steps = Self::steps(&x, &w);
        // SAFETY: as above.
        unsafe {
            // Each vector has two partial sums for each of two outputs.
            let mut sums = [[[vdupq_n_s32(0); 8]; P]; M];
            for s in 0..steps {
                for p in 0..P {
                    let w = weights(w[p].get_unchecked(s));
                    for m in 0..M {
                        let x = quads(x[m], s);
                        for (pair, w) in sums[m][p].as_chunks_mut::<2>().0.iter_mut().zip(w) {
                            let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                            pair[0] = vpadalq_s16(pair[0], low);
                            pair[1] = vpadalq_s16(pair[1], vmull_high_s8(x, w));
                        }
                    }
                }
            }
            sums.map(|sums| {
                sums.map(|s| {
                    let join = |i: usize| vpaddq_s32(s[2 * i], s[2 * i + 1]);
                    core::array::from_fn(join)
                })
            })
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        // SAFETY: as above.
        unsafe { to_floats(sums) }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 2, 1>(self);
    }
}
