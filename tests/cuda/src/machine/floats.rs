//! Floating-point operations of all widths.

use super::warp::{Warp, longs, words};
use crate::float::{Format, Rounding, flushed, fused};
use crate::ptx::code::{Float, Slot};
use crate::ptx::types::Type;

#[inline(always)]
pub fn float(w: &mut Warp, lanes: u32, op: Float, [d, a, b, c]: [Slot; 4]) {
    macro_rules! run {
        (|$x:ident| $f:expr) => { words!(w, lanes, d, |$x = a| { let $x = f32::from_bits($x); f32::to_bits($f) }) };
        (|$x:ident, $y:ident| $f:expr) => {
            words!(w, lanes, d, |$x = a, $y = b| {
                let ($x, $y) = (f32::from_bits($x), f32::from_bits($y));
                f32::to_bits($f)
            })
        };
    }
    match op {
        Float::Add => run!(|a, b| a + b),
        Float::Sub => run!(|a, b| a - b),
        Float::Mul => run!(|a, b| a * b),
        Float::Fma => words!(w, lanes, d, |a = a, b = b, c = c| {
            f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)).to_bits()
        }),
        Float::Min => run!(|a, b| if a < b || b.is_nan() { a } else { b }),
        Float::Max => run!(|a, b| if a > b || b.is_nan() { a } else { b }),
        Float::Neg => run!(|a| -a),
        Float::Abs => run!(|a| a.abs()),
        Float::Div => run!(|a, b| a / b),
        Float::Rcp => run!(|a| 1.0 / a),
        Float::Sqrt => run!(|a| a.sqrt()),
        Float::Copy => run!(|a| a),
        other => rare(w, lanes, other, [d, a, b, c]),
    }
}

/// The less common operations.
#[inline(never)]
fn rare(w: &mut Warp, lanes: u32, op: Float, [d, a, b, c]: [Slot; 4]) {
    words!(w, lanes, d, |a = a, b = b, c = c| {
        single(op, f32::from_bits(a), f32::from_bits(b), f32::from_bits(c)).to_bits()
    });
}

fn single(op: Float, a: f32, b: f32, c: f32) -> f32 {
    match op {
        Float::Add => a + b,
        Float::Sub => a - b,
        Float::Mul => a * b,
        Float::Fma => a.mul_add(b, c),
        Float::FmaTo(rounding) => fused(a, b, c, rounding),
        Float::Div => a / b,
        Float::Rcp => 1.0 / a,
        Float::Sqrt => a.sqrt(),
        op => any(op, f64::from(a), f64::from(b), f64::from(c)) as f32,
    }
}

/// In f64, which is exact or accurate enough for narrower types.
fn any(op: Float, a: f64, b: f64, c: f64) -> f64 {
    match op {
        Float::Add => a + b,
        Float::Sub => a - b,
        Float::Mul => a * b,
        Float::Fma | Float::FmaTo(_) => a.mul_add(b, c),
        Float::Min => a.min(b),
        Float::Max => a.max(b),
        Float::MinNan | Float::MaxNan if a.is_nan() || b.is_nan() => f64::NAN,
        Float::MinNan => a.min(b),
        Float::MaxNan => a.max(b),
        Float::Neg => -a,
        Float::Abs => a.abs(),
        Float::Div => a / b,
        Float::Rcp => 1.0 / a,
        Float::Sqrt => a.sqrt(),
        Float::Rsqrt => 1.0 / a.sqrt(),
        Float::Exp2 => a.exp2(),
        Float::Log2 => a.log2(),
        Float::Sin => a.sin(),
        Float::Cos => a.cos(),
        Float::Tanh => a.tanh(),
        Float::Copy => a,
    }
}

/// `x` clamped to 0 and 1; NaN gives 0.
fn saturated(x: f32) -> f32 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

#[inline(never)]
pub fn tamed(
    w: &mut Warp,
    lanes: u32,
    op: Float,
    flush: bool,
    saturate: bool,
    [d, a, b, c]: [Slot; 4],
) {
    let read = |x: u32| {
        let x = f32::from_bits(x);
        if flush { flushed(x) } else { x }
    };
    words!(w, lanes, d, |a = a, b = b, c = c| {
        let out = single(op, read(a), read(b), read(c));
        let out = if flush { flushed(out) } else { out };
        (if saturate { saturated(out) } else { out }).to_bits()
    });
}

fn narrow(op: Float, format: Format, a: u32, b: u32, c: u32) -> u32 {
    let out = any(op, format.decode(a), format.decode(b), format.decode(c));
    format.encode(out, Rounding::Nearest)
}

#[inline(never)]
pub fn half(w: &mut Warp, lanes: u32, op: Float, ty: Type, [d, a, b, c]: [Slot; 4]) {
    let format = ty.format().expect("no double");
    words!(w, lanes, d, |a = a, b = b, c = c| narrow(op, format, a, b, c));
}

#[inline(never)]
pub fn half_pair(w: &mut Warp, lanes: u32, op: Float, ty: Type, [d, a, b, c]: [Slot; 4]) {
    let format = ty.format().expect("no double");
    words!(w, lanes, d, |a = a, b = b, c = c| {
        let low = narrow(op, format, a & 0xffff, b & 0xffff, c & 0xffff);
        low | narrow(op, format, a >> 16, b >> 16, c >> 16) << 16
    });
}

#[inline(never)]
pub fn double(w: &mut Warp, lanes: u32, op: Float, [d, a, b, c]: [Slot; 4]) {
    longs!(w, lanes, d, |a = longs a, b = longs b, c = longs c| {
        any(op, f64::from_bits(a), f64::from_bits(b), f64::from_bits(c)).to_bits()
    });
}
