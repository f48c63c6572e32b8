//! From a run to an image: one file that a device runs in place, see [`a2d_core::image`].

mod compare;
mod image;
mod quantise;
mod run;
pub mod tokenizer;

pub use compare::{Comparison, compare};
pub use image::{Weights, write};
pub use quantise::{int4, int8};
pub use run::{Runner, Words, is_image};

use crate::error::Result;
use crate::vocab::Vocab;

/// The image's tokenizer section: the host's JSON vocabulary, as it is.
///
/// Errors: none so far.
pub fn tokenizer_section(vocab: &Vocab) -> Result<Vec<u8>> {
    Ok(vocab.to_bytes())
}

/// The vocabulary of an image's tokenizer section.
///
/// Errors (misuse): it holds another thing.
pub fn vocabulary(section: &[u8]) -> Result<Vocab> {
    Vocab::from_bytes(section)
}
