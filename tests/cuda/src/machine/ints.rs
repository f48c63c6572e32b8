//! Integer operations.

use super::warp::{Warp, longs, words};
use crate::ptx::code::{Int, Slot};

/// The operations that 32 and 64 bits have in common.
macro_rules! common {
    ($op:expr, $a:ident, $b:ident, $c:ident, $u:ty, $s:ty, $run:ident, $otherwise:expr) => {
        match $op {
            Int::Mov => $run!(|a| a),
            Int::Add => $run!(|a, b| a.wrapping_add(b)),
            Int::Sub => $run!(|a, b| a.wrapping_sub(b)),
            Int::Mul => $run!(|a, b| a.wrapping_mul(b)),
            Int::Mad => $run!(|a, b, c| a.wrapping_mul(b).wrapping_add(c)),
            // The result of a division by zero is unspecified.
            Int::DivUnsigned => $run!(|a, b| a.checked_div(b).unwrap_or(<$u>::MAX)),
            Int::RemUnsigned => $run!(|a, b| a.checked_rem(b).unwrap_or(<$u>::MAX)),
            Int::DivSigned => {
                $run!(|a, b| if b == 0 { <$u>::MAX } else { (a as $s).wrapping_div(b as $s) as $u })
            }
            Int::RemSigned => {
                $run!(|a, b| if b == 0 { <$u>::MAX } else { (a as $s).wrapping_rem(b as $s) as $u })
            }
            Int::MinUnsigned => $run!(|a, b| a.min(b)),
            Int::MaxUnsigned => $run!(|a, b| a.max(b)),
            Int::MinSigned => $run!(|a, b| (a as $s).min(b as $s) as $u),
            Int::MaxSigned => $run!(|a, b| (a as $s).max(b as $s) as $u),
            Int::And => $run!(|a, b| a & b),
            Int::Or => $run!(|a, b| a | b),
            Int::Xor => $run!(|a, b| a ^ b),
            Int::Not => $run!(|a| !a),
            Int::Cnot => $run!(|a| <$u>::from(a == 0)),
            Int::Neg => $run!(|a| a.wrapping_neg()),
            Int::Abs => $run!(|a| (a as $s).wrapping_abs() as $u),
            _ => $otherwise,
        }
    };
}

#[inline(always)]
pub fn word(w: &mut Warp, lanes: u32, op: Int, [d, a, b, c]: [Slot; 4]) {
    macro_rules! run {
        (|$x:ident| $f:expr) => { words!(w, lanes, d, |$x = a| $f) };
        (|$x:ident, $y:ident| $f:expr) => { words!(w, lanes, d, |$x = a, $y = b| $f) };
        (|$x:ident, $y:ident, $z:ident| $f:expr) => { words!(w, lanes, d, |$x = a, $y = b, $z = c| $f) };
    }
    common!(
        op,
        a,
        b,
        c,
        u32,
        i32,
        run,
        match op {
            Int::HighUnsigned => run!(|a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32),
            Int::HighSigned =>
                run!(|a, b| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32),
            Int::Shl => run!(|a, b| if b < 32 { a << (b & 31) } else { 0 }),
            Int::ShrUnsigned => run!(|a, b| if b < 32 { a >> (b & 31) } else { 0 }),
            Int::ShrSigned => run!(|a, b| (a as i32 >> b.min(31)) as u32),
            Int::Mul24 => run!(|a, b| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff)),
            Int::Popc => run!(|a| a.count_ones()),
            Int::Clz => run!(|a| a.leading_zeros()),
            Int::Brev => run!(|a| a.reverse_bits()),
            Int::FunnelRight =>
                run!(|a, b, c| ((u64::from(b) << 32 | u64::from(a)) >> (c & 31)) as u32),
            Int::FunnelLeft =>
                run!(|a, b, c| ((u64::from(b) << 32 | u64::from(a)) << (c & 31) >> 32) as u32),
            Int::Prmt => run!(|a, b, c| permuted(a, b, c)),
            _ => unreachable!("the common ones came before"),
        }
    );
}

/// Selects four of eight bytes; the fourth bit of a selector replicates the sign of the byte.
fn permuted(a: u32, b: u32, choice: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    u32::from_le_bytes(std::array::from_fn(|i| {
        let pick = choice >> (4 * i);
        let byte = bytes[(pick & 7) as usize];
        if pick & 8 != 0 { (byte as i8 >> 7) as u8 } else { byte }
    }))
}

#[inline(always)]
pub fn long(w: &mut Warp, lanes: u32, op: Int, [d, a, b, c]: [Slot; 4]) {
    macro_rules! run {
        (|$x:ident| $f:expr) => { longs!(w, lanes, d, |$x = longs a| $f) };
        (|$x:ident, $y:ident| $f:expr) => { longs!(w, lanes, d, |$x = longs a, $y = longs b| $f) };
        (|$x:ident, $y:ident, $z:ident| $f:expr) => { longs!(w, lanes, d, |$x = longs a, $y = longs b, $z = longs c| $f) };
    }
    common!(
        op,
        a,
        b,
        c,
        u64,
        i64,
        run,
        match op {
            Int::HighUnsigned => run!(|a, b| ((u128::from(a) * u128::from(b)) >> 64) as u64),
            Int::HighSigned =>
                run!(|a, b| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
            _ => unreachable!("refused before"),
        }
    );
}

#[inline(always)]
pub fn shift(w: &mut Warp, lanes: u32, op: Int, [d, a, b]: [Slot; 3]) {
    match op {
        Int::Shl => {
            longs!(w, lanes, d, |a = longs a, b = words b| if b < 64 { a << (b & 63) } else { 0 })
        }
        Int::ShrSigned => {
            longs!(w, lanes, d, |a = longs a, b = words b| (a as i64 >> b.min(63)) as u64)
        }
        _ => longs!(w, lanes, d, |a = longs a, b = words b| if b < 64 { a >> (b & 63) } else { 0 }),
    }
}

/// 16-bit operations, computed in 64 bits.
#[inline(never)]
pub fn narrow(w: &mut Warp, lanes: u32, op: Int, signed: bool, [d, a, b, c]: [Slot; 4]) {
    let read = |x: u32| if signed { i64::from(x as i16) } else { i64::from(x & 0xffff) };
    // A shift count has 32 bits.
    let count = |x: u32| x.min(63);
    words!(w, lanes, d, |a = a, b = b, c = c| {
        let (x, y, z) = (read(a), read(b), read(c));
        let out = match op {
            Int::Mov => x,
            Int::Add => x + y,
            Int::Sub => x - y,
            Int::Mul => x * y,
            Int::Mad => x * y + z,
            Int::DivUnsigned | Int::DivSigned => x.checked_div(y).unwrap_or(-1),
            Int::RemUnsigned | Int::RemSigned => x.checked_rem(y).unwrap_or(-1),
            Int::MinUnsigned | Int::MinSigned => x.min(y),
            Int::MaxUnsigned | Int::MaxSigned => x.max(y),
            Int::And => x & y,
            Int::Or => x | y,
            Int::Xor => x ^ y,
            Int::Not => !x,
            Int::Cnot => i64::from(x == 0),
            Int::Neg => -x,
            Int::Abs => x.abs(),
            Int::Shl if b > 15 => 0,
            Int::Shl => x << count(b),
            Int::ShrUnsigned | Int::ShrSigned => x >> count(b),
            _ => unreachable!("refused before"),
        };
        out as u32 & 0xffff
    });
}

/// A product with twice the bits of its factors.
#[inline(always)]
pub fn wide(
    w: &mut Warp,
    lanes: u32,
    signed: bool,
    bits: u32,
    [d, a, b]: [Slot; 3],
    c: Option<Slot>,
) {
    match (bits, signed, c) {
        (32, false, None) => {
            longs!(w, lanes, d, |a = words a, b = words b| u64::from(a) * u64::from(b))
        }
        (32, true, None) => {
            longs!(w, lanes, d, |a = words a, b = words b| (i64::from(a as i32) * i64::from(b as i32)) as u64);
        }
        (32, false, Some(c)) => {
            longs!(w, lanes, d, |a = words a, b = words b, c = longs c| {
                (u64::from(a) * u64::from(b)).wrapping_add(c)
            });
        }
        (32, true, Some(c)) => {
            longs!(w, lanes, d, |a = words a, b = words b, c = longs c| {
                (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64
            });
        }
        (_, signed, c) => {
            let read = |x: u32| if signed { x as i16 as u32 } else { x & 0xffff };
            let add = c.map_or([0; super::LANES], |c| w.words[c as usize]);
            let mut out = [0; super::LANES];
            for (i, out) in out.iter_mut().enumerate() {
                let (a, b) = (w.words[a as usize][i], w.words[b as usize][i]);
                *out = read(a).wrapping_mul(read(b)).wrapping_add(add[i]);
            }
            w.put(d, lanes, &out);
        }
    }
}
