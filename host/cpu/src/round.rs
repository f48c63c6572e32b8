//! Rounding of the operands of matrix products. bf16 on the CPU has the numerical effect of a GPU's bf16, not its
//! speed.

use super::pointwise::CHUNK;
use super::team::{Team, vectorised};
use super::tensor::Tensor;

/// The number format of operands of matrix products. Sums are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// f32, not rounded.
    F32,
    /// Rounded to bfloat16.
    Bf16,
}

impl Operands {
    /// `x` as an operand. The rounded copy is cached until `x` is written to.
    pub fn of<'a>(self, team: &Team, x: &'a Tensor) -> &'a Tensor {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.rounded(|pool| {
                let mut out = pool.tensor(x.shape());
                let pieces = out.data_mut().chunks_mut(CHUNK).zip(x.data().chunks(CHUNK));
                team.each(pieces, |(out, x)| {
                    out.copy_from_slice(x);
                    self.round(out);
                });
                out
            }),
        }
    }

    /// `x` as an element of an operand.
    #[inline(always)]
    pub fn rounded(self, x: f32) -> f32 {
        if self == Self::Bf16 { bf16(x) } else { x }
    }

    /// Rounds elements in place.
    pub fn round(self, x: &mut [f32]) {
        if self == Self::Bf16 {
            vectorised(
                #[inline(always)]
                || x.iter_mut().for_each(|x| *x = bf16(*x)),
            );
        }
    }
}

/// Rounds to the nearest bf16, ties to even; values out of range become infinite.
#[inline(always)]
fn bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // Sets a fraction bit, because a NaN with a zero fraction would be an infinity.
    let nearest = if x.is_nan() { bits | 0x0040_0000 } else { nearest };
    f32::from_bits(nearest & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_taken_and_of_two_the_even_one() {
        for (bits, rounded) in [
            (0x3f80_0000, 0x3f80_0000),
            (0x3f80_7fff, 0x3f80_0000),
            (0x3f80_8000, 0x3f80_0000),
            (0x3f80_8001, 0x3f81_0000),
            (0x3f81_7fff, 0x3f81_0000),
            (0x3f81_8000, 0x3f82_0000),
            (0x3fff_8000, 0x4000_0000),
            (0xbf80_8000, 0xbf80_0000),
            (0xbf81_8000, 0xbf82_0000),
        ] {
            assert_eq!(bf16(f32::from_bits(bits)).to_bits(), rounded, "{bits:08x}");
        }
    }

    #[test]
    fn the_ends_of_the_range_round_like_all_else() {
        for (bits, rounded) in [
            // Zeros and subnormals, up to the smallest normal number.
            (0x0000_0000, 0x0000_0000),
            (0x0000_8000, 0x0000_0000),
            (0x0000_8001, 0x0001_0000),
            (0x0001_8000, 0x0002_0000),
            (0x007f_8000, 0x0080_0000),
            // The largest bf16, the largest value that rounds to it, and the smallest that does not.
            (0x7f7f_7fff, 0x7f7f_0000),
            (0x7f7f_8000, 0x7f80_0000),
            (0x7f7f_ffff, 0x7f80_0000),
            (0x7f80_0000, 0x7f80_0000),
        ] {
            for sign in [0, 0x8000_0000] {
                let found = bf16(f32::from_bits(sign | bits)).to_bits();
                assert_eq!(found, sign | rounded, "{:08x}", sign | bits);
            }
        }
    }

    #[test]
    fn a_nan_stays_one() {
        for bits in [0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
            let found = bf16(f32::from_bits(bits));
            let sign = found.is_sign_negative() == (bits >> 31 == 1);
            assert!(found.is_nan() && sign && found.to_bits() & 0xffff == 0, "{bits:08x}");
        }
    }

    #[test]
    fn an_operand_is_rounded_anew_where_it_was_written_to() {
        let (team, pool) = (Team::new(1), super::super::tensor::Pool::default());
        let mut x = pool.filled(&[1.001, -3.0], a2d_core::shape::Shape::vector(2));
        assert_eq!(Operands::F32.of(&team, &x).data(), [1.001, -3.0]);
        assert_eq!(Operands::Bf16.of(&team, &x).data(), [1.0, -3.0]);
        assert!(Operands::Bf16.of(&team, &x).shares(Operands::Bf16.of(&team, &x)));
        x.data_mut()[0] = 2.001;
        assert_eq!(Operands::Bf16.of(&team, &x).data(), [2.0, -3.0]);
    }
}
