//! NEON, and its instruction for dot products.

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

// The tokens below are made by the functions above alone: who has one has the instructions.

#[derive(Clone, Copy)]
pub(super) struct Neon;

#[derive(Clone, Copy)]
pub(super) struct DotProd;

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
