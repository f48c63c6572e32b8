//! The image, the sentences and the limits of the device programs.
//!
//! `A2D_IMAGE` is the path of the image. `A2D_SENTENCES` is the number of lines of `sentences.txt`, by default all.
//! `build.rs` opens the image and writes the other constants.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use a2d_core::config::{Activation::*, Config, Positions::*, Special, Stack};
use a2d_core::image::Sizes;
use a2d_core::micro::{Arena, Limits, arena_bytes_with};

include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// The image, among the program's constants: in flash on a microcontroller.
pub static IMAGE: &[u8] = a2d_core::include_image!(env!("A2D_IMAGE"));

/// The exact size of the arena in bytes.
pub const ARENA: usize = arena_bytes_with(&CONFIG, QUANTISED, SHORTLIST, &LIMITS);

/// An arena.
pub type Memory = Arena<ARENA>;
