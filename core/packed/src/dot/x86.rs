//! AVX2, AVX-VNNI and AVX-512 VNNI.
//!
//! VNNI multiplies unsigned with signed bytes: inputs are stored plus 128. AVX2 has no exact product of bytes, so both
//! factors are widened to 16 bits.

use super::{BLOCK, Dot, PANEL, QUAD, Step, wide_quad};
use crate::isa::Work;
use crate::product::Product;
use core::arch::x86_64::*;

/// Runs `work` with AVX2.
///
/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn avx2<W: Work>(work: W) -> W::Output {
    work.run(Avx2)
}

/// Runs `work` with AVX2 and AVX-VNNI.
///
/// # Safety
///
/// The processor has both.
#[target_feature(enable = "avx2,avxvnni")]
pub(crate) unsafe fn avx_vnni<W: Work>(work: W) -> W::Output {
    work.run(AvxVnni)
}

/// Runs `work` with AVX-512 and its VNNI.
///
/// # Safety
///
/// The processor has all of these features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn avx512_vnni<W: Work>(work: W) -> W::Output {
    work.run(Avx512Vnni)
}

// The tokens below are made by the functions above alone: who has one has the instructions.

#[derive(Clone, Copy)]
pub(super) struct Avx2;

#[derive(Clone, Copy)]
pub(super) struct AvxVnni;

#[derive(Clone, Copy)]
pub(super) struct Avx512Vnni;

/// Stores bytes plus 128.
#[inline(always)]
fn offset_quad(x: &[i8; QUAD], out: &mut [u8]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = *x as u8 ^ 0x80);
}

impl Dot for Avx512Vnni {
    type I = __m512i;

    const OFFSET: i32 = 128;

    #[inline(always)]
    fn quad(x: &[i8; QUAD], out: &mut [u8]) {
        offset_quad(x, out);
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        let steps = Self::steps(&x, &w);
        // SAFETY: the token says that the processor has the instructions; all steps are inside the slices.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); P]; M];
            // Several steps at a time, whose places are at constant distances.
            for block in 0..steps / BLOCK {
                let x = x.map(|x| x.as_ptr().cast::<i32>().add(block * BLOCK));
                let w = w.map(|w| w.as_ptr().add(block * BLOCK));
                for s in 0..BLOCK {
                    let w = w.map(|w| _mm512_load_si512((&raw const (*w.add(s)).0).cast()));
                    for m in 0..M {
                        let x = _mm512_set1_epi32(x[m].add(s).read_unaligned());
                        for p in 0..P {
                            sums[m][p] = _mm512_dpbusd_epi32(sums[m][p], x, w[p]);
                        }
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, offsets: &[i32; PANEL]) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe {
            _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_loadu_si512(offsets.as_ptr().cast())))
        }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 8, 2>(self);
    }
}

impl Dot for AvxVnni {
    type I = [__m256i; 2];

    const OFFSET: i32 = 128;

    #[inline(always)]
    fn quad(x: &[i8; QUAD], out: &mut [u8]) {
        offset_quad(x, out);
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        let steps = Self::steps(&x, &w);
        // SAFETY: as above.
        unsafe {
            let mut sums = [[[_mm256_setzero_si256(); 2]; P]; M];
            for block in 0..steps / BLOCK {
                let x = x.map(|x| x.as_ptr().cast::<i32>().add(block * BLOCK));
                let w = w.map(|w| w.as_ptr().add(block * BLOCK).cast::<__m256i>());
                for s in 0..BLOCK {
                    for p in 0..P {
                        let w = w[p].add(2 * s);
                        let w = [_mm256_load_si256(w), _mm256_load_si256(w.add(1))];
                        for m in 0..M {
                            let x = _mm256_set1_epi32(x[m].add(s).read_unaligned());
                            for half in 0..2 {
                                let sum = &mut sums[m][p][half];
                                *sum = _mm256_dpbusd_avx_epi32(*sum, x, w[half]);
                            }
                        }
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, offsets: &[i32; PANEL]) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe {
            let offsets = offsets.as_ptr().cast::<__m256i>();
            let first = _mm256_sub_epi32(sums[0], _mm256_loadu_si256(offsets));
            let second = _mm256_sub_epi32(sums[1], _mm256_loadu_si256(offsets.add(1)));
            [_mm256_cvtepi32_ps(first), _mm256_cvtepi32_ps(second)]
        }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 3, 2>(self);
    }
}

impl Dot for Avx2 {
    type I = [__m256i; 2];

    /// 16 bits for each input.
    const BYTES: usize = 2 * QUAD;

    #[inline(always)]
    fn quad(x: &[i8; QUAD], out: &mut [u8]) {
        wide_quad(x, out);
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        let steps = Self::steps(&x, &w);
        // SAFETY: as above; a step of `x` has 8 bytes.
        unsafe {
            // Each vector has two partial sums for each of four outputs.
            let mut sums = [[[_mm256_setzero_si256(); 4]; P]; M];
            for block in 0..steps / BLOCK {
                let x = x.map(|x| x.as_ptr().cast::<i64>().add(block * BLOCK));
                let w = w.map(|w| w.as_ptr().add(block * BLOCK).cast::<__m128i>());
                for s in 0..BLOCK {
                    let x = x.map(|x| _mm256_set1_epi64x(x.add(s).read_unaligned()));
                    for p in 0..P {
                        for quarter in 0..4 {
                            let w = _mm_load_si128(w[p].add(4 * s + quarter));
                            let w = _mm256_cvtepi8_epi16(w);
                            for m in 0..M {
                                let sum = &mut sums[m][p][quarter];
                                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x[m], w));
                            }
                        }
                    }
                }
            }
            sums.map(|sums| {
                sums.map(|[a, b, c, d]| {
                    // `hadd` adds within 128 bits: the middle quarters are exchanged.
                    let join =
                        |a, b| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b));
                    [join(a, b), join(c, d)]
                })
            })
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])] }
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 3, 1>(self);
    }
}
