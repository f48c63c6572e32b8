//! Matrix fragments and their products.
//!
//! The registers of a lane hold consecutive elements, by rows; if lanes have more room than a matrix has elements, the
//! elements repeat. The layout of a real device is different, and programs may not depend on it.

use super::access::addresses;
use super::check::How;
use super::space::Memory;
use super::warp::{Longs, Warp};
use super::{ILLEGAL_INSTRUCTION, LANES, MISALIGNED_ADDRESS, Trouble};
use crate::float::{bf16, f16};
use crate::ptx::code::{Mma, Tile, TileAccess};
use crate::ptx::types::{Kind, Type};

/// The largest number of elements of a matrix.
const MOST: usize = 32 * 16;

/// Fails unless all lanes take part; on a device the result would be undefined.
fn together(lanes: u32) -> Result<(), Trouble> {
    match lanes {
        u32::MAX => Ok(()),
        lanes => Err(Trouble {
            code: ILLEGAL_INSTRUCTION,
            lane: lanes.trailing_zeros() as usize,
            what: format!("a matrix of lanes {lanes:#x} alone"),
        }),
    }
}

/// The number of elements per lane.
fn each(tile: &Tile) -> usize {
    tile.slots.len() * 32 / tile.ty.bits as usize
}

/// The address of element `number` of each lane.
fn places(access: &TileAccess, base: &Longs, strides: &Longs, number: usize) -> Longs {
    let (tile, each) = (&access.tile, each(&access.tile));
    std::array::from_fn(|lane| {
        let index = (lane * each + number) % (tile.rows * tile.columns);
        let (row, column) = ((index / tile.columns) as u64, (index % tile.columns) as u64);
        let (outer, inner) = if access.by_rows { (row, column) } else { (column, row) };
        base[lane].wrapping_add((outer * strides[lane] + inner) * u64::from(tile.ty.bytes()))
    })
}

/// The base addresses and strides of an access by all lanes, checked for the alignment that a device requires.
fn begin(w: &Warp, lanes: u32, access: &TileAccess) -> Result<(Longs, Longs), Trouble> {
    together(lanes)?;
    let tile = &access.tile;
    let base = addresses(w, access.address);
    let own = if access.by_rows { tile.columns } else { tile.rows };
    let strides = match access.stride {
        Some(slot) => w.words[slot as usize].map(u64::from),
        None => [own as u64; LANES],
    };
    let wrong = |what: String| Trouble { code: MISALIGNED_ADDRESS, lane: 0, what };
    if !base[0].is_multiple_of(32) {
        return Err(wrong(format!("a matrix at address {:#x}, which 32 does not divide", base[0])));
    }
    if strides[0] * u64::from(tile.ty.bytes()) % 16 != 0 {
        return Err(wrong(format!(
            "a matrix with a stride of {} elements: no multiple of 16 bytes",
            strides[0]
        )));
    }
    if base.iter().any(|&x| x != base[0]) || strides.iter().any(|&x| x != strides[0]) {
        let what = "a matrix that lies elsewhere for some lanes".into();
        return Err(Trouble { code: ILLEGAL_INSTRUCTION, lane: 0, what });
    }
    Ok((base, strides))
}

#[inline(never)]
pub fn load(
    w: &mut Warp,
    memory: &mut Memory<'_>,
    lanes: u32,
    access: &TileAccess,
) -> Result<(), Trouble> {
    let (base, strides) = begin(w, lanes, access)?;
    for (i, &slot) in access.tile.slots.iter().enumerate() {
        if access.tile.ty.bits == 32 {
            let at = places(access, &base, &strides, i);
            let found = memory.places(access.address, &at, lanes, 4, How::Read)?;
            w.put(slot, lanes, &found.words(0));
            continue;
        }
        let [low, high] = [2 * i, 2 * i + 1].map(|number| places(access, &base, &strides, number));
        let low = memory.places(access.address, &low, lanes, 2, How::Read)?.shorts(0);
        let high = memory.places(access.address, &high, lanes, 2, How::Read)?.shorts(0);
        w.put(slot, lanes, &std::array::from_fn(|lane| low[lane] | high[lane] << 16));
    }
    Ok(())
}

#[inline(never)]
pub fn store(
    w: &mut Warp,
    memory: &mut Memory<'_>,
    lanes: u32,
    access: &TileAccess,
) -> Result<(), Trouble> {
    let (base, strides) = begin(w, lanes, access)?;
    for (i, &slot) in access.tile.slots.iter().enumerate() {
        let held = w.words[slot as usize];
        if access.tile.ty.bits == 32 {
            let at = places(access, &base, &strides, i);
            memory.places(access.address, &at, lanes, 4, How::Write)?.put_words(0, lanes, &held);
            continue;
        }
        for (half, part) in [held, held.map(|x| x >> 16)].iter().enumerate() {
            let at = places(access, &base, &strides, 2 * i + half);
            memory.places(access.address, &at, lanes, 2, How::Write)?.put_shorts(0, lanes, part);
        }
    }
    Ok(())
}

/// The value of an operand; a product ignores the bits of an f32 that tf32 lacks.
fn value(ty: Type, bits: u32) -> f32 {
    match (ty.kind, ty.bits) {
        (Kind::Tf32, _) => f32::from_bits(bits & 0xffff_e000),
        (Kind::Bf16, _) => bf16(bits),
        (_, 16) => f16(bits),
        _ => f32::from_bits(bits),
    }
}

/// Collects a matrix by rows.
fn gather(w: &Warp, tile: &Tile) -> [f32; MOST] {
    let (mut out, size, each) = ([0.0; MOST], tile.rows * tile.columns, each(tile));
    for lane in 0..(size / each).min(LANES) {
        for (i, out) in out[lane * each..(lane + 1) * each].iter_mut().enumerate() {
            let bits = match tile.ty.bits {
                32 => w.words[tile.slots[i] as usize][lane],
                _ => w.words[tile.slots[i / 2] as usize][lane] >> (16 * (i % 2)) & 0xffff,
            };
            *out = value(tile.ty, bits);
        }
    }
    out
}

#[inline(always)]
pub fn multiply(w: &mut Warp, lanes: u32, mma: &Mma) -> Result<(), Trouble> {
    together(lanes)?;
    let (a, b, mut c) = (gather(w, &mma.a), gather(w, &mma.b), gather(w, &mma.c));
    let (columns, inner) = (mma.b.columns, mma.b.rows);
    for (a, c) in a.chunks_exact(inner).zip(c.chunks_exact_mut(columns)).take(mma.a.rows) {
        for (&a, b) in a.iter().zip(b.chunks_exact(columns)) {
            for (c, &b) in c.iter_mut().zip(b) {
                *c = a.mul_add(b, *c);
            }
        }
    }
    scatter(w, lanes, &mma.d, &c);
    Ok(())
}

fn scatter(w: &mut Warp, lanes: u32, tile: &Tile, from: &[f32; MOST]) {
    let (size, each) = (tile.rows * tile.columns, each(tile));
    for (i, &slot) in tile.slots.iter().enumerate() {
        let out = std::array::from_fn(|lane| {
            let at = |number: usize| from[(lane * each + number) % size];
            match tile.ty.format() {
                Some(format) if tile.ty.bits == 16 => {
                    let half = |number| {
                        format.encode(f64::from(at(number)), crate::float::Rounding::Nearest)
                    };
                    half(2 * i) | half(2 * i + 1) << 16
                }
                _ => at(i).to_bits(),
            }
        });
        w.put(slot, lanes, &out);
    }
}
