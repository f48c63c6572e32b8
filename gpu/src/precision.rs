//! The numbers that matrix products are computed with.

use std::fmt;
use std::str::FromStr;

/// How operands of matrix products are rounded; sums, weights, softmax, norms and losses are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To 10 bits of mantissa, on tensor cores.
    Tf32,
    /// To bfloat16.
    Bf16,
    /// To half precision.
    F16,
}

impl Precision {
    /// All, the most exact first.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|precision| precision.to_string() == text);
        named.ok_or_else(|| "expected f32, tf32, bf16 or f16".to_owned())
    }
}
