//! Types of instructions and variables.

use crate::float::{self, Format};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pred,
    Bits,
    Unsigned,
    Signed,
    Float,
    Bf16,
    Tf32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    pub kind: Kind,
    pub bits: u32,
}

/// A register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    /// One bit per lane.
    Pred,
    /// 32 bits per lane; narrower values are zero-extended.
    Word,
    /// 64 bits per lane.
    Long,
}

impl Type {
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, bits) = match name {
            "pred" => (Kind::Pred, 1),
            "bf16" => (Kind::Bf16, 16),
            "tf32" => (Kind::Tf32, 32),
            _ => {
                let (kind, bits) = name.split_at_checked(1)?;
                let kind = match kind {
                    "b" => Kind::Bits,
                    "u" => Kind::Unsigned,
                    "s" => Kind::Signed,
                    "f" => Kind::Float,
                    _ => return None,
                };
                (kind, bits.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits))?)
            }
        };
        Some(Self { kind, bits })
    }

    pub fn bytes(self) -> u32 {
        self.bits / 8
    }

    pub fn is_float(self) -> bool {
        matches!(self.kind, Kind::Float | Kind::Bf16 | Kind::Tf32)
    }

    pub fn is_signed(self) -> bool {
        self.kind == Kind::Signed
    }

    pub fn file(self) -> File {
        match self {
            Self { kind: Kind::Pred, .. } => File::Pred,
            Self { bits: 64, .. } => File::Long,
            _ => File::Word,
        }
    }

    /// The format of a float narrower than f64.
    pub fn format(self) -> Option<Format> {
        match (self.kind, self.bits) {
            (Kind::Float, 16) => Some(float::F16),
            (Kind::Float, 32) => Some(float::F32),
            (Kind::Bf16, _) => Some(float::BF16),
            (Kind::Tf32, _) => Some(float::TF32),
            _ => None,
        }
    }
}
