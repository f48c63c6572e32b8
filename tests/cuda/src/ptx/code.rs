//! Decoded instructions, whose operands are slots of a warp's register files.

use super::types::Type;
use crate::float::Rounding;

/// An index into a register file; constants and special registers have slots too.
pub type Slot = u16;

/// The slot of an absent operand.
pub const NONE: Slot = Slot::MAX;

/// Operations on integers of 16, 32 and 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Int {
    Mov,
    Add,
    Sub,
    Mul,
    HighUnsigned,
    HighSigned,
    /// `a b + c`
    Mad,
    DivUnsigned,
    DivSigned,
    RemUnsigned,
    RemSigned,
    MinUnsigned,
    MinSigned,
    MaxUnsigned,
    MaxSigned,
    And,
    Or,
    Xor,
    Not,
    /// Logical not: whether `a` is zero.
    Cnot,
    Neg,
    Abs,
    Shl,
    ShrUnsigned,
    ShrSigned,
    /// `a b` of 24 bits each.
    Mul24,
    Popc,
    Clz,
    Brev,
    /// 32 bits of two words, shifted by `c`.
    FunnelRight,
    FunnelLeft,
    /// Bytes of two words, selected by `c`.
    Prmt,
}

/// Operations on floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    Add,
    Sub,
    Mul,
    /// `a b + c`, rounded once.
    Fma,
    /// The same with directed rounding.
    FmaTo(Rounding),
    Min,
    Max,
    /// NaN if either operand is NaN.
    MinNan,
    MaxNan,
    Neg,
    Abs,
    Div,
    Rcp,
    Sqrt,
    Rsqrt,
    Exp2,
    Log2,
    Sin,
    Cos,
    Tanh,
    /// `a` itself.
    Copy,
}

/// The relations for which a comparison is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    pub less: bool,
    pub equal: bool,
    pub greater: bool,
    /// One of the operands is NaN.
    pub unordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// The memory space of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Generic,
    Global,
    Shared,
    Local,
    Param,
}

/// An address: a base in a slot, and an offset.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    pub space: Space,
    pub base: Slot,
    /// Whether the base has 64 bits.
    pub wide: bool,
    pub offset: i64,
}

/// A vector of up to four elements.
#[derive(Clone, Copy, Debug)]
pub struct Elements {
    pub ty: Type,
    pub count: u8,
    pub slots: [Slot; 4],
}

/// A matrix in the registers of a warp (a fragment).
#[derive(Clone, Debug)]
pub struct Tile {
    pub rows: usize,
    pub columns: usize,
    pub ty: Type,
    /// The registers of a lane.
    pub slots: Vec<Slot>,
}

/// A tile in memory.
#[derive(Clone, Debug)]
pub struct TileAccess {
    pub tile: Tile,
    pub address: Address,
    /// Elements from one row, or column, to the next; contiguous if none.
    pub stride: Option<Slot>,
    pub by_rows: bool,
}

/// `d = a b + c`
#[derive(Clone, Debug)]
pub struct Mma {
    pub a: Tile,
    pub b: Tile,
    pub c: Tile,
    pub d: Tile,
}

/// A conversion between types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convert {
    pub from: Type,
    pub to: Type,
    pub rounding: Rounding,
    /// To an integral value of any type.
    pub integral: bool,
    pub saturate: bool,
    pub flush: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Any,
    All,
    Ballot,
    Active,
}

/// An atomic read-modify-write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    Int(Int),
    Float(Float),
    Exchange,
    Swap,
}

#[derive(Clone, Debug)]
pub enum Op {
    /// `[d, a, b, c]`
    Word(Int, [Slot; 4]),
    /// On 16 bits; whether signed.
    Narrow(Int, bool, [Slot; 4]),
    Long(Int, [Slot; 4]),
    /// A 64-bit shift by a 32-bit count.
    Shift(Int, [Slot; 3]),
    /// A product with twice the `bits` of its factors, plus an addend if any.
    Wide {
        signed: bool,
        bits: u32,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Option<Slot>,
    },
    Float(Float, [Slot; 4]),
    /// With subnormal numbers flushed to zero, and the result saturated to 0 and 1.
    FloatTamed {
        op: Float,
        flush: bool,
        saturate: bool,
        slots: [Slot; 4],
    },
    Half(Float, Type, [Slot; 4]),
    /// Two packed in a word.
    HalfPair(Float, Type, [Slot; 4]),
    Double(Float, [Slot; 4]),
    Convert {
        how: Convert,
        d: Slot,
        a: Slot,
    },
    /// Two floats packed in a word, the first in the upper half.
    ConvertPair {
        how: Convert,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// Zero-extends a word to 64 bits; `Narrower` truncates 64 bits to a word.
    Widen {
        d: Slot,
        a: Slot,
    },
    Narrower {
        d: Slot,
        a: Slot,
    },
    FloatOf {
        signed: bool,
        d: Slot,
        a: Slot,
    },
    /// The lowest `len` bits of `a` in place of those of `b` at bit `at`.
    Insert {
        d: Slot,
        a: Slot,
        b: Slot,
        at: Slot,
        len: Slot,
    },
    Extract {
        signed: bool,
        d: Slot,
        a: Slot,
        at: Slot,
        len: Slot,
    },
    /// Any bitwise function of three operands.
    Lop3 {
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
        table: u8,
    },
    Pack16 {
        d: Slot,
        parts: [Slot; 2],
    },
    Unpack16 {
        parts: [Slot; 2],
        a: Slot,
    },
    Pack32 {
        d: Slot,
        parts: [Slot; 2],
    },
    Unpack32 {
        parts: [Slot; 2],
        a: Slot,
    },
    Compare {
        how: Compare,
        ty: Type,
        flush: bool,
        d: Slot,
        not: Slot,
        a: Slot,
        b: Slot,
        and: Option<(Logic, Slot, bool)>,
    },
    SelectWord {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    SelectLong {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    Logic(Logic, [Slot; 3]),
    NotPred {
        d: Slot,
        a: Slot,
    },
    MovPred {
        d: Slot,
        a: Slot,
    },
    Load {
        address: Address,
        to: Elements,
        constant: bool,
    },
    Store {
        address: Address,
        from: Elements,
    },
    Atomic {
        op: Atomic,
        ty: Type,
        address: Address,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// To and from generic addresses.
    ToGeneric {
        space: Space,
        wide: bool,
        d: Slot,
        a: Slot,
    },
    FromGeneric {
        space: Space,
        wide: bool,
        d: Slot,
        a: Slot,
    },
    Shuffle {
        how: Shuffle,
        d: Slot,
        p: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Vote {
        how: Vote,
        d: Slot,
        a: Slot,
        negated: bool,
    },
    TileLoad(Box<TileAccess>),
    TileStore(Box<TileAccess>),
    Mma(Box<Mma>),
    /// Fences and barriers of a warp: accesses are in order here anyway.
    Nothing,
}

/// A predicate that guards an instruction.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    pub p: Slot,
    pub negated: bool,
}

#[derive(Clone, Debug)]
pub struct Instruction {
    pub op: Op,
    pub guard: Option<Guard>,
    pub line: u32,
}

/// How a run of instructions ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Continues with the next run.
    Next,
    Jump {
        to: u32,
        guard: Option<Guard>,
    },
    Return {
        guard: Option<Guard>,
    },
    Barrier,
}

/// A basic block: if its first instruction runs, all do.
#[derive(Clone, Debug)]
pub struct Run {
    pub code: Vec<Instruction>,
    pub end: End,
}
