//! Lanes in vectors of 128 bits.

use crate::dot::aarch64::{DotProd, I8mm, Neon};
use crate::lanes::{Lanes, Row};
use core::arch::aarch64::*;

/// An operation on each pair of vectors: not a closure, in which an intrinsic is not always inlined.
macro_rules! each {
    ($x:ident, $y:ident, |$a:ident, $b:ident| $op:expr) => {{
        let (x, y) = ($x, $y);
        // SAFETY: the token says that the processor has the instructions.
        unsafe {
            [
                {
                    let ($a, $b) = (x[0], y[0]);
                    $op
                },
                {
                    let ($a, $b) = (x[1], y[1]);
                    $op
                },
                {
                    let ($a, $b) = (x[2], y[2]);
                    $op
                },
                {
                    let ($a, $b) = (x[3], y[3]);
                    $op
                },
            ]
        }
    }};
}

macro_rules! quarters {
    ($token:ty) => {
        impl Lanes for $token {
            type F = [float32x4_t; 4];

            #[inline(always)]
            fn load(self, x: &Row) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { core::array::from_fn(|i| vld1q_f32(x.as_ptr().add(4 * i))) }
            }

            #[inline(always)]
            fn store(self, x: Self::F) -> Row {
                // SAFETY: both types are 64 bytes of floats.
                unsafe { core::mem::transmute::<Self::F, Row>(x) }
            }

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [vdupq_n_f32(x); 4] }
            }

            #[inline(always)]
            fn add(self, x: Self::F, y: Self::F) -> Self::F {
                each!(x, y, |a, b| vaddq_f32(a, b))
            }

            #[inline(always)]
            fn sub(self, x: Self::F, y: Self::F) -> Self::F {
                each!(x, y, |a, b| vsubq_f32(a, b))
            }

            #[inline(always)]
            fn mul(self, x: Self::F, y: Self::F) -> Self::F {
                each!(x, y, |a, b| vmulq_f32(a, b))
            }

            #[inline(always)]
            fn max(self, x: Self::F, y: Self::F) -> Self::F {
                each!(x, y, |a, b| vbslq_f32(vcgtq_f32(a, b), a, b))
            }

            #[inline(always)]
            fn min(self, x: Self::F, y: Self::F) -> Self::F {
                each!(x, y, |a, b| vbslq_f32(vcltq_f32(a, b), a, b))
            }

            #[inline(always)]
            fn power(self, x: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                x.map(|x| unsafe {
                    let bits = vshlq_n_u32::<23>(vreinterpretq_u32_f32(x));
                    vreinterpretq_f32_u32(vaddq_u32(bits, vdupq_n_u32(0x3f80_0000)))
                })
            }
        }
    };
}

quarters!(Neon);
quarters!(DotProd);
quarters!(I8mm);
