//! Images on processors with vector instructions.
//!
//! [`Packed`] is a backend with the arithmetic of [`a2d_core::micro::Micro`]: an image gives the same bits here and on a
//! board. It computes many rows at a time, from weights that are packed once for the vector instructions of an
//! [`Isa`]. Every instruction set gives the same bits: sums of integers are exact, and sums of floats run in the fixed
//! lanes of [`a2d_core::rows`].
//!
//! ```no_run
//! use a2d_core::micro::Model;
//! use a2d_packed::{Isa, Packed, Weights};
//!
//! # fn run(image: &[u8]) -> Result<(), Box<dyn core::error::Error>> {
//! let model: Model = Model::new(image)?;
//! let weights = Weights::new(&model, Isa::best())?;
//! let mut backend = Packed::new(&weights);
//! # Ok(()) }
//! ```
//!
//! A [`Translator`] streams the tokens of one sentence at a time, as [`a2d_core::micro::Translator`] does. A [`Classifier`]
//! or an [`Embedder`] reads one text at a time.

#![cfg_attr(not(feature = "std"), no_std)]
#![allow(clippy::needless_range_loop)] // a number often indexes several arrays

extern crate alloc;

mod attend;
mod backend;
mod chosen;
mod dot;
mod floats;
mod isa;
mod job;
mod lanes;
mod matrix;
mod plain;
mod product;
mod source;
mod tensor;
mod text;
mod translator;
mod weights;

pub use backend::Packed;
pub use isa::Isa;
pub use job::Job;
pub use matrix::Memory;
pub use tensor::Tensor;
pub use text::{Classifier, Embedder, TextReader};
pub use translator::Translator;
pub use weights::Weights;
