//! A model in one slice of memory: the weights stay in an [image](crate::image), everything else lies in an arena.
//!
//! ```no_run
//! use a2d_core::micro::{Arena, Error, Limits, Model, Options, Translator};
//!
//! # fn run(image: &'static [u8]) -> Result<(), Error> {
//! let model: Model = Model::new(image)?; // of `include_image!`
//! let mut arena = Arena::<65_536>::new();
//! let limits = Limits { source: 64, target: 64, beam: 1, int8_cache: false };
//! let mut translator = Translator::new(&model, &mut arena, limits, Options::default())?;
//! let mut out = [0; 400];
//! let done = translator.translate("Wo ist der Bahnhof?", &mut out)?;
//! let text: &str = done.text;
//! # Ok(()) }
//! ```
//!
//! * [`include_image!`](crate::include_image) puts an image into a program, and an [`Arena`] is memory to work in: both
//!   begin where they may. Everything that can go wrong on the way is an [`Error`].
//! * [`Model::new`] checks the image once: the checksum, the configuration, where each weight lies.
//! * [`Model::arena_bytes`] is what a [`Translator`] takes for [`Limits`], exactly (with a shortlist, at most); one byte
//!   less is an error that says how much is missing. Where a program is built, the constant functions [`arena_bytes`]
//!   and, for an image with a shortlist, [`arena_bytes_with`] give the same of a configuration.
//! * [`Translator::translate`] gives a whole translation; [`Translator::start`] a [`Job`] that is polled, a layer of
//!   the encoder or a step of the decoder each time, to feed a watchdog or to show tokens as they come, through a buffer of
//!   [`stream_bytes`](crate::image::stream_bytes).
//!
//! Matrices of int8 and int4 are multiplied with activations of int8: each row of an activation is scaled so that its
//! largest magnitude is 127, products are added up in `i32` (for int4 within each group). The order of all arithmetic
//! is fixed, and no function of the platform is called, so an image gives the same bits on every machine.
//!
//! Nothing that data can reach panics or recurses, and firmware that runs images links no panic (`tests/device/run.sh
//! panics`). The stack is bounded: opening a [`Model`] of 6 layers and translating by it take less than 16 KiB each on a
//! 64-bit machine, which a test holds; a Cortex-M0 with 3 layers was seen to take less than 5 KiB in all.

mod arena;
mod attend;
mod backend;
mod chosen;
mod error;
mod job;
mod memory;
mod model;
mod need;
mod product;
mod slices;
mod translator;

pub use arena::{Slot, Words};
pub use backend::{Micro, Parameter};
pub use error::Error;
pub use job::Job;
pub use memory::{Aligned, Arena};
pub use model::Model;
pub use need::{Limits, arena_bytes, arena_bytes_with};
pub use translator::{Done, Options, Translated, Translator};
