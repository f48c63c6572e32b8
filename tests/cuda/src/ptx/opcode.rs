//! Decodes one instruction from its words and operands. An instruction that is not fully understood is refused.

use super::args::{Words, vector};
use super::code::*;
use super::names::Names;
use super::types::{File, Kind, Type};
use crate::float::Rounding;

type Result<T> = std::result::Result<T, String>;

const WORD: Type = Type { kind: Kind::Bits, bits: 32 };
const LONG: Type = Type { kind: Kind::Bits, bits: 64 };
const SHORT: Type = Type { kind: Kind::Bits, bits: 16 };
const PRED: Type = Type { kind: Kind::Pred, bits: 1 };

/// The operands of an instruction, and the names of its function.
struct Args<'a, 'n> {
    all: &'a [&'a str],
    names: &'n mut Names,
}

impl<'a> Args<'a, '_> {
    fn text(&self, i: usize) -> Result<&'a str> {
        self.all.get(i).copied().ok_or_else(|| "too few operands".into())
    }

    fn target(&mut self, i: usize, ty: Type) -> Result<Slot> {
        let text = self.text(i)?;
        self.names.target(text, ty.file())
    }

    fn source(&mut self, i: usize, ty: Type) -> Result<Slot> {
        let text = self.text(i)?;
        self.names.source(text, ty)
    }

    fn constant(&mut self, ty: Type, value: u64) -> Result<Slot> {
        self.names.constant(ty.file(), value)
    }

    /// `[d, a, b, c]` of an operation on `count` operands; unused slots repeat `a`.
    fn slots(&mut self, ty: Type, count: usize) -> Result<[Slot; 4]> {
        if self.all.len() != count + 1 {
            return Err(format!("{} operands, not {}", self.all.len(), count + 1));
        }
        let (d, a) = (self.target(0, ty)?, self.source(1, ty)?);
        let mut slots = [d, a, a, a];
        for (i, slot) in slots.iter_mut().enumerate().take(count + 1).skip(2) {
            *slot = self.source(i, ty)?;
        }
        Ok(slots)
    }

    fn targets(&mut self, i: usize, ty: Type) -> Result<Vec<Slot>> {
        vector(self.text(i)?).iter().map(|name| self.names.target(name, ty.file())).collect()
    }

    fn sources(&mut self, i: usize, ty: Type) -> Result<Vec<Slot>> {
        vector(self.text(i)?).iter().map(|name| self.names.source(name, ty)).collect()
    }

    /// A predicate, and whether it is negated.
    fn pred(&mut self, i: usize) -> Result<(Slot, bool)> {
        let text = self.text(i)?;
        let (negated, name) = text.strip_prefix('!').map_or((false, text), |name| (true, name));
        Ok((self.names.source(name, PRED)?, negated))
    }
}

pub fn operation(name: &str, mut words: Words<'_>, all: &[&str], names: &mut Names) -> Result<Op> {
    let args = &mut Args { all, names };
    let words = &mut words;
    let op = match name {
        "mov" => mov(words, args),
        "add" => both(words, args, 2, Some(Int::Add), Some(Float::Add)),
        "sub" => both(words, args, 2, Some(Int::Sub), Some(Float::Sub)),
        "mul" => mul(words, args),
        "mad" => mad(words, args),
        "mul24" => mul24(words, args),
        "fma" => both(words, args, 3, None, Some(Float::Fma)),
        "div" => signed(words, args, Int::DivUnsigned, Int::DivSigned, Some(Float::Div)),
        "rem" => signed(words, args, Int::RemUnsigned, Int::RemSigned, None),
        "min" => signed(words, args, Int::MinUnsigned, Int::MinSigned, Some(Float::Min)),
        "max" => signed(words, args, Int::MaxUnsigned, Int::MaxSigned, Some(Float::Max)),
        "neg" => both(words, args, 1, Some(Int::Neg), Some(Float::Neg)),
        "abs" => both(words, args, 1, Some(Int::Abs), Some(Float::Abs)),
        "rcp" => both(words, args, 1, None, Some(Float::Rcp)),
        "sqrt" => both(words, args, 1, None, Some(Float::Sqrt)),
        "rsqrt" => both(words, args, 1, None, Some(Float::Rsqrt)),
        "ex2" => both(words, args, 1, None, Some(Float::Exp2)),
        "lg2" => both(words, args, 1, None, Some(Float::Log2)),
        "sin" => both(words, args, 1, None, Some(Float::Sin)),
        "cos" => both(words, args, 1, None, Some(Float::Cos)),
        "tanh" => both(words, args, 1, None, Some(Float::Tanh)),
        "and" => logic(words, args, Int::And, Logic::And),
        "or" => logic(words, args, Int::Or, Logic::Or),
        "xor" => logic(words, args, Int::Xor, Logic::Xor),
        "not" => not(words, args),
        "cnot" => both(words, args, 1, Some(Int::Cnot), None),
        "popc" => counted(words, args, Int::Popc),
        "clz" => counted(words, args, Int::Clz),
        "brev" => counted(words, args, Int::Brev),
        "shl" => shift(words, args, Int::Shl),
        "shr" => shift(words, args, Int::ShrUnsigned),
        "shf" => funnel(words, args),
        "prmt" => both(words, args, 3, Some(Int::Prmt), None),
        "bfi" => insert(words, args),
        "bfe" => extract(words, args),
        "lop3" => lop3(words, args),
        "cvt" => convert(words, args),
        "setp" => compare(words, args),
        "selp" => select(words, args),
        "ld" | "ldu" => load(words, args),
        "st" => store(words, args),
        "atom" | "red" => atomic(words, args, name == "atom"),
        "cvta" => generic(words, args),
        "shfl" => shuffle(words, args),
        "vote" => vote(words, args),
        "activemask" => {
            let d = args.target(0, words.ty()?)?;
            Ok(Op::Vote { how: Vote::Active, d, a: NONE, negated: false })
        }
        "wmma" => wmma(words, args),
        "membar" => {
            words.find(|word| ["gl", "cta", "sys"].contains(&word).then_some(()));
            Ok(Op::Nothing)
        }
        "fence" => {
            for word in ["sc", "acq_rel", "cta", "gpu", "sys", "cluster"] {
                words.take(word);
            }
            Ok(Op::Nothing)
        }
        // Lanes run in lockstep.
        "bar" | "barrier" if words.take("sync") => Ok(Op::Nothing),
        _ => Err(format!("`{name}` is not known here")),
    }?;
    std::mem::replace(words, Words::new("").1).done()?;
    Ok(op)
}

fn rounding(words: &mut Words<'_>) -> Option<Rounding> {
    words.find(|word| match word {
        "rn" => Some(Rounding::Nearest),
        "rna" => Some(Rounding::Away),
        "rz" => Some(Rounding::Zero),
        "rm" => Some(Rounding::Down),
        "rp" => Some(Rounding::Up),
        _ => None,
    })
}

/// An operation on integers, on floats or on both.
fn both(
    words: &mut Words<'_>,
    args: &mut Args<'_, '_>,
    count: usize,
    int: Option<Int>,
    op: Option<Float>,
) -> Result<Op> {
    let pair = words.find(|word| match word {
        "f16x2" => Type::parse("f16"),
        "bf16x2" => Type::parse("bf16"),
        _ => None,
    });
    if let (Some(ty), Some(op)) = (pair, op) {
        words.take("rn");
        return Ok(Op::HalfPair(op, ty, args.slots(WORD, count)?));
    }
    let ty = words.ty()?;
    match (int, op) {
        (_, Some(op)) if ty.is_float() => floats(words, args, count, op, ty),
        (Some(op), _) if !ty.is_float() => Ok(match ty.bits {
            16 if [Int::HighSigned, Int::HighUnsigned, Int::Clz, Int::Brev, Int::Prmt]
                .contains(&op) =>
            {
                return Err("not on 16 bits".into());
            }
            16 => Op::Narrow(op, ty.is_signed(), args.slots(ty, count)?),
            32 => Op::Word(op, args.slots(ty, count)?),
            64 => Op::Long(op, args.slots(ty, count)?),
            _ => return Err(format!("not on {ty:?}")),
        }),
        _ => Err(format!("not on {ty:?}")),
    }
}

fn floats(
    words: &mut Words<'_>,
    args: &mut Args<'_, '_>,
    count: usize,
    op: Float,
    ty: Type,
) -> Result<Op> {
    let rounding = rounding(words);
    let approximate = words.take("approx") | words.take("full");
    let (flush, saturate) = (words.take("ftz"), words.take("sat"));
    let op = match op {
        Float::Min if words.take("NaN") => Float::MinNan,
        Float::Max if words.take("NaN") => Float::MaxNan,
        op => op,
    };
    if approximate && rounding.is_some() {
        return Err("both rounded and approximate".into());
    }
    let slots = args.slots(ty, count)?;
    let (op, slots) = match rounding {
        None | Some(Rounding::Nearest) => (op, slots),
        Some(rounding) if ty.bits == 32 => directed(args, op, rounding, slots)?,
        Some(_) => return Err("no such rounding here".into()),
    };
    Ok(match (ty.kind, ty.bits) {
        (Kind::Float, 32) if flush || saturate => Op::FloatTamed { op, flush, saturate, slots },
        (Kind::Float, 32) => Op::Float(op, slots),
        (Kind::Float, 64) if !flush && !saturate => Op::Double(op, slots),
        (Kind::Float | Kind::Bf16, 16) if !flush && !saturate => Op::Half(op, ty, slots),
        _ => return Err(format!("not on {ty:?}")),
    })
}

/// Sums and products with directed rounding, as fused multiply-adds.
fn directed(
    args: &mut Args<'_, '_>,
    op: Float,
    to: Rounding,
    [d, a, b, c]: [Slot; 4],
) -> Result<(Float, [Slot; 4])> {
    let slots = match op {
        Float::Fma => [d, a, b, c],
        Float::Add => [d, a, args.constant(WORD, u64::from(1f32.to_bits()))?, b],
        Float::Mul => [d, a, b, args.constant(WORD, u64::from((-0f32).to_bits()))?],
        _ => return Err("no such rounding here".into()),
    };
    Ok((Float::FmaTo(to), slots))
}

/// An operation whose integers may be signed.
fn signed(
    words: &mut Words<'_>,
    args: &mut Args<'_, '_>,
    unsigned: Int,
    signed: Int,
    op: Option<Float>,
) -> Result<Op> {
    let is_signed = ["s16", "s32", "s64"].iter().any(|ty| words.has(ty));
    both(words, args, 2, Some(if is_signed { signed } else { unsigned }), op)
}

fn mul(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    if words.take("wide") {
        return wide(words, args, false);
    }
    if words.take("hi") {
        return signed(words, args, Int::HighUnsigned, Int::HighSigned, None);
    }
    words.take("lo");
    both(words, args, 2, Some(Int::Mul), Some(Float::Mul))
}

fn mad(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    if words.take("wide") {
        return wide(words, args, true);
    }
    words.take("lo");
    both(words, args, 3, Some(Int::Mad), Some(Float::Fma))
}

fn mul24(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    match (words.take("lo"), words.ty()?) {
        (true, ty @ Type { kind: Kind::Unsigned, bits: 32 }) => {
            Ok(Op::Word(Int::Mul24, args.slots(ty, 2)?))
        }
        _ => Err("no such product here".into()),
    }
}

fn wide(words: &mut Words<'_>, args: &mut Args<'_, '_>, add: bool) -> Result<Op> {
    let ty = words.ty()?;
    let result = match ty.bits {
        16 => WORD,
        32 => LONG,
        _ => return Err(format!("not on {ty:?}")),
    };
    let (d, a, b) = (args.target(0, result)?, args.source(1, ty)?, args.source(2, ty)?);
    let c = if add { Some(args.source(3, result)?) } else { None };
    Ok(Op::Wide { signed: ty.is_signed(), bits: ty.bits, d, a, b, c })
}

fn mov(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let ty = words.ty()?;
    let (to, from) = (vector(args.text(0)?).len(), vector(args.text(1)?).len());
    let half = if ty.bits == 64 { WORD } else { SHORT };
    Ok(match (ty.file(), to, from) {
        (File::Pred, 1, 1) => Op::MovPred { d: args.target(0, ty)?, a: args.source(1, ty)? },
        (File::Word, 1, 1) => Op::Word(Int::Mov, args.slots(ty, 1)?),
        (File::Long, 1, 1) => Op::Long(Int::Mov, args.slots(ty, 1)?),
        (file, 1, 2) => {
            let (d, parts) = (args.target(0, ty)?, args.sources(1, half)?);
            let parts = [parts[0], parts[1]];
            if file == File::Word { Op::Pack16 { d, parts } } else { Op::Pack32 { d, parts } }
        }
        (file, 2, 1) => {
            let (parts, a) = (args.targets(0, half)?, args.source(1, ty)?);
            let parts = [parts[0], parts[1]];
            if file == File::Word { Op::Unpack16 { parts, a } } else { Op::Unpack32 { parts, a } }
        }
        _ => return Err("no such move here".into()),
    })
}

fn logic(words: &mut Words<'_>, args: &mut Args<'_, '_>, int: Int, pred: Logic) -> Result<Op> {
    if words.take("pred") {
        let [d, a, b] = [args.target(0, PRED)?, args.source(1, PRED)?, args.source(2, PRED)?];
        return Ok(Op::Logic(pred, [d, a, b]));
    }
    both(words, args, 2, Some(int), None)
}

fn not(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    if words.take("pred") {
        return Ok(Op::NotPred { d: args.target(0, PRED)?, a: args.source(1, PRED)? });
    }
    both(words, args, 1, Some(Int::Not), None)
}

fn counted(words: &mut Words<'_>, args: &mut Args<'_, '_>, op: Int) -> Result<Op> {
    match words.ty()? {
        ty if ty.bits == 32 => Ok(Op::Word(op, args.slots(ty, 1)?)),
        ty => Err(format!("not on {ty:?}")),
    }
}

fn shift(words: &mut Words<'_>, args: &mut Args<'_, '_>, op: Int) -> Result<Op> {
    let ty = words.ty()?;
    let op = if op == Int::ShrUnsigned && ty.is_signed() { Int::ShrSigned } else { op };
    let (d, a, b) = (args.target(0, ty)?, args.source(1, ty)?, args.source(2, WORD)?);
    Ok(match ty.bits {
        16 => Op::Narrow(op, ty.is_signed(), [d, a, b, a]),
        32 => Op::Word(op, [d, a, b, a]),
        64 => Op::Shift(op, [d, a, b]),
        _ => return Err(format!("not on {ty:?}")),
    })
}

fn funnel(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let op = if words.take("r") { Int::FunnelRight } else { Int::FunnelLeft };
    let wraps = words.take("wrap") && (op == Int::FunnelRight || words.take("l"));
    match (wraps, words.ty()?) {
        (true, ty) => Ok(Op::Word(op, args.slots(ty, 3)?)),
        _ => Err("no such shift here".into()),
    }
}

fn insert(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let ty = words.ty()?;
    if ty.bits != 32 {
        return Err(format!("not on {ty:?}"));
    }
    let [d, a, b] = [args.target(0, ty)?, args.source(1, ty)?, args.source(2, ty)?];
    Ok(Op::Insert { d, a, b, at: args.source(3, WORD)?, len: args.source(4, WORD)? })
}

fn extract(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let ty = words.ty()?;
    if ty.bits != 32 {
        return Err(format!("not on {ty:?}"));
    }
    let (d, a) = (args.target(0, ty)?, args.source(1, ty)?);
    Ok(Op::Extract {
        signed: ty.is_signed(),
        d,
        a,
        at: args.source(2, WORD)?,
        len: args.source(3, WORD)?,
    })
}

fn lop3(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let ty = words.ty()?;
    let [d, a, b, c] =
        [args.target(0, ty)?, args.source(1, ty)?, args.source(2, ty)?, args.source(3, ty)?];
    let table = super::args::integer(args.text(4)?).ok_or("no table")? as u8;
    Ok(Op::Lop3 { d, a, b, c, table })
}

fn convert(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let integral = words.find(|word| match word {
        "rni" => Some(Rounding::Nearest),
        "rzi" => Some(Rounding::Zero),
        "rmi" => Some(Rounding::Down),
        "rpi" => Some(Rounding::Up),
        _ => None,
    });
    let rounding = rounding(words);
    let (flush, saturate) = (words.take("ftz"), words.take("sat"));
    let pair = words.find(|word| match word {
        "f16x2" => Type::parse("f16"),
        "bf16x2" => Type::parse("bf16"),
        _ => None,
    });
    let to = pair.map_or_else(|| words.ty(), Ok)?;
    let from = words.ty()?;
    let how = Convert {
        from,
        to,
        rounding: integral.or(rounding).unwrap_or(Rounding::Nearest),
        integral: integral.is_some(),
        saturate,
        flush,
    };
    if pair.is_some() {
        let [a, b] = [args.source(1, from)?, args.source(2, from)?];
        return Ok(Op::ConvertPair { how, d: args.target(0, WORD)?, a, b });
    }
    let narrowing = from.is_float() && to.is_float() && to.bits < from.bits;
    let to_integer = from.is_float() && !to.is_float();
    let from_integer = !from.is_float() && to.is_float();
    if (narrowing || from_integer) && rounding.is_none() || to_integer && integral.is_none() {
        return Err("rounded how?".into());
    }
    // A register may be wider than the type that is read from it or written to it.
    let (d, a) = (register(args, 0, to)?, register(args, 1, from)?);
    let plain = !saturate && !flush && d.1 == to.file() && a.1 == from.file();
    Ok(match ((from.kind, from.bits), (to.kind, to.bits)) {
        ((Kind::Unsigned, 32), (Kind::Unsigned | Kind::Signed, 64)) if plain => {
            Op::Widen { d: d.0, a: a.0 }
        }
        ((Kind::Unsigned | Kind::Signed, 64), (Kind::Unsigned | Kind::Signed, 32)) if plain => {
            Op::Narrower { d: d.0, a: a.0 }
        }
        ((Kind::Unsigned | Kind::Signed, 32), (Kind::Float, 32))
            if plain && how.rounding == Rounding::Nearest =>
        {
            Op::FloatOf { signed: from.is_signed(), d: d.0, a: a.0 }
        }
        ((Kind::Float, 32), (Kind::Float, 32)) if integral.is_none() => {
            Op::FloatTamed { op: Float::Copy, flush, saturate, slots: [d.0, a.0, a.0, a.0] }
        }
        _ if d.1 == to.file() && a.1 == from.file() => Op::Convert { how, d: d.0, a: a.0 },
        _ => return Err("no such conversion here".into()),
    })
}

/// An operand of a conversion, and its file.
fn register(args: &mut Args<'_, '_>, i: usize, ty: Type) -> Result<(Slot, File)> {
    match args.names.find(args.text(i)?) {
        Some((file, slot)) => Ok((slot, file)),
        None => Ok((args.source(i, ty)?, ty.file())),
    }
}

fn compare(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let how = words.find(comparison).ok_or("compared how?")?;
    let logic = words.find(|word| match word {
        "and" => Some(Logic::And),
        "or" => Some(Logic::Or),
        "xor" => Some(Logic::Xor),
        _ => None,
    });
    let (flush, mut ty) = (words.take("ftz"), words.ty()?);
    if words.take("lo_hs") || ty.bits == 8 {
        return Err("compared how?".into());
    }
    if ty.kind == Kind::Bits {
        ty.kind = Kind::Unsigned;
    }
    let (d, not) = match args.text(0)?.split_once('|') {
        Some((d, not)) => (d, Some(not)),
        None => (args.text(0)?, None),
    };
    let d = args.names.target(d, File::Pred)?;
    let not = not.map_or(Ok(NONE), |not| args.names.target(not, File::Pred))?;
    let (a, b) = (args.source(1, ty)?, args.source(2, ty)?);
    let and = match logic {
        Some(logic) => {
            let (p, negated) = args.pred(3)?;
            Some((logic, p, negated))
        }
        None => None,
    };
    Ok(Op::Compare { how, ty, flush, d, not, a, b, and })
}

fn comparison(word: &str) -> Option<Compare> {
    let (word, unordered) = match word {
        "ltu" | "leu" | "gtu" | "geu" | "equ" | "neu" => (&word[..2], true),
        "num" => return Some(Compare { less: true, equal: true, greater: true, unordered: false }),
        "nan" => {
            return Some(Compare { less: false, equal: false, greater: false, unordered: true });
        }
        _ => (word, false),
    };
    let (less, equal, greater) = match word {
        "lt" | "lo" => (true, false, false),
        "le" | "ls" => (true, true, false),
        "gt" | "hi" => (false, false, true),
        "ge" | "hs" => (false, true, true),
        "eq" => (false, true, false),
        "ne" => (true, false, true),
        _ => return None,
    };
    Some(Compare { less, equal, greater, unordered })
}

fn select(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let ty = words.ty()?;
    let (d, a, b) = (args.target(0, ty)?, args.source(1, ty)?, args.source(2, ty)?);
    let p = args.source(3, PRED)?;
    Ok(match ty.file() {
        File::Long => Op::SelectLong { d, a, b, p },
        _ => Op::SelectWord { d, a, b, p },
    })
}

fn space(words: &mut Words<'_>) -> Space {
    let found = words.find(|word| match word {
        "global" => Some(Space::Global),
        "shared" => Some(Space::Shared),
        "local" => Some(Space::Local),
        "param" => Some(Space::Param),
        _ => None,
    });
    words.take("cta");
    found.unwrap_or(Space::Generic)
}

/// Skips cache hints and memory orders, which make no difference here.
fn hints(words: &mut Words<'_>) {
    for word in [
        "volatile", "relaxed", "acquire", "release", "acq_rel", "weak", "gpu", "cta", "sys", "ca",
        "cg", "cs", "wb", "wt", "lu", "cv",
    ] {
        words.take(word);
    }
}

fn elements(
    words: &mut Words<'_>,
    args: &mut Args<'_, '_>,
    at: usize,
    written: bool,
) -> Result<Elements> {
    let count = words.find(|word| match word {
        "v2" => Some(2),
        "v4" => Some(4),
        _ => None,
    });
    let (count, ty) = (count.unwrap_or(1), words.ty()?);
    let names = vector(args.text(at)?);
    if names.len() != count {
        return Err(format!("{} registers, not {count}", names.len()));
    }
    let mut slots = [NONE; 4];
    for (slot, name) in slots.iter_mut().zip(names) {
        *slot = if written {
            args.names.target(name, ty.file())?
        } else {
            args.names.source(name, ty)?
        };
    }
    Ok(Elements { ty, count: count as u8, slots })
}

fn load(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let space = space(words);
    hints(words);
    let constant = words.take("nc");
    for word in [
        "L1",
        "L2",
        "no_allocate",
        "evict_first",
        "evict_last",
        "evict_normal",
        "128B",
        "256B",
        "64B",
    ] {
        words.take(word);
    }
    let to = elements(words, args, 0, true)?;
    Ok(Op::Load { address: args.names.address(args.text(1)?, space)?, to, constant })
}

fn store(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let space = space(words);
    hints(words);
    let from = elements(words, args, 1, false)?;
    Ok(Op::Store { address: args.names.address(args.text(0)?, space)?, from })
}

fn atomic(words: &mut Words<'_>, args: &mut Args<'_, '_>, returns: bool) -> Result<Op> {
    let space = space(words);
    hints(words);
    let name = words.find(|word| {
        ["add", "min", "max", "and", "or", "xor", "exch", "cas"]
            .iter()
            .find(|&&one| one == word)
            .copied()
    });
    let ty = words.ty()?;
    if !matches!(ty.bits, 32 | 64) {
        return Err(format!("not on {ty:?}"));
    }
    let (int, float) = (!ty.is_float(), ty.is_float() && ty.bits == 32);
    let op = match name.ok_or("which one?")? {
        "add" if int => Atomic::Int(Int::Add),
        "add" if float => Atomic::Float(Float::Add),
        "min" if ty.is_signed() => Atomic::Int(Int::MinSigned),
        "max" if ty.is_signed() => Atomic::Int(Int::MaxSigned),
        "min" if int => Atomic::Int(Int::MinUnsigned),
        "max" if int => Atomic::Int(Int::MaxUnsigned),
        "and" if int => Atomic::Int(Int::And),
        "or" if int => Atomic::Int(Int::Or),
        "xor" if int => Atomic::Int(Int::Xor),
        "exch" => Atomic::Exchange,
        "cas" => Atomic::Swap,
        _ => return Err("no such change here".into()),
    };
    let first = usize::from(returns);
    let d = if returns { args.target(0, ty)? } else { args.names.target("_", ty.file())? };
    let address = args.names.address(args.text(first)?, space)?;
    let a = args.source(first + 1, ty)?;
    let b = if op == Atomic::Swap { args.source(first + 2, ty)? } else { a };
    Ok(Op::Atomic { op, ty, address, d, a, b })
}

fn generic(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let from = words.take("to");
    let space = space(words);
    let ty = words.ty()?;
    if ty.bits != 64 {
        return Err("addresses have 64 bits here".into());
    }
    let (d, a, wide) = (args.target(0, ty)?, args.source(1, ty)?, true);
    Ok(match (space, from) {
        (Space::Global, _) => Op::Long(Int::Mov, [d, a, a, a]),
        (Space::Shared | Space::Local, true) => Op::FromGeneric { space, wide, d, a },
        (Space::Shared | Space::Local, false) => Op::ToGeneric { space, wide, d, a },
        _ => return Err("no such address here".into()),
    })
}

fn shuffle(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    if !words.take("sync") {
        return Err("without a mask".into());
    }
    let how = words.find(|word| match word {
        "up" => Some(Shuffle::Up),
        "down" => Some(Shuffle::Down),
        "bfly" => Some(Shuffle::Butterfly),
        "idx" => Some(Shuffle::Index),
        _ => None,
    });
    let (how, ty) = (how.ok_or("shuffled how?")?, words.ty()?);
    let (d, p) = match args.text(0)?.split_once('|') {
        Some((d, p)) => (d, args.names.target(p, File::Pred)?),
        None => (args.text(0)?, NONE),
    };
    let d = args.names.target(d, ty.file())?;
    let [a, b, c] = [args.source(1, ty)?, args.source(2, WORD)?, args.source(3, WORD)?];
    Ok(Op::Shuffle { how, d, p, a, b, c })
}

fn vote(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    words.take("sync");
    let how = words.find(|word| match word {
        "any" => Some(Vote::Any),
        "all" => Some(Vote::All),
        "ballot" => Some(Vote::Ballot),
        _ => None,
    });
    let (how, ty) = (how.ok_or("which vote?")?, words.ty()?);
    let (a, negated) = args.pred(1)?;
    Ok(Op::Vote { how, d: args.target(0, ty)?, a, negated })
}

/// Parses a shape such as `m16n16k8`.
fn extents(word: &str) -> Option<[usize; 3]> {
    let (m, rest) = word.strip_prefix('m')?.split_once('n')?;
    let (n, k) = rest.split_once('k')?;
    Some([m.parse().ok()?, n.parse().ok()?, k.parse().ok()?])
}

/// Which matrix of a product.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    A,
    B,
    C,
    D,
}

impl Part {
    fn tile(self, [m, n, k]: [usize; 3], ty: Type, slots: Vec<Slot>) -> Result<Tile> {
        let (rows, columns) = match self {
            Self::A => (m, k),
            Self::B => (k, n),
            _ => (m, n),
        };
        let each = slots.len() * 32 / ty.bits as usize * 32;
        if slots.is_empty() || !each.is_multiple_of(rows * columns) {
            return Err(format!("{} registers do not hold {rows} x {columns}", slots.len()));
        }
        Ok(Tile { rows, columns, ty, slots })
    }
}

fn wmma(words: &mut Words<'_>, args: &mut Args<'_, '_>) -> Result<Op> {
    let (load, store, mma) = (words.take("load"), words.take("store"), words.take("mma"));
    if !words.take("sync") | !words.take("aligned") {
        return Err("lanes apart".into());
    }
    let shape = words.find(extents).ok_or("which shape?")?;
    let layout = |words: &mut Words<'_>| {
        let found = words.find(|word| match word {
            "row" => Some(true),
            "col" => Some(false),
            _ => None,
        });
        found.ok_or_else(|| "in which order?".to_owned())
    };
    if mma {
        // The layouts of the operands make no difference: all fragments have one layout here.
        layout(words)?;
        layout(words)?;
        let mut types = vec![words.ty()?, words.ty()?];
        while let Ok(ty) = words.ty() {
            types.push(ty);
        }
        let half = Type { kind: Kind::Float, bits: 16 };
        let [d, a, b, c] = match types[..] {
            // The type of the operands is implied.
            [d, c] => [d, half, half, c],
            [d, a, b, c] => [d, a, b, c],
            _ => return Err("of which types?".into()),
        };
        return Ok(Op::Mma(Box::new(Mma {
            d: Part::D.tile(shape, d, args.targets(0, WORD)?)?,
            a: Part::A.tile(shape, operand(a)?, args.sources(1, WORD)?)?,
            b: Part::B.tile(shape, operand(b)?, args.sources(2, WORD)?)?,
            c: Part::C.tile(shape, c, args.sources(3, WORD)?)?,
        })));
    }
    let part = words.find(|word| match word {
        "a" => Some(Part::A),
        "b" => Some(Part::B),
        "c" => Some(Part::C),
        "d" => Some(Part::D),
        _ => None,
    });
    let part = part.ok_or("which matrix?")?;
    let by_rows = layout(words)?;
    let (space, ty) = (space(words), words.ty()?);
    let (slots, at) = match (load, store) {
        (true, false) => (args.targets(0, WORD)?, 1),
        (false, true) => (args.sources(1, WORD)?, 0),
        _ => return Err("no such instruction here".into()),
    };
    let stride = if args.all.len() > 2 { Some(args.source(2, WORD)?) } else { None };
    let address = args.names.address(args.text(at)?, space)?;
    let access = Box::new(TileAccess {
        tile: part.tile(shape, operand(ty)?, slots)?,
        address,
        stride,
        by_rows,
    });
    Ok(if load { Op::TileLoad(access) } else { Op::TileStore(access) })
}

/// Fails if matrix products of this type are not supported.
fn operand(ty: Type) -> Result<Type> {
    match (ty.kind, ty.bits) {
        (Kind::Float, 16 | 32) | (Kind::Bf16 | Kind::Tf32, _) => Ok(ty),
        _ => Err(format!("no products of {ty:?} here")),
    }
}
