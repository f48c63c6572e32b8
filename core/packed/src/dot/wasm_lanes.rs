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

impl Lanes for Simd128 {
    type F = [v128; 4];

    #[inline(always)]
    fn load(self, x: &Row) -> Self::F {
        // SAFETY: four loads of 16 bytes.
        unsafe { core::array::from_fn(|i| v128_load(x.as_ptr().add(4 * i).cast())) }
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
}
