//! Marian models in Hugging Face's format, and what transformers gives for them.

mod beams;
mod cases;
mod greedy;
mod how;
mod model;
mod outputs;
pub mod probabilities;
mod round_trip;
mod searches;
mod texts;

pub use cases::models;
pub use model::Marian;
