//! Conversions between types.

use super::LANES;
use super::warp::Warp;
use crate::float::{F32, Rounding, flushed};
use crate::ptx::code::{Convert, Slot};
use crate::ptx::types::{File, Kind, Type};

#[inline(never)]
pub fn convert(w: &mut Warp, lanes: u32, how: Convert, d: Slot, a: Slot) {
    let from = match how.from.file() {
        File::Long => w.longs[a as usize],
        _ => w.words[a as usize].map(u64::from),
    };
    let to = each(&from, |x| one(how, x));
    match how.to.file() {
        File::Long => w.put_long(d, lanes, &to),
        _ => w.put(d, lanes, &to.map(|x| x as u32)),
    }
}

/// Calls `f` only once if all lanes hold the same value.
fn each(from: &[u64; LANES], f: impl Fn(u64) -> u64) -> [u64; LANES] {
    if from.iter().all(|&x| x == from[0]) { [f(from[0]); LANES] } else { from.map(f) }
}

#[inline(never)]
pub fn pair(w: &mut Warp, lanes: u32, how: Convert, d: Slot, a: Slot, b: Slot) {
    let (high, low) = (w.words[a as usize], w.words[b as usize]);
    let out = std::array::from_fn(|i| {
        (one(how, u64::from(high[i])) << 16 | one(how, u64::from(low[i]))) as u32
    });
    w.put(d, lanes, &out);
}

fn one(how: Convert, bits: u64) -> u64 {
    if how.from.is_float() {
        let x = float(how.from, bits);
        let x = if how.flush && how.from.bits == 32 { f64::from(flushed(x as f32)) } else { x };
        return if how.to.is_float() { to_float(how, x) } else { to_int(how, x) };
    }
    let x = int(how.from, bits);
    if !how.to.is_float() {
        let x = if how.saturate { x.clamp(least(how.to), most(how.to)) } else { x };
        return x as u64 & mask(how.to.bits);
    }
    // An f64 does not hold every 64-bit integer, so an f32 is not rounded from it.
    match how.to.format() {
        None => (x as f64).to_bits(),
        Some(F32) if how.rounding == Rounding::Nearest => u64::from((x as f32).to_bits()),
        Some(format) => u64::from(format.encode(x as f64, how.rounding)),
    }
}

fn float(ty: Type, bits: u64) -> f64 {
    match ty.format() {
        // The bits of a tf32 are those of an f32.
        _ if ty.kind == Kind::Tf32 => f64::from(f32::from_bits(bits as u32)),
        Some(format) => format.decode(bits as u32),
        None => f64::from_bits(bits),
    }
}

fn to_float(how: Convert, x: f64) -> u64 {
    let x = if how.integral { how.rounding.integer(x) } else { x };
    let x = match how.saturate {
        true if x > 0.0 => x.min(1.0),
        true => 0.0,
        false => x,
    };
    let rounding = if how.integral { Rounding::Nearest } else { how.rounding };
    match how.to.format() {
        None => x.to_bits(),
        Some(format) if how.to.kind == Kind::Tf32 => u64::from(format.encode(x, rounding) << 13),
        Some(format) => u64::from(format.encode(x, rounding)),
    }
}

/// Saturates; NaN gives 0.
fn to_int(how: Convert, x: f64) -> u64 {
    if x.is_nan() {
        return 0;
    }
    let x = how.rounding.integer(x) as i128;
    x.clamp(least(how.to), most(how.to)) as u64 & mask(how.to.bits)
}

fn int(ty: Type, bits: u64) -> i128 {
    let shift = 128 - ty.bits;
    let top = u128::from(bits) << shift;
    if ty.is_signed() { top as i128 >> shift } else { (top >> shift) as i128 }
}

fn mask(bits: u32) -> u64 {
    !0 >> (64 - bits)
}

fn least(ty: Type) -> i128 {
    if ty.is_signed() { -(1 << (ty.bits - 1)) } else { 0 }
}

fn most(ty: Type) -> i128 {
    (1 << (ty.bits - u32::from(ty.is_signed()))) - 1
}
