//! Products of bytes with the instructions of a microcontroller.
//!
//! [`Dsp`] multiplies the matrices of int8 of a translation. Its sums are those of
//! [`Portable`](a2d_core::micro::Portable), so the bits of a translation are the same.
//!
//! ```no_run
//! use a2d_core::micro::{Arena, Error, Limits, Model, Options, Translator};
//! use a2d_dsp::Dsp;
//!
//! # fn run(image: &'static [u8]) -> Result<(), Error> {
//! let model: Model = Model::new(image)?;
//! let mut arena = Arena::<65_536>::new();
//! let limits = Limits { source: 64, target: 64, beam: 1, int8_cache: true };
//! let mut translator = Translator::new(&model, &mut arena, limits, Options::default())?.computing(&Dsp);
//! # Ok(()) }
//! ```
//!
//! | target | loop |
//! |---|---|
//! | `thumbv7em` (Cortex-M4, M7) | four rows at a time, two products an instruction (`SMLAD`) |
//! | `thumbv8m.main` (Cortex-M33, M55) with the feature `smlad` | the same; the processor must have the DSP extension |
//! | Linux on Armv7 | the same |
//! | `thumbv6m` (Cortex-M0), `thumbv8m.base` (M23) | four rows at a time, sums in the upper registers |
//! | other targets | that of `Portable` |
//!
//! With the feature `floats`, which is on by default, a program for `thumbv6m` or `thumbv8m.base` adds, subtracts and
//! multiplies floats, converts `i32` to `f32`, and multiplies integers of 64 bits by functions of this crate in place of
//! the compiler's own. A program that has such functions already, as from a ROM, leaves the feature out.

#![no_std]
#![deny(missing_docs)]

#[cfg(any(smlad, thumb1))]
mod assembly;
pub mod floats;
#[cfg(smlad)]
mod smlad;
#[cfg(all(thumb1, feature = "floats"))]
mod soft;
#[cfg(thumb1)]
mod thumb1;

use a2d_core::micro::Compute;

/// The fastest loop of the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Compute for Dsp {
    #[cfg(not(any(smlad, thumb1)))]
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]) {
        a2d_core::micro::Portable.dots(x, w, sums);
    }

    #[cfg(any(smlad, thumb1))]
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]) {
        let (w, sums) = assembly::dots(x, w, sums);
        // `max`, as the length of a chunk is not 0.
        for (sum, w) in sums.iter_mut().zip(w.chunks_exact(x.len().max(1))) {
            *sum = dot(x, w);
        }
    }
}

/// The sum of one row.
#[cfg(any(smlad, thumb1))]
fn dot(x: &[i8], w: &[i8]) -> i32 {
    let product = |x: &i8, w: &i8| i32::from(*x) * i32::from(*w);
    let ((x, rest), (w, rest_w)) = (x.as_chunks::<4>(), w.as_chunks::<4>());
    // Written out: for size, the compiler keeps a loop.
    let sum = x.iter().zip(w).fold(0, |sum: i32, ([a, b, c, d], [p, q, r, s])| {
        let (two, others) = (product(a, p) + product(b, q), product(c, r) + product(d, s));
        sum.wrapping_add(two).wrapping_add(others)
    });
    rest.iter().zip(rest_w).fold(sum, |sum, (x, w)| sum.wrapping_add(product(x, w)))
}
