//! What the device programs translate, and with what.
//!
//! `A2D_IMAGE` is the path of the image; `A2D_SENTENCES` how many lines of `sentences.txt` there are, without it all.
//! `build.rs` opens the image and writes the other constants.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use a2d_core::config::{Activation::*, Config, Positions::*, Special, Stack};
use a2d_core::image::Sizes;
use a2d_core::micro::{Arena, Limits, arena_bytes_with};

include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// The image, where a program's constants are: on a microcontroller, in flash.
pub static IMAGE: &[u8] = a2d_core::include_image!(env!("A2D_IMAGE"));

/// Bytes of the arena, exactly.
pub const ARENA: usize = arena_bytes_with(&CONFIG, QUANTISED, SHORTLIST, &LIMITS);

/// An arena.
pub type Memory = Arena<ARENA>;
