//! Scalar functions. `exp` is written out so that compilers vectorise it and all machines compute the same bits.

/// Whether the processor is a microcontroller, which has no vectors: lanes would only be written to memory and read again.
pub(crate) const BOARD: bool = cfg!(target_os = "none");

/// Whether floats are computed in software: then integers are faster, where they give the same bits.
pub(crate) const SOFT: bool = BOARD
    && cfg!(any(
        all(target_arch = "arm", not(target_abi = "eabihf")),
        all(any(target_arch = "riscv32", target_arch = "riscv64"), not(target_feature = "f"))
    ));

/// The square root, correctly rounded.
#[inline(always)]
pub fn sqrt(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    libm::sqrtf(x)
}

/// The natural logarithm of a normal `x > 0`, error below 1e-7. `ln(0)` is minus infinity; infinity and NaN are returned.
///
/// `x = 2^n m`, `m` in `[sqrt(1/2), sqrt(2))`: Cephes' polynomial for `ln m`.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let n = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF) - 1.0;
    let mut p = 7.037_683_6e-2;
    p = p * m - 1.151_461e-1;
    p = p * m + 1.167_699_9e-1;
    p = p * m - 1.242_014_1e-1;
    p = p * m + 1.424_932_3e-1;
    p = p * m - 1.666_805_7e-1;
    p = p * m + 2.000_071_5e-1;
    p = p * m - 2.499_999_4e-1;
    p = p * m + 3.333_333e-1;
    let square = m * m;
    let y = p * m * square + n * -2.121_944_4e-4 - 0.5 * square;
    let y = m + y + n * 0.693_359_4;
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < f32::INFINITY { y } else { x }
}

/// `e^x` for `x` in `[-87.3, 88]`, clamped outside; NaN gives NaN; relative error below 2e-7.
///
/// `x = n ln 2 + r`: a polynomial for `e^r` (the coefficients of Cephes' `expf`), then `n` is added to the exponent.
// On a board the size of the code counts.
#[cfg_attr(target_os = "none", inline(never))]
#[cfg_attr(not(target_os = "none"), inline(always))]
pub fn exp(x: f32) -> f32 {
    if SOFT { crate::soft::exp(x) } else { exp_inline(x) }
}

/// [`exp`] for a loop over many numbers, whose constants then stay in registers.
#[inline(always)]
pub(crate) fn exp_inline(x: f32) -> f32 {
    let Reduced { power, r, .. } = reduce(x);
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    y * f32::from_bits(power.wrapping_add(0x3f80_0000))
}

/// `x = n ln 2 + r`
pub(crate) struct Reduced {
    /// `n 2^23`
    pub power: u32,
    pub r: f32,
    /// `r 2^32`, or 0: not known.
    pub fixed: i32,
}

/// Reduces `x`, clamped.
#[inline(always)]
#[allow(clippy::manual_clamp)] // `clamp` loses NaN in vector code
pub(crate) fn reduce(x: f32) -> Reduced {
    /// Adding and subtracting this number rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if below(x, -87.3) { -87.3 } else { x };
    let x = if below(-x, -88.0) { 88.0 } else { x };
    let shifted = x * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    Reduced { power: shifted.to_bits() << 23, r, fixed: 0 }
}

/// `x < limit`, for a negative limit.
#[inline(always)]
fn below(x: f32, limit: f32) -> bool {
    // The bits of negative numbers rise as they fall; those of NaN are the largest.
    if SOFT {
        (limit.to_bits() + 1..=f32::NEG_INFINITY.to_bits()).contains(&x.to_bits())
    } else {
        x < limit
    }
}

/// `x w`
#[inline(always)]
pub(crate) fn times_byte(x: f32, w: i8) -> f32 {
    if SOFT { soft_times_byte(x, w) } else { x * f32::from(w) }
}

// In a loop the compiler would not have registers enough.
#[inline(never)]
fn soft_times_byte(x: f32, w: i8) -> f32 {
    Factor::new(x).soft_times(w)
}

/// A number that bytes are multiplied with.
#[derive(Clone, Copy)]
pub(crate) struct Factor {
    x: f32,
    /// Its digits, or 0 where they are not computed with.
    digits: i32,
    /// What their last one is worth, added to the bits of a float.
    exponent: u32,
}

impl Factor {
    #[inline(always)]
    pub fn new(x: f32) -> Self {
        let bits = x.to_bits();
        let (exponent, digits) = (bits >> 23 & 0xff, (bits & 0x007f_ffff | 0x0080_0000) as i32);
        let digits = match exponent {
            8..=246 if bits >> 31 == 0 => digits,
            8..=246 => -digits,
            _ => 0,
        };
        Self { x, digits, exponent: exponent.wrapping_sub(150) << 23 }
    }

    /// `x w`
    #[inline(always)]
    pub fn times(self, w: i8) -> f32 {
        if SOFT { self.soft_times(w) } else { self.x * f32::from(w) }
    }

    /// `x w` by one multiplication of 32 bits: the digits of a float and of a byte are 31.
    #[inline(always)]
    fn soft_times(self, w: i8) -> f32 {
        let product = self.digits * i32::from(w);
        if product == 0 {
            return self.x * f32::from(w);
        }
        f32::from_bits((product as f32).to_bits().wrapping_add(self.exponent))
    }
}

/// The integer nearest to `x`, halves to even, modulo 256, for `x` up to 2^22.
#[inline(always)]
pub(crate) fn to_byte(x: f32) -> i8 {
    /// Adding this number rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let bits = x.to_bits();
    let exponent = bits >> 23 & 0xff;
    if !SOFT || exponent > 133 {
        return (x + ROUND).to_bits() as i8;
    }
    if exponent < 126 {
        return 0; // below 1/2
    }
    let (digits, places) = (bits & 0x007f_ffff | 0x0080_0000, 150 - exponent);
    let (whole, rest) = (digits >> places, digits << (32 - places));
    let up = u32::from(rest > 1 << 31 || rest == 1 << 31 && whole & 1 == 1);
    let size = (whole + up) as i8;
    if x.is_sign_negative() { size.wrapping_neg() } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_are_within_a_unit_or_two() {
        for i in 0..200_000 {
            let x = i as f32 * 8e-4 - 80.0;
            let (got, want) = (exp(x), libm::exp(f64::from(x)));
            assert!((f64::from(got) / want - 1.0).abs() < 2e-7, "exp {x}: {got}, not {want}");
            let (back, want) = (ln(got), libm::log(f64::from(got)));
            let off = (f64::from(back) - want).abs();
            assert!(off <= 1e-7 * want.abs().max(0.5), "ln {got}: {back}, not {want}");
        }
        assert_eq!(ln(0.0), f32::NEG_INFINITY);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(ln(f32::NAN).is_nan() && exp(f32::NAN).is_nan());
    }
    #[test]
    fn products_with_bytes_are_those_of_the_processor() {
        for i in 0..4_000_000u32 {
            let x = f32::from_bits(i.wrapping_mul(2_654_435_769));
            let w = (i % 256) as u8 as i8;
            let (got, want) = (soft_times_byte(x, w), x * f32::from(w));
            let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(same, "{x:e} {w}: {got:e}, not {want:e}");
        }
    }
}
