//! WebAssembly's vectors of 128 bits.

use super::{Dot, PANEL, QUAD, Step, wide_quad};
use crate::product::Product;
use core::arch::wasm32::*;

/// The target has `simd128`, or this module would not be compiled.
#[derive(Clone, Copy)]
pub(crate) struct Simd128;

impl Dot for Simd128 {
    type I = [v128; 4];

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
        // Each vector has two partial sums for each of two outputs.
        let mut sums = [[[i32x4_splat(0); 8]; P]; M];
        for s in 0..steps {
            // SAFETY: `s` is below the number of steps of each slice.
            let x: [v128; M] = core::array::from_fn(|m| unsafe {
                i64x2_splat(x[m].as_ptr().cast::<i64>().add(s).read_unaligned())
            });
            for p in 0..P {
                for i in 0..4 {
                    // SAFETY: as above.
                    let w =
                        unsafe { v128_load(w[p].get_unchecked(s).0.as_ptr().add(16 * i).cast()) };
                    let halves = [i16x8_extend_low_i8x16(w), i16x8_extend_high_i8x16(w)];
                    for m in 0..M {
                        for (half, w) in halves.into_iter().enumerate() {
                            let sum = &mut sums[m][p][2 * i + half];
                            *sum = i32x4_add(*sum, i32x4_dot_i16x8(x[m], w));
                        }
                    }
                }
            }
        }
        sums.map(|sums| {
            sums.map(|s| {
                core::array::from_fn(|i| {
                    let (a, b) = (s[2 * i], s[2 * i + 1]);
                    let even = i32x4_shuffle::<0, 2, 4, 6>(a, b);
                    i32x4_add(even, i32x4_shuffle::<1, 3, 5, 7>(a, b))
                })
            })
        })
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        sums.map(|sum| f32x4_convert_i32x4(sum))
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 1, 1>(self);
    }
}
