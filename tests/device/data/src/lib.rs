//! The image, the sentences and the limits of the device programs.
//!
//! `A2D_IMAGE` is the path of the image. `A2D_SENTENCES` is the number of lines of `sentences.txt`, with the feature `text`
//! of `texts.txt`, by default all.
//! `build.rs` opens the image and writes the other constants.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[allow(unused_imports)] // the constants of one image use some
use a2d_core::config::{
    Activation::*, Config, Embedding, Head, Output::*, Pooling::*, Positions::*, Special, Stack,
};
use a2d_core::image::Sizes;
use a2d_core::micro::Arena;
use a2d_demo::Limits;

include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// The image, among the program's constants: in flash on a microcontroller.
pub static IMAGE: &[u8] = a2d_core::include_image!(env!("A2D_IMAGE"));

/// The exact size of the arena in bytes.
#[cfg(not(feature = "text"))]
pub const ARENA: usize = a2d_core::micro::arena_bytes_with(&CONFIG, QUANTISED, SHORTLIST, &LIMITS);

/// The exact size of the arena in bytes.
#[cfg(feature = "text")]
pub const ARENA: usize = a2d_core::micro::text_arena_bytes(&CONFIG, QUANTISED, &LIMITS);

/// An arena.
pub type Memory = Arena<ARENA>;
