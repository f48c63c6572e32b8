//! Lanes in vectors of 128 bits.

use crate::dot::wasm::Simd128;
use crate::lanes::{Lanes, Row};
use core::arch::wasm32::*;

/// An operation on each pair of vectors.
macro_rules! each {
    ($x:ident, $y:ident, |$a:ident, $b:ident| $op:expr) => {
        [
            {
                let ($a, $b) = ($x[0], $y[0]);
                $op
            },
            {
                let ($a, $b) = ($x[1], $y[1]);
                $op
            },
            {
                let ($a, $b) = ($x[2], $y[2]);
                $op
            },
            {
                let ($a, $b) = ($x[3], $y[3]);
                $op
            },
        ]
    };
}

/// The sums of lanes of the same place in a quarter, in the order of [`a2d_core::rows::sum`].
#[inline(always)]
fn quarter(x: [v128; 4]) -> v128 {
    f32x4_add(f32x4_add(x[0], x[2]), f32x4_add(x[1], x[3]))
}

impl Lanes for Simd128 {
    type F = [v128; 4];

    #[inline(always)]
    fn load(self, x: &Row) -> Self::F {
        // SAFETY: four loads of 16 bytes.
        unsafe { core::array::from_fn(|i| v128_load(x.as_ptr().add(4 * i).cast())) }
    }

    /// Without a copy in memory: heads are often narrower than a row.
    #[inline(always)]
    fn part(self, x: &[f32], fill: f32) -> Self::F {
        let (whole, rest) = x.as_chunks::<4>();
        let mut out = [f32x4_splat(fill); 4];
        for i in 0..4 {
            if let Some(x) = whole.get(i) {
                // SAFETY: a load of 16 bytes.
                out[i] = unsafe { v128_load(x.as_ptr().cast()) };
            } else if i == whole.len() {
                let x = |i| rest.get(i).copied().unwrap_or(fill);
                out[i] = f32x4(x(0), x(1), x(2), fill);
            }
        }
        out
    }

    #[inline(always)]
    fn store(self, x: Self::F) -> Row {
        // SAFETY: both types are 64 bytes of floats.
        unsafe { core::mem::transmute::<Self::F, Row>(x) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [f32x4_splat(x); 4]
    }

    #[inline(always)]
    fn add(self, x: Self::F, y: Self::F) -> Self::F {
        each!(x, y, |a, b| f32x4_add(a, b))
    }

    #[inline(always)]
    fn sub(self, x: Self::F, y: Self::F) -> Self::F {
        each!(x, y, |a, b| f32x4_sub(a, b))
    }

    #[inline(always)]
    fn mul(self, x: Self::F, y: Self::F) -> Self::F {
        each!(x, y, |a, b| f32x4_mul(a, b))
    }

    #[inline(always)]
    fn max(self, x: Self::F, y: Self::F) -> Self::F {
        each!(x, y, |a, b| f32x4_pmax(b, a))
    }

    #[inline(always)]
    fn min(self, x: Self::F, y: Self::F) -> Self::F {
        each!(x, y, |a, b| f32x4_pmin(b, a))
    }

    #[inline(always)]
    fn power(self, x: Self::F) -> Self::F {
        x.map(|x| i32x4_add(i32x4_shl(x, 23), i32x4_splat(0x3f80_0000)))
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let x = quarter(x);
        let x = f32x4_add(x, i64x2_shuffle::<1, 1>(x, x));
        f32x4_extract_lane::<0>(x) + f32x4_extract_lane::<1>(x)
    }

    #[inline(always)]
    fn most(self, x: Self::F) -> f32 {
        let x = f32x4_pmax(f32x4_pmax(x[0], x[2]), f32x4_pmax(x[1], x[3]));
        let x = f32x4_pmax(x, i64x2_shuffle::<1, 1>(x, x));
        f32x4_extract_lane::<0>(f32x4_pmax(x, i32x4_shuffle::<1, 1, 1, 1>(x, x)))
    }

    #[inline(always)]
    fn sum4(self, x: [Self::F; 4]) -> [f32; 4] {
        let [a, b, c, d] = [quarter(x[0]), quarter(x[1]), quarter(x[2]), quarter(x[3])];
        // The columns of a, b, c and d.
        let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
        let (first, second) = (i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd));
        let (ab, cd) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        let (third, fourth) = (i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd));
        let sums = f32x4_add(f32x4_add(first, third), f32x4_add(second, fourth));
        // SAFETY: both types are 16 bytes of floats.
        unsafe { core::mem::transmute::<v128, [f32; 4]>(sums) }
    }
}
