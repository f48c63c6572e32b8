//! Sums of products of bytes: the inner loop, once for each instruction set.

use crate::lanes::{Lanes, Row};
use crate::product::Product;

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "aarch64")]
mod aarch64_lanes;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm_lanes;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_lanes;

/// Outputs that are computed together.
pub(crate) const PANEL: usize = 16;

/// Inputs that are read together.
pub(crate) const QUAD: usize = 4;

/// Steps that are added at a time.
pub(crate) const BLOCK: usize = 4;

/// Stores inputs in 16 bits each.
#[cfg(any(target_arch = "x86_64", target_arch = "wasm32"))]
#[inline(always)]
fn wide_quad(x: &[i8; QUAD], out: &mut [u8]) {
    for (out, x) in out.as_chunks_mut::<2>().0.iter_mut().zip(x) {
        *out = i16::from(*x).to_le_bytes();
    }
}

/// [`QUAD`] weights of each output of a panel, see [`Dot::place`].
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Step(pub [i8; PANEL * QUAD]);

impl Step {
    pub const ZERO: Self = Self([0; PANEL * QUAD]);
}

/// Exact sums of products of bytes. All functions are `#[inline(always)]`: only inlined code is compiled for the
/// instruction set.
pub(crate) trait Dot: Lanes {
    /// The sums of a panel.
    type I: Copy;

    /// Bytes of [`QUAD`] inputs, as [`Dot::quad`] stores them.
    const BYTES: usize = QUAD;

    /// Added to each input before the product: sums must be reduced by this number times the sum of the weights.
    const OFFSET: i32 = 0;

    /// The place of weight `q` of output `o` in a [`Step`].
    fn place(o: usize, q: usize) -> usize {
        o * QUAD + q
    }

    /// Stores [`QUAD`] inputs as [`Dot::BYTES`] bytes of `out`.
    #[inline(always)]
    fn quad(x: &[i8; QUAD], out: &mut [u8]) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = *x as u8);
    }

    /// The number of steps, a multiple of [`BLOCK`].
    ///
    /// # Panics
    ///
    /// The slices have different numbers of steps.
    #[inline(always)]
    fn steps<const M: usize, const P: usize>(x: &[&[u8]; M], w: &[&[Step]; P]) -> usize {
        let steps = w[0].len();
        assert!(
            steps.is_multiple_of(BLOCK)
                && w.iter().all(|w| w.len() == steps)
                && x.iter().all(|x| x.len() == steps * Self::BYTES)
        );
        steps
    }

    /// `sum_s sum_q x[m][s][q] w[p][s][o][q]`, for M rows, P panels and their outputs `o`. Each row has [`Dot::BYTES`]
    /// for each step; all panels have as many steps.
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M];

    /// Sums less `offsets`, as floats. `offsets` is [`Dot::OFFSET`] times the sum of the weights.
    fn floats(self, sums: Self::I, offsets: &[i32; PANEL]) -> Self::F;

    /// The product in tiles that fit the registers.
    fn product(self, of: Product<'_>);
}

/// Plain loops.
#[cfg_attr(all(target_arch = "wasm32", target_feature = "simd128"), allow(dead_code))]
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Dot for Portable {
    type I = [i32; PANEL];

    /// Outputs side by side: compilers find vectors for them.
    fn place(o: usize, q: usize) -> usize {
        q * PANEL + o
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        x: [&[u8]; M],
        w: [&[Step]; P],
    ) -> [[Self::I; P]; M] {
        x.map(|x| {
            w.map(|w| {
                let mut sums = [0; PANEL];
                let steps = x.as_chunks::<QUAD>().0.iter().zip(w);
                steps.for_each(|(x, w)| add_step(&mut sums, x, w));
                sums
            })
        })
    }

    #[inline(always)]
    fn floats(self, sums: [i32; PANEL], _: &[i32; PANEL]) -> Row {
        sums.map(|sum| sum as f32)
    }

    #[inline(always)]
    fn product(self, of: Product<'_>) {
        of.tiles::<Self, 1, 1>(self);
    }
}

#[inline(always)]
fn add_step(sums: &mut [i32; PANEL], x: &[u8; QUAD], w: &Step) {
    for (x, w) in x.iter().zip(w.0.as_chunks::<PANEL>().0) {
        let x = i16::from(*x as i8);
        for o in 0..PANEL {
            sums[o] = sums[o].wrapping_add(i32::from(x * i16::from(w[o])));
        }
    }
}
