//! From a run to an image: one file that a device runs in place, see [`a2d_core::image`].

mod compare;
mod image;
mod quantise;
mod request;
mod shortlist;
pub mod tokenizer;

pub use compare::{Comparison, compare};
pub use image::{Beside, Weights, write, write_with};
pub use quantise::{int4, int8};
pub use request::{Exported, Request};
pub use shortlist::shortlist;
pub use tokenizer::tables;
