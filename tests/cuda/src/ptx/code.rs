//! Instructions, ready to run: operands are slots of a warp's register files.

use super::types::Type;
use crate::float::Rounding;

/// A place in a register file; constants and special registers have theirs too.
pub type Slot = u16;

/// The slot of what is thrown away (`_`), and of a guard that is not there.
pub const NONE: Slot = Slot::MAX;

/// Operations on integers of 32 and of 64 bits, and of 16 in 32.
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
    /// The logical one: whether `a` is zero.
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
    /// The bits of two words from `c` on.
    FunnelRight,
    FunnelLeft,
    /// Bytes of two words, as `c` picks them.
    Prmt,
}

/// Operations on floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    Add,
    Sub,
    Mul,
    /// `a b + c` in one rounding.
    Fma,
    /// The same, rounded in another direction.
    FmaTo(Rounding),
    Min,
    Max,
    /// NaN where either is.
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

/// What comparisons hold of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    pub less: bool,
    pub equal: bool,
    pub greater: bool,
    /// Neither, as one is NaN.
    pub unordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// Where a memory access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Generic,
    Global,
    Shared,
    Local,
    Param,
}

/// An address: what a slot holds, and a displacement.
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

/// How a matrix lies in fragments and in memory.
#[derive(Clone, Debug)]
pub struct Tile {
    pub rows: usize,
    pub columns: usize,
    pub ty: Type,
    /// A lane's registers.
    pub slots: Vec<Slot>,
}

/// A tile in memory.
#[derive(Clone, Debug)]
pub struct TileAccess {
    pub tile: Tile,
    pub address: Address,
    /// Elements from one row, or column, to the next; its own length without.
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

/// From one type to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convert {
    pub from: Type,
    pub to: Type,
    pub rounding: Rounding,
    /// To an integral value, in whatever type.
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

/// A read, a change and a write of which nobody comes in between.
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
    /// On 16 bits; signed or not.
    Narrow(Int, bool, [Slot; 4]),
    Long(Int, [Slot; 4]),
    /// Shifts of 64 bits count in 32.
    Shift(Int, [Slot; 3]),
    /// Two words' product in 64 bits, and an addend; `bits` of a factor.
    Wide {
        signed: bool,
        bits: u32,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Option<Slot>,
    },
    Float(Float, [Slot; 4]),
    /// With subnormal numbers flushed, and the result held within 0 and 1.
    FloatTamed {
        op: Float,
        flush: bool,
        saturate: bool,
        slots: [Slot; 4],
    },
    Half(Float, Type, [Slot; 4]),
    /// Two in a word.
    HalfPair(Float, Type, [Slot; 4]),
    Double(Float, [Slot; 4]),
    Convert {
        how: Convert,
        d: Slot,
        a: Slot,
    },
    /// Two floats in one word, the first on top.
    ConvertPair {
        how: Convert,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// Unsigned words in 64 bits, and the lower words of 64.
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
    /// `a`'s lowest `d` bits in place of `b`'s at `c`.
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
    /// Any function of three bits.
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
    /// What orders accesses, which go in order here anyway.
    Nothing,
}

/// A predicate that an instruction may depend on.
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
    /// On with the next run.
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

/// Instructions that are all run if the first one is.
#[derive(Clone, Debug)]
pub struct Run {
    pub code: Vec<Instruction>,
    pub end: End,
}
