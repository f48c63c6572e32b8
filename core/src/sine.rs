//! Sine and cosine of an angle, with the bits of `libm`.
//!
//! `libm` evaluates a polynomial in f64, which a microcontroller computes in software. Here the same polynomial is
//! evaluated in integers, to more digits than decide how it is rounded to f32. Where they do not decide, f64 does.

/// The fractional bits of a number.
const BITS: u32 = 60;

/// A quarter of a turn.
const QUARTER: i64 = 1_811_004_864_519_280_711;

/// Quarters of a turn in an angle of 1.
const QUARTERS: f32 = core::f32::consts::FRAC_2_PI;

/// Below, the sine is the angle and the cosine 1, rounded.
const SMALL: f32 = 1.0 / 4096.0;

/// The coefficients of `libm`'s polynomials in the square of an angle: `sin y / y` and `cos y`, each after its 1.
const SINE: [f64; 4] = [
    -0.166_666_666_416_265_24,
    0.008_333_329_385_889_463,
    -0.000_198_393_348_360_966_32,
    2.718_311_493_989_822e-6,
];
const COSINE: [f64; 4] = [
    -0.499_999_997_251_031,
    0.041_666_623_323_739_06,
    -0.001_388_676_377_460_993,
    2.439_044_879_627_741e-5,
];

/// The coefficients as integers.
const fn integral(of: [f64; 4]) -> [i64; 4] {
    const ONE: f64 = (1i64 << BITS) as f64;
    let [a, b, c, d] = of;
    [(a * ONE) as i64, (b * ONE) as i64, (c * ONE) as i64, (d * ONE) as i64]
}

/// Sine and cosine of an angle in radians, from 0 to 2^28; beyond, not a number.
pub fn sin_cos(x: f32) -> (f32, f32) {
    integers(x).unwrap_or_else(|| floats(x))
}

/// The operations of `libm`, in its order.
fn floats(x: f32) -> (f32, f32) {
    use core::f64::consts::{FRAC_2_PI, FRAC_PI_2};
    /// A quarter of a turn: 25 digits, and the rest.
    const PARTS: [f64; 2] = [1.570_796_310_901_641_8, 1.589_325_477_352_819_6e-8];
    /// Adding and subtracting this number rounds to an integer.
    const ROUND: f64 = 1.5 / f64::EPSILON;
    if x < SMALL {
        return (x, 1.0);
    }
    // NaN has larger bits.
    if x.to_bits() > ((1 << 28) as f32).to_bits() {
        return (f32::NAN, f32::NAN);
    }
    let x = f64::from(x);
    let quarters = x * FRAC_2_PI + ROUND - ROUND;
    let y = match quarters <= 4.0 {
        true => x - quarters * FRAC_PI_2,
        false => x - quarters * PARTS[0] - quarters * PARTS[1],
    };
    let square = y * y;
    let [a, b, c, d] = SINE;
    let (cube, r) = (square * y, c + square * d);
    let sine = y + cube * (a + square * b) + cube * (square * square) * r;
    let [a, b, c, d] = COSINE;
    let (fourth, r) = (square * square, c + square * d);
    let cosine = 1.0 + square * a + fourth * b + fourth * square * r;
    turned(quarters as u32, sine as f32, cosine as f32)
}

/// Sine and cosine of an angle plus so many quarters of a turn.
fn turned(quarters: u32, sine: f32, cosine: f32) -> (f32, f32) {
    match quarters & 3 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// [`sin_cos`] where integers decide: almost always for an angle from 2^-12 to 2^9.
fn integers(x: f32) -> Option<(f32, f32)> {
    if !(SMALL..512.0).contains(&x) {
        return None;
    }
    let (bits, quarters) = (x.to_bits(), (x * QUARTERS + 0.5) as u32);
    let mantissa = u64::from(bits & 0x007f_ffff | 0x0080_0000);
    // Modulo 2^64, as the difference is below 1.
    let angle = (mantissa << ((bits >> 23) + BITS - 150)) as i64;
    let y = angle.wrapping_sub(QUARTER.wrapping_mul(i64::from(quarters)));
    let square = times(y, y);
    let sine = rounded(
        y.wrapping_add(times(y, times(square, polynomial(&const { integral(SINE) }, square)))),
    )?;
    let cosine =
        rounded((1 << BITS) + times(square, polynomial(&const { integral(COSINE) }, square)))?;
    Some(turned(quarters, sine, cosine))
}

/// `a + x (b + x (c + ..))`
fn polynomial([coefficients @ .., last]: &[i64; 4], x: i64) -> i64 {
    coefficients.iter().rev().fold(*last, |sum, of| times(sum, x).wrapping_add(*of))
}

/// The product, up to 2^-56 too small. Its factors are at most 1.
fn times(x: i64, y: i64) -> i64 {
    let (x_high, y_high) = (i64::from((x >> 32) as i32), i64::from((y >> 32) as i32));
    let (x_low, y_low) = (i64::from(x as u32), i64::from(y as u32));
    let middle = x_high.wrapping_mul(y_low).wrapping_add(y_high.wrapping_mul(x_low));
    (x_high.wrapping_mul(y_high) << (64 - BITS)).wrapping_add(middle >> (BITS - 32))
}

/// The number as f32; `None` if it is so near to the middle of two that an error of 2^-46 may matter.
fn rounded(x: i64) -> Option<f32> {
    const MARGIN: u64 = 1 << (BITS - 46);
    const HALF: u64 = 1 << 39;
    let size = x.unsigned_abs();
    let zeros = size.leading_zeros();
    if zeros > 20 {
        return None;
    }
    let top = size << zeros;
    let rest = top & (2 * HALF - 1);
    if rest.abs_diff(HALF) <= MARGIN << zeros {
        return None;
    }
    let exponent = (63 - BITS + 127 - 1).wrapping_sub(zeros); // the leading 1 adds 1
    let bits =
        (exponent << 23).wrapping_add((top >> 40) as u32).wrapping_add(u32::from(rest > HALF));
    Some(if x < 0 { -f32::from_bits(bits) } else { f32::from_bits(bits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_libm() {
        let mut decided = 0;
        let mut same = |x: f32| {
            let bits = |(sine, cosine): (f32, f32)| [sine.to_bits(), cosine.to_bits()];
            assert_eq!(bits(sin_cos(x)), bits((libm::sinf(x), libm::cosf(x))), "{x}");
            assert_eq!(bits(floats(x)), bits((libm::sinf(x), libm::cosf(x))), "{x}");
            decided += u32::from(integers(x).is_some());
        };
        for i in 0..4_000_000u32 {
            // All exponents from 2^-13 to 2^10, mantissas in the order of a congruence.
            same(f32::from_bits(0x3900_0000 + i.wrapping_mul(2_654_435_769) % 0x0b80_0000));
        }
        for (n, i) in (0..600u32).flat_map(|n| (0..64u32).map(move |i| (n, i))) {
            same(n as f32 * libm::expf(i as f32 * -0.146_195_88));
        }
        for quarter in 1..300u32 {
            let middle = (f64::from(quarter) * core::f64::consts::FRAC_PI_4) as f32;
            (0..64).for_each(|i| same(f32::from_bits(middle.to_bits() - 32 + i)));
        }
        [0.0, -0.0, 1e-30, 1e3, 1e5, 1e8].into_iter().for_each(same);
        assert!(decided > 3_200_000, "{decided}");
        assert!(sin_cos(f32::NAN).0.is_nan() && sin_cos(1e30).1.is_nan());
    }
}
