//! Runs one instruction on all active lanes.

use super::space::Memory;
use super::warp::{Warp, longs, words};
use super::{Trouble, access, bits, convert, floats, ints, matrix};
use crate::ptx::code::{Logic, Op};

#[inline(always)]
pub fn step(w: &mut Warp, memory: &mut Memory<'_>, op: &Op, lanes: u32) -> Result<(), Trouble> {
    match *op {
        Op::Word(op, slots) => ints::word(w, lanes, op, slots),
        Op::Float(op, slots) => floats::float(w, lanes, op, slots),
        Op::Load { address, ref to, constant } => {
            return access::load(w, memory, lanes, address, to, constant);
        }
        Op::Store { address, ref from } => return access::store(w, memory, lanes, address, from),
        Op::Long(op, slots) => ints::long(w, lanes, op, slots),
        Op::Shift(op, slots) => ints::shift(w, lanes, op, slots),
        Op::Narrow(op, signed, slots) => ints::narrow(w, lanes, op, signed, slots),
        Op::Wide { signed, bits, d, a, b, c } => ints::wide(w, lanes, signed, bits, [d, a, b], c),
        Op::FloatTamed { op, flush, saturate, slots } => {
            floats::tamed(w, lanes, op, flush, saturate, slots)
        }
        Op::Half(op, ty, slots) => floats::half(w, lanes, op, ty, slots),
        Op::HalfPair(op, ty, slots) => floats::half_pair(w, lanes, op, ty, slots),
        Op::Double(op, slots) => floats::double(w, lanes, op, slots),
        Op::Convert { how, d, a } => convert::convert(w, lanes, how, d, a),
        Op::ConvertPair { how, d, a, b } => convert::pair(w, lanes, how, d, a, b),
        Op::Widen { d, a } => longs!(w, lanes, d, |a = words a| u64::from(a)),
        Op::Narrower { d, a } => {
            let a = w.longs[a as usize];
            w.put(d, lanes, &a.map(|a| a as u32));
        }
        Op::FloatOf { signed: true, d, a } => {
            words!(w, lanes, d, |a = a| (a as i32 as f32).to_bits())
        }
        Op::FloatOf { d, a, .. } => words!(w, lanes, d, |a = a| (a as f32).to_bits()),
        Op::Insert { d, a, b, at, len } => bits::insert(w, lanes, d, [a, b, at, len]),
        Op::Extract { signed, d, a, at, len } => bits::extract(w, lanes, signed, d, [a, at, len]),
        Op::Lop3 { d, a, b, c, table } => bits::lop3(w, lanes, d, [a, b, c], table),
        Op::Pack16 { d, parts: [low, high] } => {
            words!(w, lanes, d, |a = low, b = high| a | b << 16)
        }
        Op::Unpack16 { parts: [low, high], a } => {
            let a = w.words[a as usize];
            w.put(low, lanes, &a.map(|a| a & 0xffff));
            w.put(high, lanes, &a.map(|a| a >> 16));
        }
        Op::Pack32 { d, parts: [low, high] } => {
            longs!(w, lanes, d, |a = words low, b = words high| u64::from(a) | u64::from(b) << 32);
        }
        Op::Unpack32 { parts: [low, high], a } => {
            let a = w.longs[a as usize];
            w.put(low, lanes, &a.map(|a| a as u32));
            w.put(high, lanes, &a.map(|a| (a >> 32) as u32));
        }
        Op::Compare { how, ty, flush, d, not, a, b, and } => {
            bits::compare(w, lanes, how, ty, flush, [d, not, a, b], and);
        }
        Op::SelectWord { d, a, b, p } => {
            let mask = bits::spread(w.preds[p as usize]);
            let mut out = [0; super::LANES];
            let (a, b) = (&w.words[a as usize], &w.words[b as usize]);
            for i in 0..super::LANES {
                out[i] = a[i] & mask[i] | b[i] & !mask[i];
            }
            w.put(d, lanes, &out);
        }
        Op::SelectLong { d, a, b, p } => {
            let p = w.preds[p as usize];
            let (a, b) = (&w.longs[a as usize], &w.longs[b as usize]);
            let out = std::array::from_fn(|i| if p >> i & 1 != 0 { a[i] } else { b[i] });
            w.put_long(d, lanes, &out);
        }
        Op::Logic(logic, [d, a, b]) => {
            let (a, b) = (w.preds[a as usize], w.preds[b as usize]);
            w.put_pred(d, lanes, combine(logic, a, b));
        }
        Op::NotPred { d, a } => w.put_pred(d, lanes, !w.preds[a as usize]),
        Op::MovPred { d, a } => w.put_pred(d, lanes, w.preds[a as usize]),
        Op::Atomic { op, ty, address, d, a, b } => {
            return access::atomic(w, memory, lanes, op, ty, address, [d, a, b]);
        }
        Op::ToGeneric { space, d, a, .. } => {
            longs!(w, lanes, d, |a = longs a| a.wrapping_add(access::window(space)));
        }
        Op::FromGeneric { space, d, a, .. } => {
            longs!(w, lanes, d, |a = longs a| a.wrapping_sub(access::window(space)));
        }
        Op::Shuffle { how, d, p, a, b, c } => bits::shuffle(w, lanes, how, d, p, [a, b, c]),
        Op::Vote { how, d, a, negated } => bits::vote(w, lanes, how, d, a, negated),
        Op::TileLoad(ref access) => return matrix::load(w, memory, lanes, access),
        Op::TileStore(ref access) => return matrix::store(w, memory, lanes, access),
        Op::Mma(ref mma) => return matrix::multiply(w, lanes, mma),
        Op::Nothing => {}
    }
    Ok(())
}

pub fn combine(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
