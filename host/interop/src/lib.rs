//! Models of other toolkits: what they wrote is read, and what they read is written.
//!
//! [`import()`] gives a [`Foreign`] model: an [`Imported`](model::Imported) translator, or a [`bert::Text`] model; [`ct2::write`], [`hf::write`] and
//! [`argos::write`] take a [`Portable`](model::Portable). [`tensors`] reads the files that weights lie in. A writer
//! refuses what its format, or a program that reads it, would misread.

#![deny(unsafe_code)]

mod arch;
pub mod argos;
pub mod bert;
mod check;
pub mod ct2;
mod folder;
mod foreign;
pub mod hf;
mod import;
mod json;
mod line;
pub mod marian;
pub mod model;
mod positions;
pub mod run;
mod start;
pub mod tensors;
pub mod trim;

pub use foreign::Foreign;
pub use import::{import, is_model};
