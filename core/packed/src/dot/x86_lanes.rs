//! Lanes in vectors of 256 and 512 bits.

use crate::dot::x86::{Avx2, Avx512Vnni, AvxVnni};
use crate::lanes::{Lanes, Row};
use core::arch::x86_64::*;

/// The sums of the halves of eight lanes.
///
/// # Safety
///
/// The processor has AVX.
#[inline(always)]
unsafe fn quarter(x: __m256) -> __m128 {
    // SAFETY: as the caller promises.
    unsafe { _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x)) }
}

/// [`sum8`] of each.
///
/// # Safety
///
/// The processor has AVX.
#[inline(always)]
unsafe fn sums8(x: [__m256; 4]) -> [f32; 4] {
    // SAFETY: as the caller promises; both types are 16 bytes of floats.
    unsafe {
        let [a, b, c, d] = [quarter(x[0]), quarter(x[1]), quarter(x[2]), quarter(x[3])];
        // The columns of a, b, c and d.
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (first, second) = (_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
        let (ab, cd) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        let (third, fourth) = (_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
        let sums = _mm_add_ps(_mm_add_ps(first, third), _mm_add_ps(second, fourth));
        core::mem::transmute::<__m128, [f32; 4]>(sums)
    }
}

/// The sums of the halves of sixteen lanes.
///
/// # Safety
///
/// The processor has AVX-512.
#[inline(always)]
unsafe fn half(x: __m512) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe { _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x)) }
}

/// The sum of eight lanes in the order of [`a2d_core::rows::sum`].
///
/// # Safety
///
/// The processor has AVX.
#[inline(always)]
unsafe fn sum8(x: __m256) -> f32 {
    // SAFETY: as the caller promises.
    unsafe {
        let x = quarter(x);
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }
}

/// `2^n` from the low bits `n` of eight floats.
///
/// # Safety
///
/// The processor has AVX2.
#[inline(always)]
unsafe fn power8(x: __m256) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let bits = _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
        _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3f80_0000)))
    }
}

impl Lanes for Avx512Vnni {
    type F = __m512;

    #[inline(always)]
    fn load(self, x: &Row) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: Self::F) -> Row {
        // SAFETY: both types are 64 bytes of floats.
        unsafe { core::mem::transmute::<Self::F, Row>(x) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn add(self, x: Self::F, y: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_add_ps(x, y) }
    }

    #[inline(always)]
    fn sub(self, x: Self::F, y: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_sub_ps(x, y) }
    }

    #[inline(always)]
    fn mul(self, x: Self::F, y: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_mul_ps(x, y) }
    }

    #[inline(always)]
    fn max(self, x: Self::F, y: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_max_ps(x, y) }
    }

    #[inline(always)]
    fn min(self, x: Self::F, y: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { _mm512_min_ps(x, y) }
    }

    #[inline(always)]
    fn power(self, x: Self::F) -> Self::F {
        // SAFETY: the token says that the processor has the instructions.
        unsafe {
            let bits = _mm512_slli_epi32::<23>(_mm512_castps_si512(x));
            _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f80_0000)))
        }
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { sum8(half(x)) }
    }

    #[inline(always)]
    fn sum4(self, x: [Self::F; 4]) -> [f32; 4] {
        // SAFETY: the token says that the processor has the instructions.
        unsafe { sums8([half(x[0]), half(x[1]), half(x[2]), half(x[3])]) }
    }
}

/// Two vectors of eight lanes.
macro_rules! halves {
    ($token:ty) => {
        impl Lanes for $token {
            type F = [__m256; 2];

            #[inline(always)]
            fn load(self, x: &Row) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
            }

            #[inline(always)]
            fn store(self, x: Self::F) -> Row {
                // SAFETY: both types are 64 bytes of floats.
                unsafe { core::mem::transmute::<Self::F, Row>(x) }
            }

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_set1_ps(x); 2] }
            }

            #[inline(always)]
            fn add(self, x: Self::F, y: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_add_ps(x[0], y[0]), _mm256_add_ps(x[1], y[1])] }
            }

            #[inline(always)]
            fn sub(self, x: Self::F, y: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_sub_ps(x[0], y[0]), _mm256_sub_ps(x[1], y[1])] }
            }

            #[inline(always)]
            fn mul(self, x: Self::F, y: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_mul_ps(x[0], y[0]), _mm256_mul_ps(x[1], y[1])] }
            }

            #[inline(always)]
            fn max(self, x: Self::F, y: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_max_ps(x[0], y[0]), _mm256_max_ps(x[1], y[1])] }
            }

            #[inline(always)]
            fn min(self, x: Self::F, y: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [_mm256_min_ps(x[0], y[0]), _mm256_min_ps(x[1], y[1])] }
            }

            #[inline(always)]
            fn power(self, x: Self::F) -> Self::F {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { [power8(x[0]), power8(x[1])] }
            }

            #[inline(always)]
            fn sum(self, x: Self::F) -> f32 {
                // SAFETY: the token says that the processor has the instructions.
                unsafe { sum8(_mm256_add_ps(x[0], x[1])) }
            }

            #[inline(always)]
            fn sum4(self, x: [Self::F; 4]) -> [f32; 4] {
                // SAFETY: the token says that the processor has the instructions.
                unsafe {
                    let [a, b, c, d] = x;
                    let join = [
                        _mm256_add_ps(a[0], a[1]),
                        _mm256_add_ps(b[0], b[1]),
                        _mm256_add_ps(c[0], c[1]),
                        _mm256_add_ps(d[0], d[1]),
                    ];
                    sums8(join)
                }
            }
        }
    };
}

halves!(Avx2);
halves!(AvxVnni);
