//! [`LANES`] floats at once: the operations, once for each instruction set.
//!
//! An operation is that of each lane, rounded as IEEE 754 says: no multiplication is fused with an addition.

use crate::dot::Portable;
use a2d_core::rows::{self, LANES};

/// A row of lanes in memory.
pub(crate) type Row = [f32; LANES];

/// Operations on lanes. All functions are `#[inline(always)]`.
pub(crate) trait Lanes: Copy {
    /// [`LANES`] floats.
    type F: Copy;

    fn load(self, x: &Row) -> Self::F;
    fn store(self, x: Self::F) -> Row;
    fn splat(self, x: f32) -> Self::F;
    fn add(self, x: Self::F, y: Self::F) -> Self::F;
    fn sub(self, x: Self::F, y: Self::F) -> Self::F;
    fn mul(self, x: Self::F, y: Self::F) -> Self::F;
    /// `if x > y { x } else { y }`
    fn max(self, x: Self::F, y: Self::F) -> Self::F;
    /// `if x < y { x } else { y }`
    fn min(self, x: Self::F, y: Self::F) -> Self::F;
    /// `2^n` from the low bits `n` of a float.
    fn power(self, x: Self::F) -> Self::F;

    /// A row that begins with the elements of `x`, fewer than [`LANES`], and goes on with `fill`.
    #[inline(always)]
    fn part(self, x: &[f32], fill: f32) -> Self::F {
        let mut row = [fill; LANES];
        row[..x.len()].copy_from_slice(x);
        self.load(&row)
    }

    /// The sum of the lanes, in the order of [`rows::sum`].
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        rows::sum(&self.store(x))
    }

    /// The largest lane. None is NaN.
    #[inline(always)]
    fn most(self, x: Self::F) -> f32 {
        rows::max(&self.store(x))
    }

    /// [`Lanes::sum`] of each.
    #[inline(always)]
    fn sum4(self, x: [Self::F; 4]) -> [f32; 4] {
        [self.sum(x[0]), self.sum(x[1]), self.sum(x[2]), self.sum(x[3])]
    }
}

#[inline(always)]
fn each(x: Row, y: Row, f: impl Fn(f32, f32) -> f32) -> Row {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        out[i] = f(x[i], y[i]);
    }
    out
}

impl Lanes for Portable {
    type F = Row;

    #[inline(always)]
    fn load(self, x: &Row) -> Row {
        *x
    }

    #[inline(always)]
    fn store(self, x: Row) -> Row {
        x
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Row {
        [x; LANES]
    }

    #[inline(always)]
    fn add(self, x: Row, y: Row) -> Row {
        each(x, y, |x, y| x + y)
    }

    #[inline(always)]
    fn sub(self, x: Row, y: Row) -> Row {
        each(x, y, |x, y| x - y)
    }

    #[inline(always)]
    fn mul(self, x: Row, y: Row) -> Row {
        each(x, y, |x, y| x * y)
    }

    #[inline(always)]
    fn max(self, x: Row, y: Row) -> Row {
        each(x, y, |x, y| if x > y { x } else { y })
    }

    #[inline(always)]
    fn min(self, x: Row, y: Row) -> Row {
        each(x, y, |x, y| if x < y { x } else { y })
    }

    #[inline(always)]
    fn power(self, x: Row) -> Row {
        x.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(0x3f80_0000)))
    }
}
