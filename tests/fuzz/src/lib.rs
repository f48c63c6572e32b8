//! The two parsers that read foreign bytes on a device, given any bytes: nothing may panic, and what is
//! documented must hold.
//!
//! The targets give it what a fuzzer finds, `tests/fuzz.rs` what fuzzers have found.

mod image;
mod placed;
mod token;

pub use image::image;
pub use token::token;
