//! Fuzz targets for the parsers that read untrusted bytes on a device, and for the reader of other toolkits' tensors:
//! nothing may panic, and the documented guarantees must hold.
//!
//! `targets` runs them in a fuzzer, `tests/fuzz.rs` on the corpus.

mod image;
mod pickle;
mod placed;
mod sentencepiece;
mod token;
mod wordpiece;

pub use image::image;
pub use pickle::pickle;
pub use sentencepiece::sentencepiece;
pub use token::token;
pub use wordpiece::wordpiece;
