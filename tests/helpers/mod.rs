//! What several tests need: models of random weights, a training loop, comparisons, the golden suite.
//!
//! All of it is generic over the backend, so that every backend can be put through it.

pub mod compare;
pub mod golden;
pub mod gradients;
pub mod image;
pub mod model;
pub mod skip;
pub mod text;
