//! The types of numbers in files, and their conversion to 32-bit floats.

use half::{bf16, f16};

/// The type of a tensor's numbers, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 16 bits, IEEE 754.
    F16,
    /// The upper 16 bits of [`Element::F32`].
    Bf16,
    /// 32 bits, IEEE 754.
    F32,
    /// 64 bits, IEEE 754: rounded to 32 bits.
    F64,
    /// An integer or a truth value of that many bytes: never a weight.
    Integer(u8),
}

impl Element {
    /// Bytes of a number.
    pub const fn width(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Integer(width) => width as usize,
        }
    }

    /// Appends the numbers of `bytes` to `out`; a rest shorter than a number is left out. Integers give none.
    pub fn append(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F16 => out.extend(numbers(bytes, f16::from_le_bytes).map(f16::to_f32)),
            Self::Bf16 => out.extend(numbers(bytes, bf16::from_le_bytes).map(bf16::to_f32)),
            Self::F32 => out.extend(numbers(bytes, f32::from_le_bytes)),
            Self::F64 => out.extend(numbers(bytes, f64::from_le_bytes).map(|x| x as f32)),
            Self::Integer(_) => {}
        }
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], of: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks().0.iter().map(move |bytes| of(*bytes))
}
