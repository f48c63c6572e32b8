//! Loads, stores and atomics.

use super::check::How;
use super::space::{LOCAL, Memory, SHARED};
use super::warp::{Longs, Warp};
use super::{LANES, Trouble};
use crate::ptx::code::{Address, Atomic, Elements, Float, Int, Slot, Space};
use crate::ptx::types::Type;

/// The first generic address of a space.
pub fn window(space: Space) -> u64 {
    match space {
        Space::Shared => SHARED,
        Space::Local => LOCAL,
        _ => 0,
    }
}

/// The address of each lane.
#[inline(always)]
pub fn addresses(w: &Warp, address: Address) -> Longs {
    let mut out = [0; LANES];
    if address.wide {
        let base = &w.longs[address.base as usize];
        for i in 0..LANES {
            out[i] = base[i].wrapping_add(address.offset as u64);
        }
    } else {
        let base = &w.words[address.base as usize];
        for i in 0..LANES {
            out[i] = u64::from(base[i].wrapping_add(address.offset as u32));
        }
    }
    out
}

#[inline(always)]
pub fn load(
    w: &mut Warp,
    memory: &mut Memory<'_>,
    lanes: u32,
    address: Address,
    to: &Elements,
    constant: bool,
) -> Result<(), Trouble> {
    let at = addresses(w, address);
    let how = if constant { How::ReadConstant } else { How::Read };
    let each = to.ty.bytes();
    let places = memory.places(address, &at, lanes, each * u32::from(to.count), how)?;
    for (i, &slot) in to.slots[..to.count as usize].iter().enumerate() {
        let offset = i * each as usize;
        match to.ty.bits {
            64 => w.put_long(slot, lanes, &places.longs(offset)),
            32 => w.put(slot, lanes, &places.words(offset)),
            16 => w.put(slot, lanes, &places.shorts(offset)),
            // Sign-extended to 32 bits, of which a narrower register holds the lower half.
            _ if to.ty.is_signed() => {
                w.put(slot, lanes, &places.bytes(offset).map(|x| x as i8 as u32))
            }
            _ => w.put(slot, lanes, &places.bytes(offset)),
        }
    }
    Ok(())
}

#[inline(always)]
pub fn store(
    w: &mut Warp,
    memory: &mut Memory<'_>,
    lanes: u32,
    address: Address,
    from: &Elements,
) -> Result<(), Trouble> {
    let at = addresses(w, address);
    let each = from.ty.bytes();
    let places = memory.places(address, &at, lanes, each * u32::from(from.count), How::Write)?;
    for (i, &slot) in from.slots[..from.count as usize].iter().enumerate() {
        let (offset, slot) = (i * each as usize, slot as usize);
        match from.ty.bits {
            64 => places.put_longs(offset, lanes, &w.longs[slot]),
            32 => places.put_words(offset, lanes, &w.words[slot]),
            16 => places.put_shorts(offset, lanes, &w.words[slot]),
            _ => places.put_bytes(offset, lanes, &w.words[slot]),
        }
    }
    Ok(())
}

#[inline(never)]
pub fn atomic(
    w: &mut Warp,
    memory: &mut Memory<'_>,
    lanes: u32,
    op: Atomic,
    ty: Type,
    address: Address,
    [d, a, b]: [Slot; 3],
) -> Result<(), Trouble> {
    let at = addresses(w, address);
    let places = memory.places(address, &at, lanes, ty.bytes(), How::Change)?;
    let active = |&lane: &usize| lanes >> lane & 1 != 0;
    if ty.bits == 64 {
        let (a, b, mut out) = (w.longs[a as usize], w.longs[b as usize], [0; LANES]);
        for lane in (0..LANES).filter(active) {
            out[lane] = places.change_long(lane, |old| changed_long(op, old, a[lane], b[lane]));
        }
        w.put_long(d, lanes, &out);
    } else {
        let (a, b, mut out) = (w.words[a as usize], w.words[b as usize], [0; LANES]);
        for lane in (0..LANES).filter(active) {
            out[lane] = places.change(lane, |old| changed(op, old, a[lane], b[lane]));
        }
        w.put(d, lanes, &out);
    }
    Ok(())
}

fn changed(op: Atomic, old: u32, a: u32, b: u32) -> u32 {
    match op {
        Atomic::Float(Float::Add) => (f32::from_bits(old) + f32::from_bits(a)).to_bits(),
        Atomic::Int(Int::MinSigned) => (old as i32).min(a as i32) as u32,
        Atomic::Int(Int::MaxSigned) => (old as i32).max(a as i32) as u32,
        Atomic::Int(Int::Add) => old.wrapping_add(a),
        op => changed_long(op, u64::from(old), u64::from(a), u64::from(b)) as u32,
    }
}

fn changed_long(op: Atomic, old: u64, a: u64, b: u64) -> u64 {
    match op {
        Atomic::Exchange => a,
        Atomic::Swap => {
            if old == a {
                b
            } else {
                old
            }
        }
        Atomic::Int(Int::Add) => old.wrapping_add(a),
        Atomic::Int(Int::MinUnsigned) => old.min(a),
        Atomic::Int(Int::MaxUnsigned) => old.max(a),
        Atomic::Int(Int::MinSigned) => (old as i64).min(a as i64) as u64,
        Atomic::Int(Int::MaxSigned) => (old as i64).max(a as i64) as u64,
        Atomic::Int(Int::And) => old & a,
        Atomic::Int(Int::Or) => old | a,
        Atomic::Int(Int::Xor) => old ^ a,
        _ => unreachable!("refused before"),
    }
}
