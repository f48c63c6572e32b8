//! Sums and products of floats, given as bits and rounded as IEEE 754 says: what the assembly for a processor without
//! floats leaves, and what it is compared with.

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;
const NAN: u32 = 0x7fc0_0000;

/// The sum.
pub fn sum(x: u32, y: u32) -> u32 {
    let (x, y) = if x & !SIGN < y & !SIGN { (y, x) } else { (x, y) };
    let (large, small) = (x & !SIGN, y & !SIGN);
    if large >= INFINITY {
        return if large > INFINITY || small == INFINITY && x != y { NAN } else { x };
    }
    if small == 0 {
        return if large == 0 { x & y } else { x };
    }
    let distance = exponent(large) - exponent(small);
    if distance > 26 {
        return x;
    }
    // Exact in units of the last place of the smaller number.
    let (units, other) = (mantissa(large) << distance, mantissa(small));
    let sign = x & SIGN;
    match (x ^ y) & SIGN {
        0 => sign | rounded(units + other, exponent(small), 0),
        _ if units == other => 0,
        _ => sign | rounded(units - other, exponent(small), 0),
    }
}

/// The product.
pub fn product(x: u32, y: u32) -> u32 {
    let (sign, x, y) = ((x ^ y) & SIGN, x & !SIGN, y & !SIGN);
    let (large, small) = (x.max(y), x.min(y));
    if large >= INFINITY {
        return if large > INFINITY || small == 0 { NAN } else { sign | INFINITY };
    }
    if small == 0 {
        return sign;
    }
    sign | rounded(mantissa(x) * mantissa(y), exponent(x) + exponent(y), 150)
}

/// The exponent of a magnitude; that of a subnormal number is 1.
fn exponent(x: u32) -> u32 {
    (x >> 23).max(1)
}

/// The digits of a finite magnitude.
fn mantissa(x: u32) -> u64 {
    let implied = if x >> 23 == 0 { 0 } else { 1 << 23 };
    u64::from(x & 0x007f_ffff | implied)
}

/// The number with `units` in the last place of `exponent - below`, rounded to even. `units` is not 0.
fn rounded(units: u64, exponent: u32, below: u32) -> u32 {
    let mut exponent = exponent as i32 - below as i32;
    let zeros = units.leading_zeros();
    // The leading 1 to bit 62, or lower where that exponent would be below 1.
    let (mut units, shift) = (units << zeros >> 1, zeros as i32 - 1);
    exponent += 39 - shift;
    let lost = if exponent < 1 { (1 - exponent).min(63) as u32 } else { 0 };
    let sticky = u64::from(units & ((1 << lost) - 1) != 0);
    units = units >> lost | sticky;
    let exponent = exponent.max(1) as u32;
    let (digits, rest) = ((units >> 39) as u32, units & ((1 << 39) - 1));
    let half = 1 << 38;
    let up = u32::from(rest > half || rest == half && digits & 1 == 1);
    // A subnormal number has no leading 1 that would raise the exponent.
    (((exponent - 1) << 23) + digits + up).min(INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_processor() {
        let extremes =
            [0, 1, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x7f7f_ffff, INFINITY, NAN, 0x3f80_0000];
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        };
        let mut number = move || match next() % 4 {
            0 => extremes[next() as usize % extremes.len()] ^ (next() & SIGN),
            1 => next() & 0x83ff_ffff, // tiny
            2 => next() & 0x8fff_ffff | 0x3000_0000,
            _ => next(),
        };
        for _ in 0..2_000_000 {
            let (x, y) = (number(), number());
            same(sum(x, y), f32::from_bits(x) + f32::from_bits(y), [x, y]);
            same(product(x, y), f32::from_bits(x) * f32::from_bits(y), [x, y]);
        }
    }

    fn same(got: u32, want: f32, of: [u32; 2]) {
        let both = f32::from_bits(got).is_nan() && want.is_nan();
        assert!(both || got == want.to_bits(), "{of:x?}: {got:x}, not {:x}", want.to_bits());
    }
}
