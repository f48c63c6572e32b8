//! The exponential where floats are computed in software: the bits of [`crate::math::exp`], mostly by integers.
//!
//! A step `p r + c` rounds a product, then a sum. The product as an integer says how the sum is rounded, except near the
//! middle between two floats, where rounding the product first may matter: only there floats are computed.

use crate::math::{Reduced, reduce as by_floats};

/// `e^x`, with the bits of [`exp_inline`](crate::math::exp_inline).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    if x.to_bits() == 0 {
        return 1.0;
    }
    let Reduced { power, r, fixed } = match reduce(x) {
        Some(reduced) => reduced,
        None if x.is_nan() => return x,
        None => by_floats(x),
    };
    let mut p = 1.987_569_2e-4;
    for step in if fixed < 0 { &STEPS[1] } else { &STEPS[0] } {
        p = step.of(p, fixed, r);
    }
    let y = p * r * r + r + 1.0;
    f32::from_bits(y.to_bits().wrapping_add(power))
}

/// Reduces a negative `x`, unless it is next to 0, out of range, or `r` is small, or `x / ln 2` near a half.
#[inline(always)]
fn reduce(x: f32) -> Option<Reduced> {
    const LEAST: u32 = (-1.0f32 / 128.0).to_bits();
    const MOST: u32 = (-87.3f32).to_bits();
    /// Up to here `n` is 0.
    const WHOLE: u32 = (-0.34f32).to_bits();
    /// `2^15 / ln 2`
    const INVERSE: u32 = 47_274;
    /// `ln 2` is `HIGH / 2^9 - LOW / 2^36`.
    const HIGH: u32 = 355;
    const LOW: u32 = digits(2.121_944_4e-4);
    if !(LEAST..=MOST).contains(&x.to_bits()) {
        return None;
    }
    if x.to_bits() < WHOLE {
        return Some(Reduced { power: 0, r: x, fixed: -(integer(x, 32) as i32) });
    }
    let size = integer(x, 25);
    let turns = (size >> 16) * INVERSE + (1 << 23);
    let n = turns >> 24;
    // `turns`, of 2^24, is at most 65,536 too small: not where its fraction is next to 0 or 1.
    if n == 0 || !(1..255).contains(&(turns >> 16 & 255)) {
        return None;
    }
    let low = integer((n * LOW) as i32 as f32, 0);
    let high = size.wrapping_sub((n * HIGH) << 16) as i32;
    // `-r 2^32`. What lies below the last digit only makes it odd, below the digits of `r`.
    let sum = ((high << 7) + (low >> 4) as i32) | i32::from(low & 15 != 0);
    if sum.unsigned_abs() < 1 << 25 {
        return None;
    }
    let r = f32::from_bits(((-sum) as f32).to_bits() - (32 << 23));
    let fixed = integer(r, 32) as i32;
    let fixed = if sum < 0 { fixed } else { -fixed };
    Some(Reduced { power: (n << 23).wrapping_neg(), r, fixed })
}

/// The digits of a normal number, as an integer.
const fn digits(x: f32) -> u32 {
    x.to_bits() & 0x007f_ffff | 0x0080_0000
}

/// `|x| 2^places`, if that is an integer of 32 bits.
#[inline(always)]
fn integer(x: f32, places: u32) -> u32 {
    digits(x) << ((x.to_bits() >> 23 & 255) + places - 150)
}

/// A step of the polynomial.
struct Step {
    c: f32,
    /// The digits of the product beyond those of the sum.
    places: u32,
    /// All of these digits.
    rest: u32,
    /// The most that they may be, from the first that is not near the middle, where rounding twice may matter.
    most: u32,
}

/// The steps for a positive `r`, and for a negative one: then the last sum has one digit more.
static STEPS: [[Step; 5]; 2] = [steps(Step::new(0.5, 10, 64)), steps(Step::new(0.5, 9, 32))];

const fn steps(last: Step) -> [Step; 5] {
    [
        Step::new(1.398_2e-3, 11, 64),
        Step::new(8.333_452e-3, 11, 64),
        Step::new(4.166_579_6e-2, 10, 32),
        Step::new(1.666_666_5e-1, 10, 32),
        last,
    ]
}

impl Step {
    /// `half`: half of the last digit of the largest product.
    const fn new(c: f32, places: u32, half: u32) -> Self {
        /// The error of a product as an integer, and 1.
        const ERROR: u32 = 4;
        let rest = (1 << places) - 1;
        Self { c, places, rest, most: rest - 2 * (half + ERROR) }
    }

    /// `p r + c`
    #[inline(always)]
    fn of(&self, p: f32, fixed: i32, r: f32) -> f32 {
        let (high, low) = (digits(p) >> 8, digits(p) & 255);
        let (r_high, r_low) = (fixed >> 16, fixed as u32 & 0xffff);
        let product = (high as i32).wrapping_mul(r_high) + ((low as i32 * r_high) >> 8);
        let product = (product as u32).wrapping_add((high * r_low) >> 16);
        let sum = product.wrapping_add(self.most >> 1);
        if fixed == 0 || sum & self.rest > self.most {
            return p * r + self.c;
        }
        f32::from_bits(self.c.to_bits().wrapping_add((sum as i32 >> self.places) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::exp_inline;

    #[test]
    fn bits_are_those_of_the_floats() {
        let near = (1..2_800u32).flat_map(|n| {
            let bits = (n as f32 / -32.0).to_bits();
            bits - 64..bits + 64
        });
        let mut by_integers = 0;
        for bits in (0..=u32::MAX).step_by(997).chain(near) {
            let x = f32::from_bits(bits);
            let (got, wanted) = (exp(x), exp_inline(x));
            let same = got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan();
            assert!(same, "exp {x:e}: {got:e}, not {wanted:e}");
            by_integers += u32::from(reduce(x).is_some());
        }
        assert!(by_integers > 300_000, "{by_integers}");
    }
}
