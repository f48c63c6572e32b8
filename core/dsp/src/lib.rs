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
//! | `thumbv6m` (Cortex-M0), `thumbv8m.base` (M23) | four rows at a time, sums in the upper registers |
//! | other targets | that of `Portable` |

#![no_std]
#![deny(missing_docs)]

#[cfg(any(smlad, thumb1))]
mod assembly;
#[cfg(thumb1)]
mod floats;
#[cfg(any(thumb1, test))]
mod rare;

use a2d_core::micro::{Compute, Portable};

/// The fastest loop of the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Compute for Dsp {
    fn dots(&self, x: &[i8], w: &[i8], sums: &mut [i32]) {
        #[cfg(any(smlad, thumb1))]
        let (w, sums) = assembly::dots(x, w, sums);
        Portable.dots(x, w, sums);
    }
}
