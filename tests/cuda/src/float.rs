//! Floating-point formats narrower than f64, with all rounding modes.

/// A rounding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to even.
    Nearest,
    /// To the nearest, ties away from zero.
    Away,
    /// Towards zero.
    Zero,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
}

impl Rounding {
    /// `x` rounded to an integer.
    pub fn integer(self, x: f64) -> f64 {
        match self {
            Self::Nearest => x.round_ties_even(),
            Self::Away => x.round(),
            Self::Zero => x.trunc(),
            Self::Down => x.floor(),
            Self::Up => x.ceil(),
        }
    }

    /// The mode for the magnitude of a number, after its sign was removed.
    fn magnitude(self, negative: bool) -> Self {
        match self {
            Self::Down if negative => Self::Up,
            Self::Up if negative => Self::Down,
            same => same,
        }
    }
}

/// A format: its exponent and fraction bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    exponent: u32,
    fraction: u32,
}

pub const F16: Format = Format { exponent: 5, fraction: 10 };
pub const BF16: Format = Format { exponent: 8, fraction: 7 };
pub const TF32: Format = Format { exponent: 8, fraction: 10 };
pub const F32: Format = Format { exponent: 8, fraction: 23 };

impl Format {
    /// Encodes `x`.
    pub fn encode(self, x: f64, rounding: Rounding) -> u32 {
        let negative = x.is_sign_negative();
        let sign = u32::from(negative) << (self.exponent + self.fraction);
        let infinite = ((1 << self.exponent) - 1) << self.fraction;
        if x.is_nan() {
            // The canonical NaN of the device.
            return (1 << (self.exponent + self.fraction)) - 1;
        }
        if x.is_infinite() {
            return sign | infinite;
        }
        let (size, rounding) = (x.abs(), rounding.magnitude(negative));
        let bias = (1 << (self.exponent - 1)) - 1;
        let exponent = ((size.to_bits() >> 52) as i32 - 1023).max(1 - bias);
        let unit = f64::from_bits(((exponent - self.fraction as i32 + 1023) as u64) << 52);
        // The implicit leading one, or a carry out of the fraction, increments the exponent.
        let whole = rounding.integer(size / unit) as u32;
        let bits = (((exponent + bias - 1) as u32) << self.fraction).saturating_add(whole);
        if bits < infinite {
            return sign | bits;
        }
        match rounding {
            Rounding::Zero | Rounding::Down => sign | (infinite - 1),
            _ => sign | infinite,
        }
    }

    /// The value of `bits`.
    pub fn decode(self, bits: u32) -> f64 {
        match self {
            F32 => f64::from(f32::from_bits(bits)),
            TF32 => f64::from(f32::from_bits(bits << 13)),
            BF16 => f64::from(bf16(bits)),
            _ => f64::from(f16(bits)),
        }
    }
}

/// A bf16 as a float.
#[inline(always)]
pub fn bf16(bits: u32) -> f32 {
    f32::from_bits(bits << 16)
}

/// An f16 as a float.
#[inline(always)]
pub fn f16(bits: u32) -> f32 {
    let (sign, rest) = ((bits & 0x8000) << 16, bits & 0x7fff);
    let size = match rest {
        0x7c00.. => f32::from_bits(0x7f80_0000 | ((rest & 0x3ff) << 13)),
        // Shifted to the position of an f32; the factor corrects the bias of the exponent.
        _ => f32::from_bits(rest << 13) * f32::from_bits((254 - 15) << 23),
    };
    f32::from_bits(size.to_bits() | sign)
}

/// `a b + c`, rounded once.
pub fn fused(a: f32, b: f32, c: f32, rounding: Rounding) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    if !sum.is_finite() {
        return sum as f32;
    }
    // The rounding error of the sum.
    let part = sum - product;
    let rest = (product - (sum - part)) + (c - part);
    nudge(sum, rest, rounding)
}

/// `sum + rest` rounded, where `rest` is less than half an ulp of `sum`.
fn nudge(sum: f64, rest: f64, rounding: Rounding) -> f32 {
    let near = sum as f32;
    let off = f64::from(near) - sum;
    let (above, below) =
        (off > 0.0 || (off == 0.0 && rest < 0.0), off < 0.0 || (off == 0.0 && rest > 0.0));
    match rounding {
        Rounding::Down if above => near.next_down(),
        Rounding::Up if below => near.next_up(),
        Rounding::Zero if above && sum > 0.0 => near.next_down(),
        Rounding::Zero if below && sum < 0.0 => near.next_up(),
        _ => near,
    }
}

/// Flushes a subnormal number to the zero of its sign.
#[inline(always)]
pub fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_hold_what_they_can() {
        for bits in 0..0x7c00 {
            assert_eq!(F16.encode(F16.decode(bits), Rounding::Nearest), bits);
            assert_eq!(F16.encode(-F16.decode(bits), Rounding::Up), bits | 0x8000);
        }
        for bits in 0..0x7f80 {
            assert_eq!(BF16.encode(BF16.decode(bits), Rounding::Nearest), bits);
        }
        assert_eq!(F16.encode(65519.0, Rounding::Nearest), 0x7bff);
        assert_eq!(F16.encode(65520.0, Rounding::Nearest), 0x7c00);
        assert_eq!(F16.encode(1e9, Rounding::Zero), 0x7bff);
        assert_eq!(BF16.encode(1.0 + 1.0 / 256.0, Rounding::Nearest), 0x3f80);
        assert_eq!(BF16.encode(1.0 + 3.0 / 256.0, Rounding::Nearest), 0x3f82);
        assert_eq!(TF32.encode(1.0 + 1.0 / 2048.0, Rounding::Away) << 13, 0x3f80_2000);
        assert_eq!(F16.encode(f64::NAN, Rounding::Nearest), 0x7fff);
    }

    #[test]
    fn a_fused_product_is_rounded_once() {
        let (a, tiny) = (1.0 + f32::EPSILON, f32::from_bits(1));
        assert_eq!(fused(1.0, 1.0, -tiny, Rounding::Down), 1.0f32.next_down());
        assert_eq!(fused(1.0, 1.0, tiny, Rounding::Down), 1.0);
        assert_eq!(fused(1.0, 1.0, tiny, Rounding::Up), a);
        assert_eq!(fused(-1.0, 1.0, tiny, Rounding::Zero), (-1.0f32).next_up());
    }
}
