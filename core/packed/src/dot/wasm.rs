//! WebAssembly's vectors of 128 bits.
//!
//! Not the relaxed dot product: it is exact for inputs apart by sign, but slower on processors without VNNI or `dotprod`.

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

    /// Two pairs of weights of all outputs: a pair is multiplied and added by one instruction, in the output's own lane.
    fn place(o: usize, q: usize) -> usize {
        q / 2 * (2 * PANEL) + 2 * o + q % 2
    }

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
        let mut sums = [[[i32x4_splat(0); 4]; P]; M];
        let mut x = x.map(|x| x.as_ptr().cast::<u32>());
        let mut w = w.map(|w| w.as_ptr().cast::<i8>());
        for _ in 0..steps {
            // SAFETY: all pairs are inside the slices, as `steps` has checked: two in each step.
            unsafe {
                for pair in 0..2 {
                    let x = x.map(|x| v128_load32_splat(x.add(pair)));
                    for p in 0..P {
                        for i in 0..4 {
                            let w = i16x8_load_extend_i8x8(w[p].add(2 * PANEL * pair + 8 * i));
                            for m in 0..M {
                                let sum = &mut sums[m][p][i];
                                *sum = i32x4_add(*sum, i32x4_dot_i16x8(x[m], w));
                            }
                        }
                    }
                }
                x = x.map(|x| x.add(2));
                w = w.map(|w| w.add(QUAD * PANEL));
            }
        }
        sums
    }

    #[inline(always)]
    fn floats(self, sums: Self::I, _: &[i32; PANEL]) -> Self::F {
        sums.map(|sum| f32x4_convert_i32x4(sum))
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 2, 1>(self);
    }
}
