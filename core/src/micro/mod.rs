//! A model in one slice of memory: the weights stay in an [image](crate::image), everything else is in an arena.
//!
//! ```no_run
//! use a2d_core::micro::{Arena, Error, Limits, Model, Options, Translator};
//!
//! # fn run(image: &'static [u8]) -> Result<(), Error> {
//! let model: Model = Model::new(image)?; // from `include_image!`
//! let mut arena = Arena::<65_536>::new();
//! let limits = Limits { source: 64, target: 64, beam: 1, int8_cache: false };
//! let mut translator = Translator::new(&model, &mut arena, limits, Options::default())?;
//! let mut out = [0; 400];
//! let done = translator.translate("Wo ist der Bahnhof?", &mut out)?;
//! let text: &str = done.text;
//! # Ok(()) }
//! ```
//!
//! * `a2d export --emit-rust` writes image, limits, arena size and layers as constants of a Rust source file.
//! * [`include_image!`](crate::include_image) puts an image into a program; an [`Arena`] is working memory. Both are
//!   aligned. All errors, from opening an image to a translation, are an [`Error`].
//! * [`Model::new`] checks the image once: the checksum, the configuration, the position of each weight.
//! * [`Model::arena_bytes`] is the exact size of the arena of a [`Translator`] with [`Limits`] (with a shortlist, an
//!   upper bound). A smaller arena is an error with the number of missing bytes. [`arena_bytes`] and, for an image with
//!   a shortlist, [`arena_bytes_with`] compute the same size from a configuration, as constants.
//! * [`Translator::translate`] returns a whole translation. [`Translator::start`] returns a [`Job`] to poll: each call
//!   runs a layer of the encoder or a step of the decoder. Between calls, feed a watchdog or show the new tokens,
//!   through a buffer of [`stream_bytes`](crate::image::stream_bytes).
//! * With the feature `text`, a `Classifier` finds the label of a text and an `Embedder` its vector, in the same way: `start`
//!   and `poll`, limits that determine the arena (`text_arena_bytes`), the same errors. An image is for one of the three.
//! * [`Translator::computing`] takes a [`Compute`]: the instructions of a processor (the crate `a2d-dsp`), a second core.
//!
//! Matrices of int8 and int4 are multiplied with activations of int8: each row of an activation is scaled so that its
//! largest magnitude is 127; products are summed in `i32` (for int4 within each group). The order of all arithmetic is
//! fixed, and no function of the platform is called, so an image gives the same bits on every machine.
//!
//! No input can make it panic or recurse, and firmware that runs images links no panic (`tests/device/run.sh panics`).
//! The stack is bounded: opening a [`Model`] of 6 layers, and translating with it, take less than 16 KiB each on a
//! 64-bit machine, as a test checks. A Cortex-M0 with 3 layers took less than 5 KiB in total.

mod arena;
mod attend;
mod backend;
mod chosen;
mod compute;
mod encoding;
mod error;
mod job;
mod memory;
mod model;
mod need;
mod product;
mod reader;
mod slices;
#[cfg(feature = "text")]
mod text_job;
#[cfg(feature = "text")]
mod text_reader;
mod translator;

pub use arena::{Aligned, Arena};
pub use backend::{Micro, Parameter};
pub use compute::{Compute, Portable};
pub use error::Error;
pub use job::Job;
pub use memory::{Slot, Words};
pub use model::Model;
pub use need::{Limits, arena_bytes, arena_bytes_with};
#[cfg(feature = "text")]
pub use need::{TextLimits, text_arena_bytes};
#[cfg(feature = "text")]
pub use text_job::{Becomes, Label, TextJob, ToLabel, ToVector};
#[cfg(feature = "text")]
pub use text_reader::{Classifier, Embedder, TextReader};
pub use translator::{Done, Options, Translated, Translator};
