//! What the device programs translate, and with what.
//!
//! `A2D_IMAGE` is the path of the image; `A2D_SENTENCES` how many lines of `sentences.txt` there are, without it all.
//! `build.rs` opens the image and writes the other constants.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use a2d_core::config::{Activation::*, Config, Stack};
use a2d_core::image::Sizes;
use a2d_core::micro::{Limits, arena_bytes_with};
use a2d_demo::Aligned;

include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// The image, where a program's constants are: on a microcontroller, in flash.
pub static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("A2D_IMAGE")));

/// Bytes of the arena.
pub const ARENA: usize = arena_bytes_with(&CONFIG, QUANTISED, SHORTLIST, &LIMITS);

/// An arena.
pub const fn arena() -> Aligned<[u8; ARENA]> {
    Aligned([0; ARENA])
}
