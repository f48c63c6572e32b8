//! Comparisons, bit fields, and shuffles and votes of lanes.

use super::LANES;
use super::step::combine;
use super::warp::{Warp, Words, words};
use crate::float::flushed;
use crate::ptx::code::{Compare, Logic, NONE, Shuffle, Slot, Vote};
use crate::ptx::types::{Kind, Type};

/// A mask for each lane: all bits if the bit of the lane is set.
#[inline(always)]
pub fn spread(bits: u32) -> Words {
    let mut out = [0; LANES];
    for (i, out) in out.iter_mut().enumerate() {
        *out = (bits >> i & 1).wrapping_neg();
    }
    out
}

/// The lowest bit of each lane's word.
#[inline(always)]
fn gathered(words: &Words) -> u32 {
    let mut bits = 0;
    for (i, &word) in words.iter().enumerate() {
        bits |= (word & 1) << i;
    }
    bits
}

#[inline(always)]
pub fn compare(
    w: &mut Warp,
    lanes: u32,
    how: Compare,
    ty: Type,
    flush: bool,
    [d, not, a, b]: [Slot; 4],
    and: Option<(Logic, Slot, bool)>,
) {
    let [less, equal, greater, unordered] =
        [how.less, how.equal, how.greater, how.unordered].map(u32::from);
    let mut out = [0u32; LANES];
    macro_rules! run {
        ($file:ident, |$x:ident| $read:expr) => {{
            let (a, b) = (&w.$file[a as usize], &w.$file[b as usize]);
            for i in 0..LANES {
                let (a, b) = (
                    {
                        let $x = a[i];
                        $read
                    },
                    {
                        let $x = b[i];
                        $read
                    },
                );
                let [below, same, above] = [a < b, a == b, a > b].map(u32::from);
                // None of the three holds if an operand is NaN.
                let none = 1 - (below | same | above);
                out[i] = below & less | same & equal | above & greater | none & unordered;
            }
        }};
    }
    match (ty.kind, ty.bits) {
        (Kind::Unsigned, 64) => run!(longs, |x| x),
        (Kind::Signed, 64) => run!(longs, |x| x as i64),
        (Kind::Float, 64) => run!(longs, |x| f64::from_bits(x)),
        (Kind::Unsigned, _) => run!(words, |x| x),
        (Kind::Signed, 32) => run!(words, |x| x as i32),
        (Kind::Signed, _) => run!(words, |x| x as i16),
        (Kind::Float, 32) if flush => run!(words, |x| flushed(f32::from_bits(x))),
        (Kind::Float, 32) => run!(words, |x| f32::from_bits(x)),
        _ => {
            let format = ty.format().expect("refused before");
            run!(words, |x| format.decode(x));
        }
    }
    let found = gathered(&out);
    let with = |found| match and {
        None => found,
        Some((logic, p, negated)) => {
            let p = w.preds[p as usize];
            combine(logic, found, if negated { !p } else { p })
        }
    };
    let (found, contrary) = (with(found), with(!found));
    w.put_pred(d, lanes, found);
    if not != NONE {
        w.put_pred(not, lanes, contrary);
    }
}

#[inline(always)]
pub fn insert(w: &mut Warp, lanes: u32, d: Slot, [a, b, at, len]: [Slot; 4]) {
    words!(w, lanes, d, |a = a, b = b, at = at, len = len| {
        let (at, len) = (at & 255, len & 255);
        let mask = if at > 31 { 0 } else { field(len) << at };
        b & !mask | a.checked_shl(at).unwrap_or(0) & mask
    });
}

fn field(len: u32) -> u32 {
    if len > 31 { !0 } else { (1 << len) - 1 }
}

#[inline(never)]
pub fn extract(w: &mut Warp, lanes: u32, signed: bool, d: Slot, [a, at, len]: [Slot; 3]) {
    words!(w, lanes, d, |a = a, at = at, len = len| {
        let (at, len) = (at & 255, len & 255);
        let value = if signed { i64::from(a as i32) } else { i64::from(a) };
        let shifted = value >> at.min(63);
        let cut = 64 - len.min(32);
        match (len, signed) {
            (0, _) => 0,
            (_, true) => (shifted << cut >> cut) as u32,
            (_, false) => shifted as u32 & field(len),
        }
    });
}

#[inline(never)]
pub fn lop3(w: &mut Warp, lanes: u32, d: Slot, [a, b, c]: [Slot; 3], table: u8) {
    words!(w, lanes, d, |a = a, b = b, c = c| {
        let mut out = 0;
        for case in (0..8).filter(|case| table >> case & 1 != 0) {
            let part = |x: u32, bit: u32| if case >> bit & 1 != 0 { x } else { !x };
            out |= part(a, 2) & part(b, 1) & part(c, 0);
        }
        out
    });
}

/// Lanes read each other's words; an inactive lane gives what its register holds.
#[inline(never)]
pub fn shuffle(w: &mut Warp, lanes: u32, how: Shuffle, d: Slot, p: Slot, [a, b, c]: [Slot; 3]) {
    let [a, b, c] = [a, b, c].map(|slot| w.words[slot as usize]);
    let (mut out, mut within) = ([0; LANES], 0);
    for lane in 0..LANES as u32 {
        let i = lane as usize;
        let (by, bound, segment) = (b[i] & 31, c[i] & 31, c[i] >> 8 & 31);
        let most = lane & segment | bound & !segment;
        let least = lane & segment;
        let (from, valid) = match how {
            Shuffle::Up => (lane.wrapping_sub(by), lane as i32 - by as i32 >= most as i32),
            Shuffle::Down => (lane + by, lane + by <= most),
            Shuffle::Butterfly => (lane ^ by, (lane ^ by) <= most),
            Shuffle::Index => (least | by & !segment, (least | by & !segment) <= most),
        };
        let from = if valid { from } else { lane };
        out[i] = a[from as usize & 31];
        within |= u32::from(valid) << lane;
    }
    w.put(d, lanes, &out);
    if p != NONE {
        w.put_pred(p, lanes, within);
    }
}

#[inline(never)]
pub fn vote(w: &mut Warp, lanes: u32, how: Vote, d: Slot, a: Slot, negated: bool) {
    let read = |a: Slot| w.preds[a as usize] ^ if negated { !0 } else { 0 };
    match how {
        Vote::Active => w.put(d, lanes, &[lanes; LANES]),
        Vote::Ballot => w.put(d, lanes, &[read(a) & lanes; LANES]),
        Vote::Any => w.put_pred(d, lanes, if read(a) & lanes != 0 { !0 } else { 0 }),
        Vote::All => w.put_pred(d, lanes, if read(a) & lanes == lanes { !0 } else { 0 }),
    }
}
